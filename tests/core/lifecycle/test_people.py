"""Cancel and retry in every state of an issue, and what they mean for the issues below."""

from __future__ import annotations

import pytest

from mawep.core import events as ev
from mawep.core.model import FailureReason, GateResult, IssueState, Question
from mawep.core.state import Progress, replace
from tests.core.driver import Driver, green, issue, red, verdict

CANCEL = ev.IssueCancelled(1, "ada")
RETRY = ev.IssueReopened(1, "ada")


def fail(run: Driver, number: int) -> Driver:
    run.go(ev.AttemptFailed(number, run.fence(number), FailureReason.AGENT_ERROR, "broke"))
    return run


def ask(run: Driver) -> Driver:
    run.go(ev.QuestionAsked(1, run.fence(1), Question("q", "which?")))
    return run


def at(progress: str) -> Driver:
    """A run whose #1 has come that far; #2 depends on it."""
    run = Driver(issue(1), issue(2, 1))
    match progress:
        case "working":
            run.start(1)
        case "needs_input":
            ask(run.start(1))
        case "importing":
            run.start(1).finish(1)
        case "gating":
            run.verify(1)
        case "repairing":
            run.verify(1).go(red("t-1"))
        case "orphaned":
            run.start(1).tell(ev.RunResumed("another"))
        case _:
            assert progress == "assigned"
    return run


# --- cancel


@pytest.mark.parametrize(
    "progress", ["assigned", "working", "needs_input", "importing", "gating", "repairing", "orphaned"]
)
def test_a_turn_is_stopped_before_its_issue_is_cancelled(progress: str) -> None:
    run = at(progress)
    run.go(CANCEL)
    stop = run.last(ev.StopIntended)
    assert (stop.reason, stop.detail) == (None, "cancelled by ada")
    assert run.attempt(1).progress is Progress.STOPPING
    run.go(ev.AttemptInterrupted(1, run.fence(1)))
    assert (run.at(1), run.at(2), run.count(ev.StopIntended)) == (
        IssueState.CANCELLED,
        IssueState.BLOCKED,
        1,
    )
    assert not run.state.slots
    assert not run.state.claims.holders


def test_a_waiting_or_ready_issue_is_cancelled_at_once() -> None:
    run = Driver(issue(1), issue(2, 1), settle=False)
    run.go(ev.IssueCancelled(2, "ada"), CANCEL)
    assert (run.at(1), run.at(2), run.state.ready) == (IssueState.CANCELLED, IssueState.CANCELLED, ())
    assert run.state.ended == "failed"


def test_a_queued_issue_leaves_the_queue() -> None:
    run = Driver(issue(1), issue(2), issue(3))
    run.queue(3)
    run.queue(1)
    assert run.at(1) is IssueState.QUEUED
    run.go(CANCEL)
    assert (run.at(1), run.state.queue) == (IssueState.CANCELLED, (3,))


def test_an_issue_that_is_landing_lands_or_is_cancelled_when_its_batch_ends() -> None:
    run = Driver(issue(1)).queue(1)
    run.compose()
    run.go(CANCEL)
    assert run.at(1) is IssueState.LANDING
    run.go(ev.TargetAdvanced("target-9"))
    assert run.at(1) is IssueState.CANCELLED

    run = Driver(issue(1)).queue(1)
    run.compose()
    run.go(CANCEL, green("u-1"))
    run.seal()
    run.move()
    assert run.at(1) is IssueState.LANDED


def test_a_stop_that_is_under_way_is_not_repeated() -> None:
    run = Driver(issue(1)).verify(1)
    run.go(ev.Interrupted(1), red("t-1"))
    run.go(CANCEL)
    assert run.count(ev.StopIntended) == 1


def test_a_failed_issue_may_be_given_up() -> None:
    run = fail(Driver(issue(1), issue(2)).start(1), 1)
    run.go(CANCEL)
    assert (run.at(1), run.state.terminal) == (IssueState.CANCELLED, 1)


# --- retry


def test_a_retry_starts_again_with_its_blocked_dependents_and_the_run() -> None:
    run = fail(Driver(issue(1), issue(2, 1), issue(3, 2)).start(1), 1)
    assert run.state.ended == "failed"
    assert run.state.terminal == 3
    run.go(RETRY)
    assert [run.at(n).value for n in (1, 2, 3)] == ["assigned", "waiting", "waiting"]
    record = run.state.issues[1]
    assert run.state.running
    assert (run.state.terminal, record.forgiven, record.detail) == (0, 1, "")
    assert run.attempt(1).branch.endswith("-a2")
    fail(run, 1)
    assert run.at(1) is IssueState.FAILED


def test_what_waits_for_two_failures_is_blocked_until_both_are_retried() -> None:
    run = fail(fail(Driver(issue(1), issue(2), issue(3, 1, 2)).start(1, 2), 1), 2)
    assert run.state.issues[3].blocked_by == 1
    run.go(RETRY)
    assert (run.at(3), run.state.issues[3].blocked_by) == (IssueState.BLOCKED, 2)
    run.go(ev.IssueReopened(3, "ada"))
    assert run.at(3) is IssueState.BLOCKED
    run.go(ev.IssueReopened(2, "ada"))
    assert run.at(3) is IssueState.WAITING
    assert run.state.issues[3].blocked_by is None


def test_a_retry_of_a_cancelled_issue_forgets_the_cancellation() -> None:
    run = Driver(issue(1), issue(2), settle=False)
    run.tell(CANCEL)
    run.go(RETRY)
    assert (run.at(1), run.state.issues[1].cancelled_by) == (IssueState.ASSIGNED, None)


def test_a_retry_of_a_parked_issue_forgets_its_hunks() -> None:
    run = Driver(issue(1)).queue(1)
    run.compose(ev.MergeConflict(1, ("a.py",), "<<<<<<<"))
    assert run.state.issues[1].hunks
    run.go(RETRY)
    assert (run.at(1), run.state.issues[1].hunks, run.state.issues[1].files) == (IssueState.ASSIGNED, "", ())


def test_a_retry_ends_a_halt() -> None:
    run = Driver(issue(1), issue(2), settle=False)
    run.tell(ev.RunEnded("failed"))
    run.state = replace(run.state, halted=True)
    run.tell(CANCEL, RETRY)
    assert (run.state.halted, run.state.ended) == (False, None)


@pytest.mark.parametrize("progress", ["assigned", "working", "gating"])
def test_what_is_under_way_is_not_retried(progress: str) -> None:
    run = at(progress)
    before = run.state
    run.tell(RETRY)
    assert run.state == replace(before, seq=before.seq + 1)


@pytest.mark.parametrize("event", [RETRY, CANCEL])
def test_what_has_landed_is_neither_retried_nor_cancelled(event: ev.AnyEvent) -> None:
    run = Driver(issue(1)).land(1)
    assert run.state.ended == "landed"
    before = run.state
    run.tell(event)
    assert run.state == replace(before, seq=before.seq + 1)


def test_a_retry_gates_again_what_had_no_verdict() -> None:
    run = Driver(issue(1)).queue(1)
    run.compose()
    run.go(verdict("u-1", GateResult.NONE))
    run.go(RETRY)
    assert "u-1" not in run.state.gates
    assert "t-1" in run.state.gates
