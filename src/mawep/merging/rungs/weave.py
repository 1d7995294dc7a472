"""Edits that lie beside one another: in different lines, or in different tokens of the same lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mawep.merging import versions
from mawep.merging.offers import Offer
from mawep.merging.sequences import changes
from mawep.merging.threeway import Hunk, Lines, Settled, merge, split
from mawep.merging.tokens import bare, tokens

KEPT = 0.5
"""The share of a base's tokens that a side must have kept for its edit to be seen token by token."""


def adjacent(hunk: Hunk, path: str) -> Iterator[Offer]:
    """Edits of whole lines that meet without lying on one another."""
    pieces = merge(hunk.base, hunk.ours, hunk.theirs, touching=False)
    settled = [piece.lines for piece in pieces if isinstance(piece, Settled)]
    if len(settled) == len(pieces) and settled:
        yield Offer(sum(settled, ()), "the sides changed neighbouring lines")


def disjoint(hunk: Hunk, path: str) -> Iterator[Offer]:
    """Edits of different tokens of the same lines, with something between them that neither side touched."""
    if len(hunk.base) == len(hunk.ours) == len(hunk.theirs):
        rows = [
            woven(Hunk((was,), (mine,), (other,)), touching=True)
            for was, mine, other in zip(hunk.base, hunk.ours, hunk.theirs, strict=True)
        ]
        if None not in rows:
            yield Offer(
                tuple(line for row in rows for line in row or ()), "the sides changed different tokens"
            )


def block(hunk: Hunk, path: str) -> Iterator[Offer]:
    """Edits of different tokens of a block whose lines were broken up or put together."""
    text = woven(hunk, touching=True)
    if text:
        yield Offer(text, "the sides changed different tokens of a block")


def close(hunk: Hunk, path: str) -> Iterator[Offer]:
    """Edits of tokens that meet, or that both insert at one place."""
    for first in ("", "ours", "theirs"):
        text = woven(hunk, touching=False, first=first)
        if text:
            order = f"at one place, {first} first" if first else "beside one another"
            yield Offer(text, f"the sides changed tokens {order}")


def woven(hunk: Hunk, *, touching: bool, first: str = "") -> Lines | None:
    """The hunk merged token by token; None when tokens are in dispute, or too few of the base's are left."""
    was, mine, other = (tokens(lines) for lines in (hunk.base, hunk.ours, hunk.theirs))
    if not (_kept(was, mine) and _kept(was, other)):
        return None
    text: list[str] = []
    for piece in merge(was, mine, other, touching=touching):
        settled = (
            piece.lines if isinstance(piece, Settled) else _settled(piece, first, versioned=not touching)
        )
        if settled is None:
            return None
        text += settled
    return split("".join(text))


def _settled(hunk: Hunk, first: str, *, versioned: bool) -> Sequence[str] | None:
    """Tokens that both sides changed, where one of the two clearly holds."""
    was, mine, other = ("".join(part) for part in (hunk.base, hunk.ours, hunk.theirs))
    spaces = [not part.strip() for part in (was, mine, other)]
    if all(spaces) or mine == other:
        return hunk.ours
    later = versions.latest(was, mine, other)
    if versioned and later is not None:
        return (later,)
    plain = [bare(part, "") for part in (hunk.base, hunk.ours, hunk.theirs)]
    if plain[0] == plain[1] or plain[1] == plain[2]:
        return hunk.theirs if plain[0] == plain[1] else hunk.ours
    if plain[0] == plain[2]:
        return hunk.ours
    if first and not was:
        return hunk.ours + hunk.theirs if first == "ours" else hunk.theirs + hunk.ours
    return None


def _kept(was: Sequence[str], now: Sequence[str]) -> bool:
    words = [token for token in was if not token.isspace()]
    gone = sum(
        not token.isspace() for change in changes(was, now) for token in was[change.start : change.end]
    )
    return bool(words) and 1 - gone / len(words) >= KEPT
