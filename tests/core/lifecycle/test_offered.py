"""A person offers a candidate: what a parked issue is to land as, or the revert of a landing."""

from __future__ import annotations

import pytest

from mawep.core import events as ev
from mawep.core.model import FailureReason, Issue, IssueState, Rules
from mawep.core.state import Progress, TakenBack
from tests.core.driver import Driver, green, issue, red
from tests.property.sound import assert_sound

HUNKS = "<<<<<<< ours"
ANY = ("a.py",)


def parked(*issues: Issue, rules: Rules | None = None) -> Driver:
    """A run in which #1 is parked in a conflict."""
    run = Driver(*(issues or (issue(1),)), rules=rules or Rules())
    run.start(1).finish(1).import_(1)
    run.go(green("t-1"))
    run.go(ev.IssueParked(1, "does not merge", HUNKS, ANY))
    return run


def landed(*issues: Issue) -> Driver:
    """A run in which #1 has landed."""
    run = Driver(*issues)
    run.start(1)
    run.finish(1)
    run.import_(1)
    run.go(green("t-1"))
    return land(run, 1)


def land(run: Driver, number: int) -> Driver:
    """The queue has one candidate, and it lands."""
    base = run.state.target
    step = ev.Step(number, f"m-{number}-{base}", f"t-{number}")
    run.go(ev.LandingComposed(base, (step,)))
    run.go(ev.LandingSealed(base, (step,)))
    run.go(ev.TargetMoved(base, step.commit, (step,)))
    run.go(ev.WorkspacesRetired(run.last(ev.RetireIntended).issues))
    assert_sound(run.state)
    return run


def ask(run: Driver, *numbers: int) -> list[ev.AnyEvent]:
    """The revert of the last of these issues, with the others."""
    landings = tuple(
        ev.Landed(number, run.state.issues[number].landed_as or "")
        if number in run.state.issues
        else ev.Landed(number, f"old-{number}")
        for number in numbers
    )
    others = tuple(issue(number) for number in numbers[:-1])
    made = run.go(ev.RevertAsked(issue(numbers[-1]), landings, "ann", others))
    assert_sound(run.state)
    return made


def make(run: Driver, number: int) -> None:
    """The revert is a candidate and green."""
    attempt = run.attempt(number).number
    run.go(ev.CandidateImported(number, attempt, f"r-{number}", f"t-{number}", ANY))
    run.go(green(f"t-{number}"))
    assert_sound(run.state)


def revert(run: Driver, *numbers: int) -> None:
    ask(run, *numbers)
    make(run, numbers[-1])
    land(run, numbers[-1])


def test_what_a_person_offers_is_taken_in_gated_and_landed() -> None:
    run = parked(issue(1), issue(2, 1))
    assert run.at(2) is IssueState.BLOCKED
    made = run.go(ev.CandidateOffered(1, "head", "ann"))
    assert made == [ev.ImportIntended(1, 1, "head", "target-0")]
    assert (run.at(1), run.at(2)) == (IssueState.VERIFYING, IssueState.WAITING)
    assert_sound(run.state)
    turns = run.state.issues[1].turns
    make(run, 1)
    land(run, 1)
    assert (run.at(1), run.at(2)) == (IssueState.LANDED, IssueState.ASSIGNED)
    assert run.state.issues[1].turns == turns, "no agent was at work"


def test_a_run_that_had_ended_goes_on_with_it() -> None:
    run = parked()
    assert run.state.ended == "failed"
    run.go(ev.CandidateOffered(1, "head", "ann"))
    make(run, 1)
    land(run, 1)
    assert run.state.ended == "landed"


