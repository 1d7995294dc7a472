"""Changelogs and lists of people: entries of both sides are kept, the newest section first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mawep.merging.offers import Offer
from mawep.merging.ordered import reworded, union
from mawep.merging.sections import NEWS
from mawep.merging.threeway import Hunk
from mawep.merging.versions import found_in, later

_ENTRY = re.compile(r"^\s*(?:[-*+•]|\d+[.)]|\.\.)\s")


def offers(hunk: Hunk, path: str) -> Iterator[Offer]:
    """The entries of both sides, in both orders."""
    if not NEWS.search(path):
        return
    was, mine, other = (_entries(lines) for lines in (hunk.base, hunk.ours, hunk.theirs))
    if reworded(was, mine, other):
        return
    first = Offer(_joined(union(was, mine, other)), "entries of both sides, ours first")
    second = Offer(_joined(union(was, other, mine)), "entries of both sides, theirs first")
    yield from (second, first) if _newer(hunk.theirs, hunk.ours) else (first, second)


def _newer(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the first version that one side speaks of is later than the other's."""
    left, right = found_in(one[:3]), found_in(other[:3])
    return bool(left and right) and later(left[0], right[0])


def _joined(entries: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(line for entry in entries for line in entry)


def _entries(lines: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Bullets with the lines they go on over, paragraphs, and single lines of lists."""
    bullets = any(_ENTRY.match(line) for line in lines)
    found: list[list[str]] = []
    for line in lines:
        goes_on = found and bullets and not _ENTRY.match(line) and (line[:1].isspace() or not line.strip())
        if goes_on:
            found[-1].append(line)
        else:
            found.append([line])
    return tuple(tuple(entry) for entry in found)
