"""The order of composition: whoever conflicts with fewest goes first, and nobody is lost."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mawep.core.order import least_conflicting


def pairs(*found: tuple[int, int]) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in found}


@pytest.mark.parametrize(
    ("clashing", "order"),
    [
        (pairs(), (1, 2, 3, 4)),
        (pairs((1, 2)), (3, 4, 1, 2)),
        (pairs((1, 2), (1, 3), (1, 4)), (2, 3, 4, 1)),
        (pairs((1, 2), (2, 3), (3, 4)), (1, 3, 2, 4)),
        (pairs((2, 9)), (1, 2, 3, 4)),
    ],
    ids=["none", "one pair", "one with all", "a chain", "with somebody else"],
)
def test_who_conflicts_with_fewest_goes_first(clashing: set[frozenset[int]], order: tuple[int, ...]) -> None:
    assert least_conflicting((1, 2, 3, 4), clashing) == order


@given(st.permutations(range(8)), st.sets(st.sampled_from([frozenset(p) for p in combinations(range(8), 2)])))
def test_all_are_there_once_and_the_first_fit_together(
    queued: list[int], clashing: set[frozenset[int]]
) -> None:
    order = least_conflicting(queued, clashing)
    assert sorted(order) == sorted(queued)
    fitting: list[int] = []
    for number in order:
        if any(frozenset((number, other)) in clashing for other in fitting):
            break
        fitting.append(number)
    left = set(queued) - set(fitting)
    assert all(any(frozenset((number, other)) in clashing for other in fitting) for number in left)