@pytest.mark.parametrize("number", [1, 2])
def test_only_what_is_parked_is_taken_up(number: int) -> None:
    run = Driver(issue(1), issue(2, 1))
    before = run.state.issues
    run.go(ev.CandidateOffered(number, "head", "ann"))
    assert run.state.issues == before


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (red("t-1"), "what ann made of it does not pass the gate"),
        (
            ev.ImportRefused(1, 1, FailureReason.CLAIM_CONFLICT, "a.py is claimed", True),
            "what ann made of it was not taken in (claim_conflict): a.py is claimed",
        ),
    ],
)
def test_nobody_is_asked_to_repair_it(event: ev.AnyEvent, why: str) -> None:
    run = parked(rules=Rules(repair_rounds=3, merge_rounds=3))
    run.go(ev.CandidateOffered(1, "head", "ann"))
    if isinstance(event, ev.GateFinished):
        run.go(ev.CandidateImported(1, 1, "head", "t-9", ANY))
        run.go(red("t-9"))
    else:
        run.go(event)
    assert run.at(1) is IssueState.PARKED
    assert run.state.issues[1].detail == why
    assert_sound(run.state)


def test_nobody_is_asked_to_merge_it_again() -> None:
    run = parked(rules=Rules(merge_rounds=3))
    run.go(ev.CandidateOffered(1, "head", "ann"))
    make(run, 1)
    run.go(ev.LandingComposed("target-0", (), (ev.MergeConflict(1, ANY, HUNKS),)))
    assert run.at(1) is IssueState.PARKED


def test_no_reviewer_looks_at_it() -> None:
    run = parked(rules=Rules(reviewers={"": "critic"}))
    run.go(ev.CandidateOffered(1, "head", "ann"))
    make(run, 1)
    assert run.at(1) is IssueState.LANDING


def test_a_message_to_it_has_nobody_to_take_it() -> None:
    run = parked()
    run.go(ev.CandidateOffered(1, "head", "ann"))
    run.go(ev.MessageSent(1, "m", "hello", "ann"))
    assert not any(key.startswith("message:") for key in run.state.effects)


def test_a_batch_goes_on_when_something_else_is_parked() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(batch=1))
    run.start(1, 2).finish(1, 2).import_(1, 2)
    run.go(ev.IssueParked(2, "does not merge"))
    run.go(green("t-1"))
    run.go(ev.CandidateOffered(2, "head", "ann"))
    run.go(ev.ImportRefused(2, 1, FailureReason.IMPORT_REFUSED, "no"))
    assert (run.at(1), run.at(2)) == (IssueState.LANDING, IssueState.PARKED)


def test_a_landing_is_taken_back() -> None:
    run = landed(issue(1))
    assert run.state.ended == "landed"
    (made,) = ask(run, 1)
    assert made == ev.RevertIntended(1, 2, run.state.target, (ev.Landed(1, "m-1-target-0"),))
    assert (run.state.ended, run.attempt(1).progress) == (None, Progress.IMPORTING)
    make(run, 1)
    land(run, 1)
    record = run.state.issues[1]
    assert (record.state, record.landed_as) == (IssueState.REVERTED, None)
    assert record.reverted_as == run.state.target
    assert record.taken_back == TakenBack("m-1-target-0", run.state.target, "ann")
    assert (run.state.ended, run.state.landed, run.state.reverted) == ("landed", 0, 1)


def test_what_waits_for_it_waits_again_and_then_for_a_person() -> None:
    run = landed(issue(1), issue(2, 1), issue(3, 2))
    run.go(ev.DispatchPaused("ann"))
    run.go(ev.AttemptInterrupted(2, run.fence(2)))
    assert run.at(2) is IssueState.READY
    ask(run, 1)
    assert (run.at(2), run.at(3)) == (IssueState.WAITING, IssueState.WAITING)
    make(run, 1)
    land(run, 1)
    assert (run.at(2), run.at(3)) == (IssueState.BLOCKED, IssueState.BLOCKED)
    run.go(ev.DispatchUnpaused("ann"), ev.IssueReopened(1, "ann"))
    assert_sound(run.state)
    assert (run.at(1), run.at(2), run.state.reverted) == (IssueState.ASSIGNED, IssueState.WAITING, 0)
    assert run.state.issues[1].reverted_as is None
    assert run.state.issues[1].taken_back is not None, "until it has landed again"
    run.start(1).finish(1).import_(1)
    land(run, 1)
    assert (run.at(1), run.at(2)) == (IssueState.LANDED, IssueState.ASSIGNED)
    assert run.state.issues[1].taken_back is None


