"""Both sides wrote the same new lines at a place: these are a frame that each fills in its own way."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from mawep.merging.offers import Offer
from mawep.merging.rungs.weave import woven
from mawep.merging.sequences import changes
from mawep.merging.structure import TRIVIAL
from mawep.merging.threeway import Hunk, Lines, Settled, joined, merge
from mawep.merging.tokens import depth, key, tokens

ALIKE = 0.5
"""Lines that share as much are about one thing."""


def offers(hunk: Hunk, path: str) -> Iterator[Offer]:
    """What the sides have in common, with what either has besides; one line is made of two that are alike."""
    shared = _shared(hunk.ours, hunk.theirs)
    if any(len(key(line)) >= TRIVIAL and line not in hunk.base for line in shared) or (
        not hunk.base and _row(hunk.ours, hunk.theirs, (), "ours")
    ):
        for first in ("ours", "theirs"):
            lines = tuple(
                line
                for piece in merge(shared, hunk.ours, hunk.theirs, touching=False)
                for line in (piece.lines if isinstance(piece, Settled) else _filled(piece, hunk.base, first))
            )
            yield Offer(lines, f"the sides wrote the same new lines; of what differs, {first} comes first")


def _shared(ours: Lines, theirs: Lines) -> Lines:
    """The lines of ours that theirs has too, in an order that both know."""
    kept: list[str] = []
    at = 0
    for change in changes(ours, theirs):
        kept += ours[at : change.start]
        at = change.end
    return (*kept, *ours[at:])


def _filled(piece: Hunk, base: Lines, first: str) -> Lines:
    """Both sides of a place within the frame: row by row where rows are alike, else one after the other."""
    made = _row(piece.ours, piece.theirs, base, first)
    return made or (piece.ours + piece.theirs if first == "ours" else piece.theirs + piece.ours)


def _row(ours: Lines, theirs: Lines, base: Lines, first: str) -> Lines:
    """As many lines on either side, some of them about one thing; empty when that is not so."""
    if len(ours) != len(theirs):
        return ()
    rows = [_one(mine, other, base, first) for mine, other in zip(ours, theirs, strict=True)]
    if not any(rows):
        return ()
    lines: list[str] = []
    for row, mine, other in zip(rows, ours, theirs, strict=True):
        lines += row or ([mine, other] if first == "ours" else [other, mine])
    return tuple(lines)


def _one(mine: str, other: str, base: Lines, first: str) -> Lines:
    """One line that says what both say: against the line that they were made of, or with more between brackets."""
    was = [line for line in base if _alike(line, mine) and _alike(line, other)]
    if len(was) == 1:
        return woven(Hunk((was[0],), (mine,), (other,)), touching=False, first=first) or ()
    left, right = tokens([mine]), tokens([other])
    shorter = min(len(left), len(right))
    head = next((k for k in range(shorter) if left[k] != right[k]), shorter)
    tail = next((k for k in range(shorter - head) if left[-1 - k] != right[-1 - k]), shorter - head)
    inside = ["".join(side[head : len(side) - tail]) for side in (left, right)]
    if not all(inside) or depth(left[:head]) <= 0 or depth(left[len(left) - tail :]) >= 0:
        return ()
    if first == "theirs":
        inside.reverse()
    return (joined(("".join(left[:head]) + ", ".join(inside) + "".join(left[len(left) - tail :]),)),)


def _alike(one: str, other: str) -> bool:
    return SequenceMatcher(None, key(one), key(other), autojunk=False).ratio() >= ALIKE
