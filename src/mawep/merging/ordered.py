"""Ordered sets merged three ways: what either side added or took out, in an order that each side knows again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)


def union(
    base: Sequence[Item],
    ours: Sequence[Item],
    theirs: Sequence[Item],
    rank: Callable[[Item], str] | None = None,
) -> tuple[Item, ...]:
    """Ours, without what theirs took out, with what theirs added after what stands before it there.

    With `rank`, when both sides are in its order, so is the result.
    """
    gone = set(base) - set(theirs)
    result = [item for item in ours if item not in gone]
    known = set(base) | set(ours)
    for at, item in enumerate(theirs):
        if item not in known:
            result.insert(_place(result, theirs, at), item)
            known.add(item)
    if rank and all(list(side) == sorted(side, key=rank) for side in (ours, theirs)):
        result.sort(key=rank)
    return tuple(result)


def _place(result: Sequence[Item], theirs: Sequence[Item], at: int) -> int:
    """After the nearest item before it in theirs that is there, and after what ours put in behind that."""
    before = next((result.index(item) for item in reversed(theirs[:at]) if item in result), None)
    after = next((result.index(item) for item in theirs[at + 1 :] if item in result), None)
    if after is not None and (before is None or after > before):
        return after
    return len(result) if before is None or after is None else before + 1


def reworded(base: Sequence[Item], ours: Sequence[Item], theirs: Sequence[Item]) -> bool:
    """Whether both sides put something else in the place of one item: who keeps both keeps two wordings of it."""
    was, mine, other = set(base), set(ours), set(theirs)
    return bool(was - mine - other) and bool(mine - was - other) and bool(other - was - mine)
