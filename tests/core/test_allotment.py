"""Agents are shared by need, evenly, and given only when they are there to be given."""

from __future__ import annotations

import pytest

from mawep.core.allotment import Demand, allot, shares


def wanting(*needs: int) -> list[Demand]:
    return [Demand(0, 0, need, turn) for turn, need in enumerate(needs)]


@pytest.mark.parametrize(
    ("total", "needs", "fair"),
    [
        (5, (2, 9), [2, 3]),
        (6, (9, 9, 9), [2, 2, 2]),
        (5, (9, 9), [3, 2]),
        (2, (9, 9, 9), [1, 1, 0]),
        (4, (0, 1, 0), [0, 1, 0]),
        (0, (3, 3), [0, 0]),
        (3, (), []),
    ],
)
def test_everybody_gets_one_more_while_there_are_any(
    total: int, needs: tuple[int, ...], fair: list[int]
) -> None:
    assert shares(total, wanting(*needs)) == fair


def test_who_waits_longest_comes_first_when_there_are_too_few_for_all() -> None:
    assert shares(1, [Demand(1, 1, 3, turn=7), Demand(0, 0, 3, turn=4)]) == [0, 1]


def test_what_does_not_divide_stays_where_it_is() -> None:
    assert shares(3, [Demand(1, 1, 9, turn=1), Demand(2, 2, 9, turn=5)]) == [1, 2]


def test_who_needs_no_more_keeps_what_he_has_until_somebody_else_does() -> None:
    idle = Demand(3, 0, 0)
    assert allot(5, {"api": idle, "web": Demand(0, 0, 2)}) == {"api": 3, "web": 2}
    assert allot(5, {"api": idle, "web": Demand(0, 0, 4)}) == {"api": 1, "web": 2}, "first it is taken"
    assert allot(5, {"api": Demand(1, 0, 0), "web": Demand(2, 2, 4)}) == {"api": 1, "web": 4}, "then given"


def test_what_is_at_work_is_given_only_when_it_is_back() -> None:
    assert allot(2, {"api": Demand(2, 2, 9, 1), "web": Demand(0, 0, 9)}) == {"api": 1, "web": 0}
    assert allot(2, {"api": Demand(1, 2, 9, 1), "web": Demand(0, 0, 9)}) == {"api": 1, "web": 0}
    assert allot(2, {"api": Demand(1, 1, 9, 1), "web": Demand(0, 0, 9)}) == {"api": 1, "web": 1}


def test_what_nobody_waits_for_any_more_need_not_be_given_back() -> None:
    assert allot(2, {"api": Demand(1, 2, 9, 1), "web": Demand(0, 0, 0)}) == {"api": 2, "web": 0}


def test_all_give_back_when_there_are_fewer() -> None:
    assert allot(2, {"api": Demand(2, 2, 9), "web": Demand(2, 2, 9)}) == {"api": 1, "web": 1}
