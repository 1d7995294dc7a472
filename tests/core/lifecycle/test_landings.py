"""A batch is composed, gated, sealed and moved; whatever goes wrong, nobody is lost and nobody lands twice."""

from __future__ import annotations

import pytest

from mawep.core import events as ev
from mawep.core.model import GateResult, IssueState, Rules
from mawep.core.state import replace
from tests.core.driver import Driver, green, issue, red, verdict


def batch(*more: int) -> Driver:
    """#1, #2 and more of them in one open batch."""
    numbers = (1, 2, *more)
    run = Driver(*map(issue, numbers), issue(9, 1), rules=Rules(max_agents=5))
    run.tell(ev.DispatchPaused("ada"))
    run.verify(*numbers)
    run.go(*(green(f"t-{number}") for number in numbers))
    return run


def sealed(*more: int) -> Driver:
    run = batch(*more)
    run.go(green(run.compose()[-1].tree))
    run.seal()
    return run


def conflict(number: int, *with_: int) -> ev.MergeConflict:
    return ev.MergeConflict(number, ("a.py", "b.py"), "<<<<<<< ours", with_)


def states(run: Driver, *numbers: int) -> list[str]:
    return [run.at(number).value for number in numbers]


def test_the_whole_walk_of_a_batch() -> None:
    run = batch()
    assert states(run, 1, 2) == ["landing", "landing"]
    steps = run.compose()
    assert run.last(ev.GateIntended).why == "landing #1, #2"
    run.go(green("u-1,2"))
    seal = run.last(ev.SealIntended)
    assert (seal.steps, seal.gate, seal.date, seal.suspect) == (
        steps,
        ev.gate_digest(green("u-1,2").record),
        run.now,
        None,
    )
    run.seal()
    move = run.last(ev.MoveIntended)
    assert (move.old, move.new, move.steps) == ("target-0", "mu-1,2", steps)
    made = run.move()
    assert states(run, 1, 2, 9) == ["landed", "landed", "ready"]
    assert (run.state.target, run.state.landed, run.state.landing) == ("mu-1,2", 2, None)
    assert run.state.issues[1].landed_as == "mu-1"
    assert made == [ev.RetireIntended((1, 2))]


def test_a_tree_that_the_gate_has_seen_is_not_gated_again() -> None:
    run = Driver(issue(1)).queue(1)
    run.go(ev.LandingComposed("target-0", (ev.Step(1, "m", "t-1"),)))
    assert run.last(ev.SealIntended).steps[0].tree == "t-1"
    assert run.count(ev.GateIntended) == 1


# --- conflicts


def test_who_conflicts_with_the_target_goes_alone_into_the_next_batch() -> None:
    run = batch()
    run.compose(conflict(1))
    assert states(run, 1, 2) == ["landing", "landing"]
    run.go(green("u-2"))
    run.seal()
    run.move()
    assert run.last(ev.LandingOpened) == ev.LandingOpened("mu-2", (1,))
    run.conflict(conflict(1))
    record = run.state.issues[1]
    assert (record.state, record.hunks, record.files) == (
        IssueState.PARKED,
        "<<<<<<< ours",
        ("a.py", "b.py"),
    )
    assert record.detail == "does not merge cleanly with main: a.py, b.py"
    assert states(run, 2, 9) == ["landed", "blocked"]


def test_a_conflict_in_an_older_journal_parks_at_once() -> None:
    run = batch()
    opened = run.last(ev.LandingOpened)
    run.go(ev.LandingComposed(opened.base, run.steps((2,)), (conflict(1),)))
    assert states(run, 1, 2, 9) == ["parked", "landing", "blocked"]
    assert run.state.issues[1].detail == "does not merge cleanly with main: a.py, b.py"


def test_a_conflict_with_another_candidate_waits_for_the_next_batch() -> None:
    run = batch()
    run.compose(conflict(2, 1))
    run.go(green("u-1"))
    run.seal()
    run.move()
    assert states(run, 1, 2) == ["landed", "landing"]
    assert run.last(ev.LandingOpened) == ev.LandingOpened("mu-1", (2,))


def test_a_batch_in_which_all_conflict_is_over_and_each_goes_alone() -> None:
    run = batch()
    run.compose(conflict(1), conflict(2))
    assert run.last(ev.LandingOpened).members == (1,)
    run.conflict(conflict(1))
    assert run.last(ev.LandingOpened).members == (2,)
    run.conflict(conflict(2))
    assert states(run, 1, 2, 9) == ["parked", "parked", "blocked"]
    assert (run.state.landing, run.state.ended) == (None, "failed")


# --- red batches


def test_a_single_candidate_that_is_red_on_the_target_is_parked_with_the_evidence() -> None:
    run = Driver(issue(1)).queue(1)
    run.compose()
    run.go(red("u-1"))
    record = run.state.issues[1]
    assert (record.state, record.hunks) == (IssueState.PARKED, "u-1 is red")
    assert record.detail == "its own tree was green, but together with main as it is now the gate is red"


def test_a_batch_without_a_verdict_parks_and_says_so() -> None:
    run = Driver(issue(1)).queue(1)
    run.compose()
    run.go(verdict("u-1", GateResult.NONE))
    assert run.state.issues[1].detail.endswith("the gate ended without a verdict")


