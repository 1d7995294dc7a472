"""A text as tokens: words, versions, marks and white space, and what is left of them without formatting."""

from __future__ import annotations

import re
from collections.abc import Sequence

VERSION = re.compile(
    r"(?<![\w.])[v^~]?\d+(?:\.(?:\d+|[x*]))+(?:[-.+_]?(?:alpha|beta|dev|post|next|pre|rc|[abc])(?:[-.]?\d+)*)*(?![\w.]*\w)"
)
"""A version with at least one dot, with the operator that npm writes before it and what comes after the numbers."""

_TOKEN = re.compile(rf"{VERSION.pattern}|\w+|\n|[^\S\n]+|.")
_OPENING, _CLOSING = "([{", ")]}"

INDENTED = (".py", ".pyi", ".yaml", ".yml", ".rst", ".md", ".ini", ".cfg")
"""Files in which indentation means something."""


def tokens(lines: Sequence[str]) -> tuple[str, ...]:
    """Every character, in tokens: joining them gives the text again."""
    return tuple(_TOKEN.findall("".join(lines)))


def bare(lines: Sequence[str], path: str) -> tuple[str, ...]:
    """The tokens that are not formatting: no white space, one kind of quotes, no comma before a closing bracket.

    Where indentation means something it counts, except inside brackets.
    """
    indented = path.endswith(INDENTED)
    found: list[str] = []
    depth = 0
    fresh = True
    for mark in tokens(lines):
        if mark == "\n":
            fresh = True
            continue
        if mark.isspace():
            if fresh and indented and not depth:
                found.append(mark.expandtabs())
            continue
        if fresh and found and found[-1].isspace() and mark in _CLOSING:
            found.pop()
        fresh = False
        depth += (mark in _OPENING) - (mark in _CLOSING)
        if mark in _CLOSING and found and found[-1] == ",":
            found.pop()
        found.append('"' if mark == "'" else mark)
    while found and found[-1].isspace():
        found.pop()
    return tuple(found)


def flush(lines: Sequence[str], path: str) -> tuple[str, ...]:
    """The lines, without their indentation where it means nothing: inside brackets, and in most kinds of files.

    What stands at the margin begins anew: brackets in texts are not told from others.
    """
    found: list[str] = []
    depth = 0
    for line in lines:
        if line[:1].strip() and line[0] not in _CLOSING:
            depth = 0
        found.append(line if path.endswith(INDENTED) and depth <= 0 else line.lstrip(" \t"))
        depth += sum(line.count(mark) for mark in _OPENING) - sum(line.count(mark) for mark in _CLOSING)
    return tuple(found)


def depth(marks: Sequence[str]) -> int:
    """How many brackets the tokens open more than they close."""
    return sum((mark in _OPENING) - (mark in _CLOSING) for mark in marks)


def indentation(line: str, path: str) -> str:
    """The white space that a line begins with, where it means something."""
    line = line.expandtabs()
    return line[: len(line) - len(line.lstrip())] if path.endswith(INDENTED) and line.strip() else ""


def key(line: str, path: str = "") -> str:
    """A line by what it says: no white space but indentation that means something, no comma at its end."""
    return indentation(line, path) + re.sub(r"\s+", "", line).rstrip(",")
