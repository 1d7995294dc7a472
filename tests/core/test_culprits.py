"""Which part of a batch lands and who spoils it, in how many rounds of the gate and how many runs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import ceil, log2
from typing import NamedTuple

import pytest

from mawep.core.culprits import Diagnosis, Eject, Land, Part, Probe, diagnose

Verdict = Callable[[Part], bool]


class Found(NamedTuple):
    """What was decided, after how many rounds, and the parts that were gated."""

    what: Diagnosis
    rounds: int
    runs: list[Part]


def search(whole: Part, green: Verdict, slots: int = 1) -> Found:
    """Ask the gate for what `diagnose` wants, `slots` runs at once, until it decides."""
    known: dict[Part, bool | None] = {}
    rounds = 0
    while isinstance(found := diagnose(whole, known, slots), Probe):
        wanted = [part for part in (*found.parts, *found.early) if known.get(part) is None]
        assert wanted, "asked again for what is known already"
        assert len(set(wanted)) == len(wanted)
        known |= dict.fromkeys(wanted)
        known |= {part: green(part) for part in wanted[:slots]}
        rounds += 1
    return Found(found, rounds, [part for part, verdict in known.items() if verdict is not None])


def without(size: int, number: int) -> Part:
    return tuple(n for n in range(size) if n != number)


@pytest.mark.parametrize("slots", range(1, 6))
@pytest.mark.parametrize("size", range(1, 17))
def test_a_green_batch_lands_whole_after_one_round(size: int, slots: int) -> None:
    found = search(tuple(range(size)), lambda part: True, slots)
    assert found.what == Land(tuple(range(size)))
    assert found.rounds == 1
    assert len(found.runs) <= slots


@pytest.mark.parametrize("size", range(2, 17))
def test_a_single_culprit_is_found_in_two_and_log_n_runs(size: int) -> None:
    for culprit in range(size):
        found = search(tuple(range(size)), lambda part, culprit=culprit: culprit not in part)  # type: ignore[misc]
        assert found.what == Land(without(size, culprit), culprit)
        assert len(found.runs) <= 2 + ceil(log2(size))


@pytest.mark.parametrize(
    ("size", "slots", "rounds", "runs"), [(8, 2, 3, 5), (8, 4, 2, 5), (16, 4, 2, 6), (32, 4, 2, 8)]
)
def test_the_bars_for_one_culprit(size: int, slots: int, rounds: int, runs: int) -> None:
    for culprit in range(size):
        found = search(tuple(range(size)), lambda part, culprit=culprit: culprit not in part, slots)  # type: ignore[misc]
        assert found.what == Land(without(size, culprit), culprit)
        assert found.rounds <= rounds
        assert len(found.runs) <= runs


def test_of_two_that_are_red_only_together_one_is_left_out_within_four_rounds() -> None:
    for pair in map(set, combinations(range(8), 2)):
        found = search(tuple(range(8)), lambda part, pair=pair: not pair <= set(part), 4)  # type: ignore[misc]
        assert isinstance(found.what, Land)
        assert found.what.suspect in pair
        assert found.what.part == without(8, found.what.suspect)
        assert found.rounds <= 3


def test_of_two_that_are_red_together_who_came_later_is_left_out() -> None:
    assert search((1, 2), lambda part: part != (1, 2), 4).what == Land((1,), 2)


@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("size", range(2, 9))
def test_two_that_are_red_only_together_leave_a_green_part(size: int, slots: int) -> None:
    for pair in map(set, combinations(range(size), 2)):
        found = search(tuple(range(size)), lambda part, pair=pair: not pair <= set(part), slots)  # type: ignore[misc]
        assert isinstance(found.what, Land)
        assert found.what.part in found.runs
        assert found.what.suspect in pair
        assert not pair <= set(found.what.part)


def test_what_the_whole_may_need_is_asked_for_early_where_a_slot_would_idle() -> None:
    whole = (1, 2, 3, 4)
    assert diagnose(whole, {}, slots=1) == Probe((whole,))
    assert diagnose(whole, {}, slots=2) == Probe((whole,), ((1, 2),))
    assert diagnose(whole, {}, slots=9) == Probe((whole,), ((1, 3), (1, 2)))
    assert diagnose((1,), {}, slots=9) == Probe(((1,),))


def test_a_round_that_is_under_way_is_waited_for() -> None:
    known = {(1, 2, 3, 4): False, (1, 3): None, (1, 2): True}
    assert diagnose((1, 2, 3, 4), known, slots=3) == Probe(((1, 3),))


def test_a_green_part_that_leaves_one_out_lands_before_the_round_is_over() -> None:
    known = {(1, 2, 3): False, (2, 3): None, (1, 3): True, (1, 2): None}
    assert diagnose((1, 2, 3), known, slots=3) == Land((1, 3), 2)


def test_a_first_candidate_that_is_red_alone_is_ejected() -> None:
    assert search((1,), lambda part: False)[::2] == (Eject(1), [(1,)])
    assert search((1, 2, 3), lambda part: False).what == Eject(1)


def test_where_nobody_explains_it_the_longest_prefix_lands() -> None:
    found = search((1, 2, 3, 4, 5, 6), lambda part: not {3, 5} & set(part))
    assert found.what == Land((1, 2), 3)


def test_a_green_part_larger_than_the_prefix_lands() -> None:
    found = search((1, 2, 3, 4, 5, 6, 7, 8), lambda part: part == (1, 3, 5, 7), 4)
    assert found.what == Land((1, 3, 5, 7), None)
    known = {(1, 2, 3, 4): False, (1,): False, (2, 4): True, (2, 3, 4): False}
    assert diagnose((1, 2, 3, 4), known) == Land((2, 4), 1)
