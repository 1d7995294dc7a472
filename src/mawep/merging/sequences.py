"""Which elements two sequences have in common, in order: by what is rare first, so that blocks stay together."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

DENSEST = 1_000_000
"""How many pairs of elements are compared where nothing is unique; beyond that nothing is said to be in common."""


@dataclass(frozen=True)
class Change:
    """`old[start:end]` was replaced by `new[begin:stop]`; one of the two may be empty."""

    start: int
    end: int
    begin: int
    stop: int


def changes(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """What has to be replaced in `old` to make `new` of it, in order."""
    found: list[Change] = []
    start = begin = 0
    for at, there in [*_pairs(old, new, 0, len(old), 0, len(new)), (len(old), len(new))]:
        if at > start or there > begin:
            found.append(Change(start, at, begin, there))
        start, begin = at + 1, there + 1
    return found


def _pairs(  # noqa: PLR0917
    old: Sequence[str], new: Sequence[str], low: int, high: int, left: int, right: int
) -> Iterator[tuple[int, int]]:
    """Pairs of equal elements of `old[low:high]` and `new[left:right]`, ascending in both."""
    while low < high and left < right and old[low] == new[left]:
        yield low, left
        low, left = low + 1, left + 1
    tail = 0
    while low < high and left < right and old[high - 1] == new[right - 1]:
        high, right, tail = high - 1, right - 1, tail + 1
    if low < high and left < right:
        anchors = _anchors(old, new, low, high, left, right)
        if anchors:
            for at, there in anchors:
                yield from _pairs(old, new, low, at, left, there)
                yield at, there
                low, left = at + 1, there + 1
            yield from _pairs(old, new, low, high, left, right)
        elif (high - low) * (right - left) <= DENSEST:
            matcher = SequenceMatcher(None, old[low:high], new[left:right], autojunk=False)
            for block in matcher.get_matching_blocks():
                yield from ((low + block.a + k, left + block.b + k) for k in range(block.size))
    yield from ((high + k, right + k) for k in range(tail))


def _anchors(  # noqa: PLR0917
    old: Sequence[str], new: Sequence[str], low: int, high: int, left: int, right: int
) -> list[tuple[int, int]]:
    """The longest ascending row of elements that occur once on either side."""
    here, there = Counter(old[low:high]), Counter(new[left:right])
    place = {new[j]: j for j in range(left, right) if there[new[j]] == 1}
    unique = [(i, place[old[i]]) for i in range(low, high) if here[old[i]] == 1 and old[i] in place]
    ends: list[int] = []  # the least end of an ascending row of each length
    last: list[int] = []  # which of `unique` that is
    before: list[int] = []
    for k, (_, j) in enumerate(unique):
        length = bisect_left(ends, j)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [j]
        last[length : length + 1] = [k]
    row: list[tuple[int, int]] = []
    k = last[-1] if last else -1
    while k >= 0:
        row.append(unique[k])
        k = before[k]
    return row[::-1]
