"""Text that agents and writers of issues wrote, made fit for one line of a terminal."""

from __future__ import annotations

import re

_TERMINAL_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, clipboards, links
    r"|\x1b[ -/]*[0-~]?"
)
# Control characters, marks that turn the direction of text, and characters that take no room.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_COMBINING = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_STACK = re.compile(f"({_COMBINING}{{2}}){_COMBINING}+")


def one_line(text: str, limit: int = 500) -> str:
    """`text` without anything that a terminal obeys, on one line of at most `limit` characters."""
    text = _TERMINAL_SEQUENCE.sub("", text[: 4 * limit])
    text = _STACK.sub(r"\1", _HIDDEN.sub("", " ".join(text.split())))
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def several_lines(text: str, limit: int) -> str:
    """`text` without anything that a terminal obeys, its lines kept, at most `limit` characters of it."""
    shown = text if len(text) <= limit else text[:limit] + "\n…"
    lines = _TERMINAL_SEQUENCE.sub("", shown.replace("\t", "    ")).splitlines()
    return "\n".join(_STACK.sub(r"\1", _HIDDEN.sub("", line)).rstrip() for line in lines).strip("\n")


def first_line(text: str, limit: int = 200) -> str:
    """The first line of `text` that says something, fit to be shown."""
    lines = (one_line(raw, limit) for raw in text[:10_000].splitlines())
    return next((line for line in lines if line), "")


def duration(seconds: float) -> str:
    """A length of time for people: `0.4 s`, `0:42`, `1:02:03`, `3 d 4 h`."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(number: int, noun: str) -> str:
    """`1 issue`, `2 issues`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def short(sha: str) -> str:
    """A commit as people write it."""
    return sha[:7]


def numbers(issues: tuple[int, ...] | list[int], most: int = 8) -> str:
    """`#1, #2 and 7 more`."""
    named = ", ".join(f"#{number}" for number in issues[:most])
    return named if len(issues) <= most else f"{named} and {len(issues) - most} more"
