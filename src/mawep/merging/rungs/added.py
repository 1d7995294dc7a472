"""Both sides added something at one place: both are kept, in either order."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from difflib import SequenceMatcher

from mawep.merging.offers import Offer
from mawep.merging.structure import TRIVIAL
from mawep.merging.syntax import facts
from mawep.merging.threeway import Hunk, Lines
from mawep.merging.tokens import key

ALIKE = 0.8
"""Lines that share more than this are two wordings of one thing."""


def independent(hunk: Hunk, path: str) -> Iterator[Offer]:
    """Definitions, entries of lists, paragraphs that have nothing to do with one another."""
    if _apart(hunk, path):
        yield from _both(hunk)


def union(hunk: Hunk, path: str) -> Iterator[Offer]:
    """Whatever both sides inserted, for a gate to judge."""
    if not _apart(hunk, path):
        yield from _both(hunk)


def _both(hunk: Hunk) -> Iterator[Offer]:
    if not any(line.strip() for line in hunk.base):
        yield Offer(hunk.ours + hunk.theirs, "both sides added something of their own, ours first")
        yield Offer(hunk.theirs + hunk.ours, "both sides added something of their own, theirs first")


def _apart(hunk: Hunk, path: str) -> bool:
    mine, other = (facts(textwrap.dedent("".join(lines)), path) for lines in (hunk.ours, hunk.theirs))
    if mine and other and not (_entries(hunk.ours) and _entries(hunk.theirs)):
        same = {what[-1] for what in mine.defined} & {what[-1] for what in other.defined}
        if mine.errors or other.errors or same:
            return False
    return not any(_alike(one, two) for one in hunk.ours for two in hunk.theirs)


def _entries(lines: Lines) -> bool:
    return all(line.rstrip().endswith(",") for line in lines if line.strip())


def _alike(one: str, other: str) -> bool:
    left, right = key(one), key(other)
    if min(len(left), len(right)) < TRIVIAL:
        return False
    return SequenceMatcher(None, left, right, autojunk=False).ratio() >= ALIKE
