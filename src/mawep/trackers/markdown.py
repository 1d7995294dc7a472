"""The little of Markdown that issues are read by: what a reader sees, headings, list items.

Issue texts are written by anybody, so every step here is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

CODE = "\0"
"""Stands where inline code was: neither a word nor a space."""

_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?(?P<text>.*)")

_FENCE = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?P<fence>`{3,}|~{3,})(?P<info>.*)")
_HIDDEN = re.compile(r"`+|<!--")
_TICKS = re.compile(r"`+")


class Markdown:
    """A text, and what a reader sees of it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lines(self) -> list[str]:
        """The lines as they were written."""
        return self.text.split("\n")

    @cached_property
    def visible(self) -> list[str]:
        """The same lines without comments, code and quotes."""
        return list(_Reader().read(self.lines))


def heading(line: str) -> str | None:
    """The title when the line is a heading (`## Title`)."""
    if "#" not in line:
        return None
    marks = line.lstrip(" ")
    text = marks.lstrip("#")
    if not 1 <= len(marks) - len(text) <= 6 or len(line) - len(marks) > 3 or text[:1] not in {"", " ", "\t"}:
        return None
    title = text.strip()
    without_closing = title.rstrip("#")
    return without_closing.rstrip() if without_closing[-1:] in {"", " ", "\t"} else title


def list_item(line: str) -> str | None:
    """The text of a list item."""
    found = _ITEM.match(line)
    return found["text"].strip() if found else None


class _Reader:
    """Goes through a text line by line, knowing whether a code fence or a comment is open."""

    def __init__(self) -> None:
        self._fence = ""
        self._in_comment = False

    def read(self, lines: list[str]) -> Iterator[str]:
        for line in lines:
            if self._fence:
                if _closes(line, self._fence):
                    self._fence = ""
                yield ""
            elif not self._in_comment and (fence := _opens(line)):
                self._fence = fence
                yield ""
            elif not self._in_comment and line.lstrip().startswith(">"):
                yield ""
            else:
                yield self._inline(line)

    def _inline(self, line: str) -> str:
        if not self._in_comment and "`" not in line and "<!--" not in line:
            return line
        seen: list[str] = []
        at = 0
        while at < len(line):
            if self._in_comment:
                end = line.find("-->", at)
                if end < 0:
                    break
                self._in_comment = False
                at = end + 3
            found = _HIDDEN.search(line, at)
            if found is None:
                seen.append(line[at:])
                break
            seen.append(line[at : found.start()])
            at = found.end()
            if found[0] == "<!--":
                self._in_comment = True
                seen.append(" ")
            elif end := _code_end(line, found):
                seen.append(CODE)
                at = end
            else:
                seen.append(found[0])
        return "".join(seen)


def _opens(line: str) -> str:
    if "```" not in line and "~~~" not in line:
        return ""
    found = _FENCE.match(line)
    if found is None or (found["fence"][0] == "`" and "`" in found["info"]):
        return ""
    return found["fence"]


def _closes(line: str, fence: str) -> bool:
    ticks = line.strip()
    return len(ticks) >= len(fence) and not ticks.strip(fence[0])


def _code_end(line: str, opening: re.Match[str]) -> int:
    """Where inline code ends that begins at `opening`; 0 when nothing closes it."""
    ends = (run.end() for run in _TICKS.finditer(line, opening.end()) if run[0] == opening[0])
    return next(ends, 0)