def test_what_depends_on_it_is_taken_back_with_it() -> None:
    run = landed(issue(1), issue(2, 1))
    run.start(2).finish(2).import_(2)
    run.go(green("t-2"))
    land(run, 2)
    revert(run, 2, 1)
    assert (run.at(1), run.at(2)) == (IssueState.REVERTED, IssueState.REVERTED)
    assert (run.state.ended, run.state.reverted) == ("landed", 2)


def test_what_depends_on_it_may_stay() -> None:
    run = landed(issue(1), issue(2, 1))
    run.start(2).finish(2).import_(2)
    run.go(green("t-2"))
    land(run, 2)
    revert(run, 1)
    assert (run.at(1), run.at(2)) == (IssueState.REVERTED, IssueState.LANDED)


def test_a_run_that_never_had_it_takes_it_in() -> None:
    run = landed(issue(1), issue(5), issue(6, 5))
    ask(run, 3, 2)
    assert run.state.issues[2].landed_as == "old-2"
    make(run, 2)
    land(run, 2)
    assert (run.at(2), run.at(3)) == (IssueState.REVERTED, IssueState.REVERTED)
    assert (run.state.reverted, run.state.landed) == (2, 1)


def test_a_revert_that_is_cancelled_leaves_it_landed() -> None:
    run = landed(issue(1), issue(2, 1))
    run.go(ev.AttemptFailed(2, run.fence(2), FailureReason.AGENT_ERROR))
    ask(run, 1)
    run.go(ev.IssueParked(1, "later work builds on it", HUNKS, ANY))
    assert_sound(run.state)
    run.go(ev.IssueReopened(2, "ann"))
    assert (run.at(2), run.state.issues[2].blocked_by) == (IssueState.BLOCKED, 1)
    run.go(ev.IssueCancelled(1, "ann"))
    assert_sound(run.state)
    record = run.state.issues[1]
    assert (record.state, record.landed_as, record.detail) == (IssueState.LANDED, "m-1-target-0", "")
    assert run.at(2) is IssueState.READY or run.at(2) is IssueState.ASSIGNED


def test_one_that_is_landing_stays_landed_when_its_batch_comes_to_nothing() -> None:
    run = landed(issue(1))
    ask(run, 1)
    make(run, 1)
    assert run.at(1) is IssueState.LANDING
    run.go(ev.IssueCancelled(1, "ann"))
    run.go(ev.MoveLost("elsewhere"))
    assert run.at(1) is IssueState.LANDED
    assert_sound(run.state)


def test_a_revert_that_was_parked_is_made_again_on_the_target_as_it_is() -> None:
    run = landed(issue(1))
    ask(run, 1)
    run.go(ev.IssueParked(1, "later work builds on it", HUNKS, ANY))
    run.go(ev.TargetAdvanced("target-9"))
    made = run.go(ev.IssueReopened(1, "ben"))
    assert made == [ev.RevertIntended(1, 3, "target-9", (ev.Landed(1, "m-1-target-0"),))]
    make(run, 1)
    land(run, 1)
    assert run.at(1) is IssueState.REVERTED


def test_a_red_revert_is_parked_with_what_the_gate_said() -> None:
    run = landed(issue(1))
    ask(run, 1)
    run.go(ev.CandidateImported(1, 2, "r-1", "t-r", ANY))
    run.go(red("t-r"))
    record = run.state.issues[1]
    assert (record.detail, record.hunks) == ("the revert does not pass the gate", "t-r is red")


def test_it_is_reverted_once_and_cancelled_never() -> None:
    run = landed(issue(1))
    ask(run, 1)
    assert ask(run, 1) == []
    make(run, 1)
    land(run, 1)
    before = run.state.issues
    run.tell(ev.IssueCancelled(1, "ann"))
    assert ask(run, 1) == []
    assert run.state.issues == before


def test_an_intent_of_an_issue_without_an_attempt_changes_nothing() -> None:
    run = Driver(issue(1), rules=Rules(max_agents=1), settle=False)
    before = run.state.issues
    run.tell(ev.RevertIntended(1, 1, "target-0", ()))
    assert run.state.issues == before
