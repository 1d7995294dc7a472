"""Version bumps: the later version stands, and what the other side changed besides."""

from __future__ import annotations

from collections.abc import Iterator

from mawep.merging.offers import Offer
from mawep.merging.threeway import Hunk
from mawep.merging.versions import found_in, later, latest, masked


def offers(hunk: Hunk, path: str) -> Iterator[Offer]:
    """The later of the versions that both sides changed."""
    if len(hunk.base) == len(hunk.ours) == len(hunk.theirs):
        lines = [latest(*three) for three in zip(hunk.base, hunk.ours, hunk.theirs, strict=True)]
        if all(line is not None for line in lines):
            yield Offer(tuple(line for line in lines if line is not None), "the later version stands")
            return
    if _raised(hunk.base, hunk.theirs, hunk.ours):
        yield Offer(hunk.ours, "theirs only raised versions that ours raised further or took out")
    if _raised(hunk.base, hunk.ours, hunk.theirs):
        yield Offer(hunk.theirs, "ours only raised versions that theirs raised further or took out")


def _raised(was: tuple[str, ...], side: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether a side did nothing but raise versions, and the other left none of those that were there."""
    if masked(was) != masked(side):
        return False
    pairs = [(old, new) for old, new in zip(found_in(was), found_in(side), strict=True) if old != new]
    there = found_in(other)
    return bool(pairs) and not any(
        old in there or (there and not any(later(found, new) for found in there)) for old, new in pairs
    )
