"""Of several ways to merge a candidate in conflict the gate chooses, the best first."""

from __future__ import annotations

import pytest

from mawep.core import events as ev
from mawep.core.model import GateResult, IssueState, Rules
from tests.core.driver import Driver, green, issue, red, verdict

CONFLICT = ev.MergeConflict(1, ("a.py",), "<<<<<<< ours")


def alone(ways: int, slots: int = 1) -> Driver:
    """#1 is in conflict with the target, and can be merged in so many ways."""
    run = Driver(issue(1), rules=Rules(gate_slots=slots)).queue(1)
    run.conflict(CONFLICT, ways)
    return run


def gated(run: Driver) -> list[str]:
    return [rec.event.tree for rec in run.journal if isinstance(rec.event, ev.GateIntended)][1:]


def test_one_way_after_the_other_is_gated_until_one_is_green() -> None:
    run = alone(4)
    assert run.last(ev.GateIntended).why == "landing #1, 1 of 4 ways"
    run.go(red("w-1"))
    run.go(red("w-2"))
    assert gated(run) == ["w-1", "w-2", "w-3"]
    run.go(green("w-3"))
    assert gated(run) == ["w-1", "w-2", "w-3"]
    seal = run.last(ev.SealIntended)
    assert [step.tree for step in seal.steps] == ["w-3"]
    assert seal.gate == ev.gate_digest(green("w-3").record)
    run.seal()
    run.move()
    assert run.at(1) is IssueState.LANDED


def test_as_many_ways_are_gated_at_once_as_there_are_slots() -> None:
    run = alone(4, slots=3)
    assert gated(run) == ["w-1", "w-2", "w-3"]
    run.go(red("w-2"))
    assert gated(run) == ["w-1", "w-2", "w-3", "w-4"]


def test_a_better_way_that_is_being_gated_is_waited_for() -> None:
    run = alone(3, slots=2)
    run.go(green("w-2"))
    assert (run.count(ev.SealIntended), gated(run)) == (0, ["w-1", "w-2"])
    run.go(green("w-1"))
    assert run.last(ev.SealIntended).steps[0].tree == "w-1"


def test_a_worse_way_lands_when_the_better_one_is_red() -> None:
    run = alone(3, slots=2)
    run.go(green("w-2"))
    run.go(red("w-1"))
    assert run.last(ev.SealIntended).steps[0].tree == "w-2"
    assert gated(run) == ["w-1", "w-2"]


def test_ways_that_may_not_be_needed_take_no_slot_from_an_agent_that_waits() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(gate_slots=2, max_agents=2)).start(2).queue(1)
    opened = run.last(ev.LandingOpened)
    run.finish(2)
    run.tell(ev.CandidateImported(2, 1, "c-2", "t-2", ("b.py",)))
    steps = tuple(ev.Step(1, f"mw-{way}", f"w-{way}") for way in (1, 2, 3))
    run.go(ev.LandingComposed(opened.base, (), (CONFLICT,), steps, parks=False))
    assert gated(run) == ["w-1", "t-2"]


def test_who_can_be_merged_in_no_way_is_parked_with_hunks_and_what_the_gate_said_of_the_best() -> None:
    run = alone(2)
    run.go(red("w-1"))
    run.go(red("w-2"))
    record = run.state.issues[1]
    assert (record.state, record.files) == (IssueState.PARKED, ("a.py",))
    assert record.detail == "does not merge cleanly with main: a.py; 2 ways to merge it by rule do not pass"
    assert record.hunks == "<<<<<<< ours\n\n--- the gate on the best of them\nw-1 is red"


@pytest.mark.parametrize("result", [GateResult.RED, GateResult.NONE])
def test_the_only_way_that_does_not_pass(result: GateResult) -> None:
    run = alone(1)
    run.go(verdict("w-1", result))
    assert run.at(1) is IssueState.PARKED
    assert run.state.issues[1].detail.endswith("; the way to merge it by rule does not pass")


def test_a_tree_with_a_verdict_is_not_gated_again() -> None:
    run = Driver(issue(1)).queue(1)
    run.tell(red("w-1"))
    run.conflict(CONFLICT, 2)
    assert gated(run) == ["w-2"]


def test_on_another_target_the_ways_are_others() -> None:
    run = alone(2)
    run.go(ev.TargetAdvanced("elsewhere"))
    assert run.last(ev.LandingOpened).base == "elsewhere"
    assert run.state.landing is not None
    assert run.state.landing.conflict is None


def test_who_is_red_in_company_as_it_was_merged_by_rule_is_tried_alone_in_other_ways() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(max_agents=2, gate_slots=2)).verify(1, 2)
    run.go(green("t-1"), green("t-2"))
    opened = run.last(ev.LandingOpened)
    first = ev.Step(1, "mw-1", "w-1", resolved=("a.py: union (both added)",))
    run.go(ev.LandingComposed(opened.base, (first, ev.Step(2, "mu", "u-1,2")), parks=False))
    run.go(ev.ProbeComposed(opened.base, (1,), (first,)))
    run.go(red("u-1,2"), red("w-1"))
    run.go(ev.ProbeComposed(opened.base, (2,), run.steps((2,))), red("u-2"))
    assert run.count(ev.CandidateSetApart) == 1
    assert run.last(ev.LandingOpened).members == (1,)
    run.conflict(CONFLICT, 2)
    assert gated(run)[-1] == "w-2"
    run.go(green("w-2"))
    run.seal()
    run.move()
    assert run.at(1) is IssueState.LANDED


def test_whom_the_rules_did_not_touch_is_not_tried_again() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(max_agents=2, gate_slots=2)).verify(1, 2)
    run.go(green("t-1"), green("t-2"))
    run.compose(ev.MergeConflict(2, ("a.py",), "<<<<<<<", (1,)))
    run.go(red("u-1"))
    assert (run.count(ev.CandidateSetApart), run.at(1)) == (0, IssueState.PARKED)
