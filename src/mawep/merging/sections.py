"""News by their sections: a release's entries belong together, whatever stood around them on either side."""

from __future__ import annotations

import re

from mawep.merging.threeway import Hunk, Lines, Settled, merge, split
from mawep.merging.versions import found_in, later

NEWS = re.compile(
    r"(^|/)(change|changes|changelog|history|news|release|releases|whatsnew|authors|contributors|thanks)[^/]*$",
    re.IGNORECASE,
)
_RULE = re.compile(r"^\s*([-=~^*#+])\1{2,}\s*$")
_RELEASE = re.compile(r"\d+\.\d+|unreleased|trunk|master|main|dev|next|upcoming", re.IGNORECASE)


def by_sections(base: str, ours: str, theirs: str, path: str) -> list[Settled | Hunk] | None:
    """The pieces of a three-way merge of each section by itself; None when sections do not show what belongs together.

    A section that one side brought in stands above those of earlier versions.
    """
    if not NEWS.search(path):
        return None
    was, mine, other = (_sections(split(text)) for text in (base, ours, theirs))
    if was is None or mine is None or other is None or set(was) - (set(mine) & set(other)):
        return None
    pieces: list[Settled | Hunk] = []
    for heading in _newest_first(tuple(mine), tuple(other)):
        if heading in mine and heading in other:
            pieces += merge(was.get(heading, ()), mine[heading], other[heading])
        else:
            pieces.append(Settled(mine.get(heading) or other[heading]))
    return pieces


def _newest_first(mine: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    headings = list(mine)
    for heading in other:
        if heading not in headings:
            headings.insert(_place(headings, heading), heading)
    return tuple(headings)


def _place(headings: list[str], new: str) -> int:
    """Before the first section of an earlier version, behind what stands above all sections."""
    version = found_in([new])
    for at, heading in enumerate(headings):
        known = found_in([heading])
        if heading and version and known and later(version[0], known[0]):
            return at
    return min(1, len(headings)) if not version else len(headings)


def _sections(lines: Lines) -> dict[str, Lines] | None:
    """Sections by their headings, what stands above the first under ""; None when a heading is there twice."""
    starts = [at for at in range(len(lines)) if _heads(lines, at)]
    if not starts:
        return None
    found = {"": lines[: starts[0]]} if starts[0] else {}
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        heading = " ".join(lines[start].split())
        if heading in found:
            return None
        found[heading] = lines[start:end]
    return found


def _heads(lines: Lines, at: int) -> bool:
    """Whether a release's section begins with that line."""
    line = lines[at]
    if not _RELEASE.search(line) or _RULE.match(line) or line[:1].isspace():
        return False
    return line.startswith("#") or (at + 1 < len(lines) and bool(_RULE.match(lines[at + 1])))
