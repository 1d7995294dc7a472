"""What the engine decides beyond what the events' own tests show, and when it wants to be woken."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mawep.core import events as ev
from mawep.core.engine import decide, evolve, next_wakeup, replay
from mawep.core.model import FailureReason, IssueState, Question, Rules
from mawep.core.state import Progress, State, replace
from tests.core.driver import START, Driver, green, issue, red

LEASE = timedelta(seconds=90)


def test_the_payment_sprint_lands_in_an_order_that_respects_every_edge() -> None:
    run = Driver(issue(101), issue(102, 101), issue(103, 101), issue(104, 101), issue(105, 104))
    run.land(101).land(102, 103, 104).land(105)
    assert run.state.ended == "landed"
    landed = [s.issue for r in run.journal if isinstance(r.event, ev.TargetMoved) for s in r.event.steps]
    assert landed == [101, 102, 103, 104, 105]


def test_an_event_about_an_unknown_issue_changes_nothing() -> None:
    run = Driver(issue(1))
    before = run.state
    run.tell(ev.AttemptStarted(999, 2, 1), ev.IssueCancelled(999, "ada"))
    assert run.state == replace(before, seq=before.seq + 2)


def test_replay_gives_the_state() -> None:
    run = Driver(issue(1), issue(2, 1)).land(1)
    assert replay(run.journal) == run.state
    assert replay([]) == State()


def test_an_unanswered_question_ends_its_attempt() -> None:
    run = Driver(issue(1), rules=Rules(input_timeout=120, lease_seconds=1000)).start(1)
    run.go(ev.QuestionAsked(1, run.fence(1), Question("q", "which?")))
    assert run.wait(119).settle() == []
    run.wait(1).settle()
    stop = run.last(ev.StopIntended)
    assert (stop.reason, stop.detail) == (
        FailureReason.INPUT_TIMEOUT,
        "nobody answered within 2 minutes: which?",
    )


def test_repair_rounds_run_out() -> None:
    run = Driver(issue(1), rules=Rules(repair_rounds=1)).verify(1)
    run.go(red("t-1"))
    run.start(1).finish(1)
    run.go(ev.CandidateImported(1, 1, "c-1b", "t-1b", ()), red("t-1b"))
    assert (run.count(ev.RepairIntended), run.last(ev.StopIntended).detail) == (1, "t-1b is red")


def test_a_gate_runs_the_batch_first_and_never_more_than_its_slots() -> None:
    run = Driver(issue(1), issue(2), issue(3), rules=Rules(batch=1)).verify(1, 2, 3)
    assert dict(run.state.gating) == {"t-1": "#1"}
    run.tell(green("t-1"))
    run.settle()
    assert dict(run.state.gating) == {"t-2": "#2"}
    run.compose()
    run.go(green("t-2"))
    assert dict(run.state.gating) == {"u-1": "landing #1"}


# --- wakeups


def test_a_run_that_waits_for_nothing_in_time_is_not_woken() -> None:
    assert next_wakeup(State()) is None
    assert next_wakeup(Driver(issue(1)).verify(1).state) is None


def test_the_first_lease_or_question_wakes() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(input_timeout=60))
    assert next_wakeup(run.state) == START + LEASE
    run.start(1)
    run.go(ev.QuestionAsked(1, run.fence(1), Question("q", "which?")))
    assert next_wakeup(run.state) == START + timedelta(seconds=60)


def test_a_question_of_a_turn_that_is_being_stopped_does_not_wake() -> None:
    run = Driver(issue(1), rules=Rules(input_timeout=60)).start(1)
    run.go(ev.QuestionAsked(1, run.fence(1), Question("q", "which?")))
    run.wait(60).settle()
    assert run.attempt(1).progress is Progress.STOPPING
    assert next_wakeup(run.state) == run.now + LEASE


# --- states that no run of events makes


@pytest.mark.parametrize(
    "broken",
    [
        {"attempt": None},
        {"progress": Progress.ENDED, "head": None},
        {"progress": Progress.REFUSED, "refusal": None},
        {"progress": Progress.IMPORTED, "tree": None, "commit": None},
    ],
)
def test_an_odd_state_is_left_alone(broken: dict[str, object]) -> None:
    run = Driver(issue(1), rules=Rules(gate_slots=0))
    record, attempt = run.state.issues[1], run.attempt(1)
    odd = (
        replace(record, **broken)
        if "attempt" in broken
        else replace(record, attempt=replace(attempt, **broken))
    )
    state = replace(run.state, issues=run.state.issues.set(1, odd))
    assert decide(state, run.now) == []
    assert next_wakeup(state) is None


def test_a_state_is_never_changed_in_place() -> None:
    run = Driver(issue(1))
    before = run.state
    evolve(before, ev.Recorded(99, START, ev.IssueCancelled(1, "ada")))
    assert before == run.state
    assert run.at(1) is IssueState.ASSIGNED
