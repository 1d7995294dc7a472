"""Which part of a batch lands, who spoils it, and when a batch closes."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log2

import pytest

from mawep.core import events as ev
from mawep.core.landing import Eject, Land, Probe, diagnose, may_land, next_members, should_open, wanted_gates
from mawep.core.model import Issue, IssueState, Rules
from tests.core.driver import Driver, green, issue, red

Part = tuple[int, ...]
Verdict = Callable[[Part], bool]


def search(whole: Part, green: Verdict, slots: int = 1) -> tuple[Land | Eject, list[Part]]:
    """Ask the gate for what `diagnose` wants until it decides; gives the decision and the gate runs."""
    known: dict[Part, bool] = {}
    while True:
        found = diagnose(whole, known.get, slots)
        if not isinstance(found, Probe):
            return found, list(known)
        unknown = [part for part in found.parts if part not in known]
        assert unknown, "asked again for what is known already"
        known |= {part: green(part) for part in unknown}


@pytest.mark.parametrize("size", range(1, 17))
def test_a_green_batch_lands_whole_after_one_run(size: int) -> None:
    whole = tuple(range(size))
    assert search(whole, lambda part: True) == (Land(whole), [whole])


@pytest.mark.parametrize("size", range(2, 17))
def test_a_single_culprit_is_found_in_two_and_log_n_runs(size: int) -> None:
    whole = tuple(range(size))
    for culprit in whole:
        found, runs = search(whole, lambda part, culprit=culprit: culprit not in part)  # type: ignore[misc]
        assert found == Land(tuple(n for n in whole if n != culprit), culprit)
        assert len(runs) <= 2 + ceil(log2(size))


def test_with_a_slot_for_each_the_groups_are_gated_with_the_whole() -> None:
    assert diagnose((1, 2, 3, 4), lambda part: None, slots=3) == Probe(((1, 2, 3, 4), (2, 4), (3, 4)))
    assert diagnose((1, 2, 3, 4), lambda part: None, slots=2) == Probe(((1, 2, 3, 4),))
    assert diagnose((1,), lambda part: None, slots=9) == Probe(((1,),))


@pytest.mark.parametrize("size", range(2, 9))
def test_two_that_are_red_only_together_leave_a_green_part(size: int) -> None:
    whole = tuple(range(size))
    for first in whole:
        for second in whole[first + 1 :]:
            pair = {first, second}
            found, runs = search(whole, lambda part, pair=pair: not pair <= set(part))  # type: ignore[misc]
            assert isinstance(found, Land)
            assert found.part in runs
            assert found.suspect in pair
            assert not pair <= set(found.part)


def test_a_first_candidate_that_is_red_alone_is_ejected() -> None:
    assert search((1,), lambda part: False) == (Eject(1), [(1,)])
    assert search((1, 2, 3), lambda part: False)[0] == Eject(1)
    assert search((1, 2, 3, 4), lambda part: not {1, 2} & set(part))[0] == Eject(1)


def test_a_part_may_land_only_when_it_merges_and_its_tree_is_green() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(gate_slots=2)).queue(1, 2)
    run.compose()

    def verdicts() -> list[bool | None]:
        landing = run.state.landing
        assert landing
        return [may_land(run.state, landing, part) for part in ((1, 2), (2,), (1,))]

    assert verdicts() == [None, None, None]
    run.go(red("u-1,2"))
    run.probe(merges=False)
    assert verdicts() == [False, False, None]
    run.probe()
    run.go(green("u-1"))
    assert verdicts() == [False, False, True]


# --- when a batch closes


def one_queued_one_verifying(*more: Issue, batch: int = 8) -> Driver:
    run = Driver(issue(1), issue(2), *more, rules=Rules(max_agents=2, gate_slots=2, batch=batch))
    return run.verify(2).queue(1)


def test_an_empty_queue_opens_no_batch() -> None:
    assert not should_open(Driver(issue(1)).state)


def test_a_batch_waits_for_what_is_about_to_finish() -> None:
    run = one_queued_one_verifying()
    assert run.at(1) is IssueState.QUEUED
    run.go(green("t-2"))
    assert run.last(ev.LandingOpened).members == (1, 2)


def test_a_batch_does_not_wait_for_what_only_works() -> None:
    run = Driver(issue(1), issue(2)).start(2).queue(1)
    assert run.at(1) is IssueState.LANDING


def test_a_full_queue_closes_the_batch() -> None:
    assert one_queued_one_verifying(batch=1).at(1) is IssueState.LANDING


def test_a_batch_closes_when_waiting_would_idle_a_slot() -> None:
    assert one_queued_one_verifying(issue(3, 1)).at(1) is IssueState.LANDING


def test_no_slot_is_idle_while_nothing_may_start() -> None:
    run = Driver(issue(1), issue(2), issue(3, 1), rules=Rules(max_agents=2, gate_slots=2))
    run.tell(ev.DispatchPaused("ada"))
    assert run.verify(2).queue(1).at(1) is IssueState.QUEUED


def test_a_suspect_goes_alone_and_at_once() -> None:
    run = Driver(issue(1), issue(2), issue(3), rules=Rules(gate_slots=3)).verify(1, 2, 3)
    run.go(green("t-1"), green("t-2"), green("t-3"))
    run.compose()
    run.go(red("u-1,2,3"))
    run.go(*(ev.ProbeComposed("target-0", (n,), run.steps((n,))) for n in (2, 3)))
    run.go(green("u-2"), green("u-3"))
    run.go(ev.ProbeComposed("target-0", (2, 3), run.steps((2, 3))), green("u-2,3"))
    assert run.last(ev.SealIntended).suspect == 1
    run.seal()
    run.move()
    assert [run.at(n) for n in (1, 2, 3)] == [IssueState.LANDING, IssueState.LANDED, IssueState.LANDED]
    assert next_members(run.state) == (1,)


def test_the_batch_wants_only_trees_that_no_gate_has_seen() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(gate_slots=2)).verify(1, 2)
    run.go(green("t-1"), green("t-2"))
    assert wanted_gates(run.state) == ()
    opened = run.last(ev.LandingOpened)
    run.tell(ev.LandingComposed(opened.base, run.steps(opened.members)))
    assert wanted_gates(run.state) == (ev.GateIntended("u-1,2", "mu-1,2", "landing #1, #2"),)
    run.settle()
    assert wanted_gates(run.state) == ()
    run.tell(green("u-1,2"))
    assert wanted_gates(run.state) == ()
