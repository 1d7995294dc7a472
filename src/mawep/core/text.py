"""Text that others wrote, without what a terminal obeys and what an eye does not see."""

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


def without_sequences(text: str) -> str:
    """`text` without what moves a cursor, colours or names a window."""
    return _TERMINAL_SEQUENCE.sub("", text)


def visible(line: str) -> str:
    """One line without control characters, turned directions, characters without width and towers of accents."""
    return _STACK.sub(r"\1", _HIDDEN.sub("", line))
