"""The "Affected files" section of an issue's text: a heading, then a list of paths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mawep.core.paths import confined
from mawep.trackers.markdown import Markdown, heading, list_item

_TITLE = re.compile(r"affected[ \t]+files[ \t]*:?", re.IGNORECASE)
_CODE = re.compile(r"`([^`]+)`(?:[ \t]*(?:,|and|&)[ \t]*(?=`))?")
_DESCRIPTION = re.compile(r" [-–—(] ?|: |:$")
_NO_PATH = frozenset({"-", "?", "n/a", "none", "tbd", "unknown"})


@dataclass(frozen=True)
class AffectedFile:
    """A path (or pattern) that a text declares, or the `problem` with what stands there."""

    path: str
    line: int
    problem: str = ""


def affected_files(body: Markdown) -> Iterator[AffectedFile]:
    """Every path that the section lists: in backticks, or as one word, a description after it or not."""
    if "affected" not in body.text.lower():
        return
    in_section = False
    for count, (line, seen) in enumerate(zip(body.lines, body.visible, strict=True), start=1):
        title = heading(seen)
        if title is not None:
            in_section = _TITLE.fullmatch(title) is not None
        elif in_section and list_item(seen):
            yield from _paths(list_item(line) or "", count)


def _paths(item: str, line: int) -> Iterator[AffectedFile]:
    for text in _in_code(item) or _DESCRIPTION.split(item, maxsplit=1)[0].split(","):
        path = text.strip()
        if path.lower() in _NO_PATH:
            continue
        if not item.startswith("`") and (" " in path or "](" in path):
            yield AffectedFile(
                path, line, "is not a path; write the path in backticks, a description after it"
            )
            continue
        try:
            yield AffectedFile(confined(path), line)
        except ValueError as reason:
            yield AffectedFile(path, line, str(reason))


def _in_code(item: str) -> list[str]:
    """What the item begins with in backticks, several in a row."""
    found: list[str] = []
    at = 0
    while code := _CODE.match(item, at):
        found.append(code[1])
        at = code.end()
    return found
