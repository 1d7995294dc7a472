"""Both sides made the same change, one went further, or one only changed formatting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mawep.merging.account import account
from mawep.merging.offers import Offer
from mawep.merging.rungs.weave import woven
from mawep.merging.threeway import Hunk
from mawep.merging.tokens import bare


def offers(hunk: Hunk, path: str) -> Iterator[Offer]:
    """One of the two sides, when it holds all that the other one changed."""
    was, mine, other = (bare(lines, path) for lines in (hunk.base, hunk.ours, hunk.theirs))
    if mine == other:
        yield Offer(hunk.ours, "both sides made the same change, formatted differently")
    elif was in (mine, other):
        if not _outgrown(was, other if mine == was else mine):
            yield from _formatted(hunk, ours=mine == was)
    else:
        base, ours, theirs = ("".join(lines) for lines in (hunk.base, hunk.ours, hunk.theirs))
        for name, whole, lines in (("ours", ours, hunk.ours), ("theirs", theirs, hunk.theirs)):
            if not account(base, ours, theirs, whole, path).entries:
                yield Offer(lines, f"{name} holds the whole change of the other side")


def beside_new_text(hunk: Hunk, path: str) -> Iterator[Offer]:
    """What one side wrote anew where the other only changed formatting, which the new text may want as well."""
    was, mine, other = (bare(lines, path) for lines in (hunk.base, hunk.ours, hunk.theirs))
    if mine != other and was in (mine, other) and _outgrown(was, other if mine == was else mine):
        yield from _formatted(hunk, ours=mine == was)


def _outgrown(was: tuple[str, ...], new: tuple[str, ...]) -> bool:
    """True when more than half of the new text is new."""
    return (Counter(new) - Counter(was)).total() > len(was)


def _formatted(hunk: Hunk, *, ours: bool) -> Iterator[Offer]:
    side = "ours" if ours else "theirs"
    text = woven(hunk, touching=True)
    if text:
        yield Offer(text, f"{side} changed only formatting, which is kept")
    yield Offer(hunk.theirs if ours else hunk.ours, f"{side} changed only formatting")
