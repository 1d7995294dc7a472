"""Text that agents and writers of issues wrote, made fit for one line of a terminal."""

from __future__ import annotations

from mawep.core.model import Far, Number
from mawep.core.text import visible, without_sequences


def one_line(text: str, limit: int = 500) -> str:
    """`text` without anything that a terminal obeys, on one line of at most `limit` characters."""
    text = without_sequences(text[: 4 * limit])
    text = visible(" ".join(text.split()))
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def several_lines(text: str, limit: int) -> str:
    """`text` without anything that a terminal obeys, its lines kept, at most `limit` characters of it."""
    shown = text if len(text) <= limit else text[:limit] + "\n…"
    lines = without_sequences(shown.replace("\t", "    ")).splitlines()
    return "\n".join(visible(line).rstrip() for line in lines).strip("\n")


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


def called(issue: Number, repository: str = "") -> str:
    """An issue as people write it in a command: `5`, or `owner/name#5` where there are several repositories."""
    return f"{repository}#{issue}" if repository else str(issue)


def named(issue: Number | Far | None) -> Number | str | None:
    """An issue as documents name it: its number, or `owner/name#number` in another repository."""
    return str(issue) if isinstance(issue, Far) else issue