def test_a_culprit_is_left_out_and_tried_alone() -> None:
    run = batch()
    run.compose()
    run.go(red("u-1,2"))
    assert run.probe().members == (2,)
    run.go(green("u-2"))
    assert run.last(ev.SealIntended).suspect == 1
    run.seal()
    run.move()
    assert states(run, 1, 2) == ["landing", "landed"]
    assert run.last(ev.LandingOpened).members == (1,)
    run.compose(name="v")
    run.go(red("v-1"))
    assert states(run, 1, 9) == ["parked", "blocked"]
    assert run.state.suspects == ()


def test_who_is_red_first_of_all_is_parked_and_the_rest_tried_again() -> None:
    run = batch()
    run.compose()
    run.go(red("u-1,2"))
    run.probe()
    run.go(red("u-2"))
    run.probe()
    run.go(red("u-1"))
    assert states(run, 1, 2) == ["parked", "landing"]
    assert run.state.issues[1].hunks == "u-1 is red"
    assert run.last(ev.LandingOpened).members == (2,)


def test_a_part_that_does_not_merge_by_itself_counts_as_red() -> None:
    run = batch()
    run.compose()
    run.go(red("u-1,2"))
    run.probe(merges=False)
    run.probe(merges=False)
    record = run.state.issues[1]
    assert (record.state, record.hunks) == (IssueState.PARKED, "")


# --- the target


def test_who_is_not_in_the_batch_stays_where_it_is() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(batch=1)).queue(1).queue(2)
    run.compose()
    run.go(green("u-1"))
    run.seal()
    run.tell(ev.MoveLost("target-9"))
    assert states(run, 1, 2) == ["queued", "queued"]


def test_a_move_that_lost_the_race_is_composed_again() -> None:
    run = sealed()
    run.go(ev.MoveLost("target-9"))
    assert run.last(ev.LandingOpened) == ev.LandingOpened("target-9", (1, 2))
    assert list(run.state.effects) == ["compose"]


def test_a_target_that_somebody_else_moved_is_composed_on() -> None:
    run = batch()
    run.compose()
    run.go(ev.TargetAdvanced("target-9"))
    assert run.last(ev.LandingOpened) == ev.LandingOpened("target-9", (1, 2))
    assert sorted(run.state.effects) == ["compose", "gate:u-1,2"]


def test_what_was_asked_for_the_old_target_is_not_waited_for() -> None:
    run = batch()
    run.tell(ev.TargetAdvanced("target-9"))
    assert list(run.state.effects) == []
    run.settle()
    run.compose()
    run.go(red("u-1,2"))
    assert "probe:2" in run.state.effects
    run.tell(ev.TargetAdvanced("target-10"))
    assert list(run.state.effects) == []


def test_a_target_seen_where_it_is_known_to_be_changes_nothing() -> None:
    run = batch()
    run.go(ev.TargetAdvanced("target-0"))
    assert run.count(ev.LandingOpened) == 1
    run = Driver(issue(1))
    run.go(ev.TargetAdvanced("target-9"))
    assert run.state.target == "target-9"


def test_our_own_move_is_not_read_as_somebody_elses() -> None:
    run = sealed()
    run.go(ev.TargetAdvanced("mu-1,2"))
    assert list(run.state.effects) == ["move"]
    run.move()
    assert states(run, 1, 2) == ["landed", "landed"]


def test_a_dirty_checkout_holds_the_move_until_it_is_clean() -> None:
    run = sealed()
    run.go(ev.MoveBlocked(("README.md",), "/home/ada/pay"))
    assert run.count(ev.MoveIntended) == 1
    run.go(ev.MoveUnblocked())
    assert run.count(ev.MoveIntended) == 2
    run.move()
    assert states(run, 1, 2) == ["landed", "landed"]


def test_a_block_that_comes_after_its_batch_is_over_holds_the_next_one() -> None:
    run = sealed()
    run.go(ev.MoveLost("target-9"))
    run.go(ev.MoveBlocked(("README.md",), "/home/ada/pay"))
    assert run.state.landing
    run = Driver(issue(1))
    run.go(ev.MoveBlocked(("README.md",), "/home/ada/pay"))
    assert run.state.landing is None


def test_what_has_landed_does_not_land_again() -> None:
    run = sealed()
    run.move()
    before = run.state
    run.tell(run.journal[-2].event)
    assert isinstance(run.journal[-1].event, ev.TargetMoved)
    assert run.state == replace(before, seq=before.seq + 1)


@pytest.mark.parametrize(
    "event",
    [
        ev.LandingComposed("target-0", ()),
        ev.ProbeIntended("target-0", (1,)),
        ev.ProbeComposed("target-0", (1,), ()),
        ev.SealIntended("target-0", (), "gate", Driver().now),
        ev.LandingSealed("target-0", ()),
        ev.MoveIntended("target-0", "new", ()),
    ],
)
def test_without_a_batch_there_is_nothing_to_change(event: ev.AnyEvent) -> None:
    run = Driver(issue(1))
    before = run.state
    run.tell(event)
    assert run.state == replace(before, seq=before.seq + 1)


@pytest.mark.parametrize(
    "answer",
    [
        ev.LandingComposed("target-9", ()),
        ev.ProbeComposed("target-9", (2,), ()),
        ev.LandingSealed("target-9", ()),
    ],
)
def test_an_answer_for_another_target_is_no_answer(answer: ev.AnyEvent) -> None:
    run = batch()
    before = run.state.landing
    run.tell(answer)
    assert run.state.landing == before
