"""Turns begin, speak and end; what comes under an old fence changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from mawep.core import events as ev
from mawep.core.model import FailureReason, GateResult, IssueState, Question, Rules, Session, Usage
from mawep.core.state import Progress, replace
from tests.core.driver import START, Driver, green, issue, red, verdict

LEASE = timedelta(seconds=Rules().lease_seconds)
REPORTS: dict[str, Callable[[int, int], ev.AnyEvent]] = {
    "started": lambda number, fence: ev.AttemptStarted(number, fence, 1),
    "session": lambda number, fence: ev.SessionOpened(number, fence, Session("s")),
    "question": lambda number, fence: ev.QuestionAsked(number, fence, Question("q", "which?")),
    "ended": lambda number, fence: ev.TurnEnded(number, fence, "head", "end_turn"),
    "failed": lambda number, fence: ev.AttemptFailed(number, fence, FailureReason.AGENT_ERROR),
    "interrupted": ev.AttemptInterrupted,
}


def only_counted(run: Driver, event: ev.AnyEvent) -> bool:
    before = run.state
    run.tell(event)
    return run.state == replace(before, seq=before.seq + 1, late=before.late + 1)


# --- beginning


def test_an_assigned_issue_holds_slot_claims_and_a_lease() -> None:
    run = Driver(issue(1, files=("src",)))
    attempt = run.attempt(1)
    assert (run.at(1), attempt.number, attempt.slot, attempt.fence) == (IssueState.ASSIGNED, 1, 0, 2)
    assert (attempt.base, attempt.lease_until) == ("target-0", START + LEASE)
    assert run.state.slots[0] == 1
    assert run.state.claims.held_by(1) == ("src",)
    assert list(run.state.effects) == ["turn:1"]
    assert run.state.ready == ()


def test_a_started_agent_works_and_can_be_loaded_again() -> None:
    run = Driver(issue(1))
    run.go(ev.AttemptStarted(1, run.fence(1), 99, "/trees/agent-0"))
    run.go(ev.SessionOpened(1, run.fence(1), Session("s1", loadable=True)))
    attempt = run.attempt(1)
    assert (run.at(1), attempt.pid, attempt.worktree) == (IssueState.WORKING, 99, "/trees/agent-0")
    assert attempt.session == Session("s1", loadable=True)


def test_a_start_reported_twice_is_one_start() -> None:
    run = Driver(issue(1)).start(1)
    first = run.attempt(1)
    run.wait(5).start(1)
    assert run.attempt(1) == first


# --- fences


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("off", [-1, 1])
def test_a_report_under_another_fence_is_only_counted(report: str, off: int) -> None:
    run = Driver(issue(1)).start(1)
    assert only_counted(run, REPORTS[report](1, run.fence(1) + off))


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_about_an_issue_that_is_not_active_is_only_counted(report: str) -> None:
    run = Driver(issue(1), issue(2, 1))
    assert only_counted(run, REPORTS[report](2, run.fence(1)))


@pytest.mark.parametrize("report", ["failed", "interrupted", "ended", "started", "question"])
def test_a_queued_candidate_is_out_of_its_agents_hands(report: str) -> None:
    run = Driver(issue(1), issue(2)).start(2).queue(1)
    assert only_counted(run, REPORTS[report](1, run.fence(1)))


@pytest.mark.parametrize("report", ["started", "ended"])
def test_a_turn_that_is_being_stopped_says_nothing_more(report: str) -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.IssueCancelled(1, "ada"))
    assert only_counted(run, REPORTS[report](1, run.fence(1)))


# --- questions


def test_a_question_waits_and_its_answer_lets_the_agent_go_on() -> None:
    run = Driver(issue(1)).start(1).wait(7)
    run.go(ev.QuestionAsked(1, run.fence(1), Question("q1", "which currency?")))
    assert run.at(1) is IssueState.NEEDS_INPUT
    asked = run.state.issues[1].question
    assert asked == Question("q1", "which currency?", asked_at=run.now)
    run.go(ev.QuestionAnswered(1, "q0", "euro", "ada"))
    assert run.at(1) is IssueState.NEEDS_INPUT
    run.go(ev.QuestionAnswered(1, "q1", "euro", "ada"))
    assert (run.at(1), run.state.issues[1].question) == (IssueState.WORKING, None)
    run.go(ev.QuestionAnswered(1, "q1", "euro", "ada"))
    assert run.at(1) is IssueState.WORKING


def test_a_question_may_overtake_the_news_of_its_agents_start() -> None:
    run = Driver(issue(1))
    run.go(ev.QuestionAsked(1, run.fence(1), Question("q1", "which?")))
    assert run.at(1) is IssueState.NEEDS_INPUT
    run.start(1)
    assert (run.at(1), run.attempt(1).pid) == (IssueState.NEEDS_INPUT, 4711)


def test_a_second_question_does_not_replace_the_first() -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.QuestionAsked(1, run.fence(1), Question("q1", "which?")))
    assert only_counted(run, ev.QuestionAsked(1, run.fence(1), Question("q2", "what?")))


# --- messages


def test_a_message_is_an_effect_until_the_worker_has_it() -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.MessageSent(1, "m1", "mind the tests", "ada"))
    assert "message:1:m1" in run.state.effects
    run.go(ev.MessageDelivered(1, "m1"))
    assert "message:1:m1" not in run.state.effects


def test_a_message_to_nobody_does_not_keep_the_run_from_ending() -> None:
    run = Driver(issue(1), issue(2, 1)).start(1)
    run.go(ev.MessageSent(2, "m1", "hello", "ada"), ev.MessageSent(1, "m2", "hello", "ada"))
    assert "message:2:m1" not in run.state.effects
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR))
    assert run.state.ended == "failed"


# --- leases


def test_signs_of_life_extend_the_lease_and_the_claims_of_their_turns() -> None:
    run = Driver(issue(1, files=("a",)), issue(2, files=("b",)))
    until = START + 2 * LEASE
    run.tell(ev.LeasesExtended((run.fence(1), 77), until))
    assert run.attempt(1).lease_until == until
    assert run.attempt(2).lease_until == START + LEASE
    assert run.state.claims.holders[1].until == until


def test_a_late_sign_of_life_does_not_make_the_claims_of_a_finished_turn_lapse() -> None:
    run = Driver(issue(1, files=("a",)), issue(2, files=("a",))).start(1).finish(1)
    run.tell(ev.LeasesExtended((run.fence(1),), START + LEASE))
    assert run.state.claims.holders[1].until is None
    assert run.wait(1000).settle() == []


def test_a_turn_without_signs_of_life_is_lost() -> None:
    run = Driver(issue(1)).start(1).wait(LEASE.total_seconds())
    run.settle()
    record = run.state.issues[1]
    assert (record.state, record.reason) == (IssueState.FAILED, FailureReason.LOST)
    assert record.detail == "no sign of its worker since 00:01:30 UTC"
    assert run.state.ended == "failed"


# --- ends


def test_a_finished_turn_is_verified_with_its_claims_held_by_us() -> None:
    run = Driver(issue(1, files=("a",))).start(1)
    run.tell(ev.SessionOpened(1, run.fence(1), Session("s1")))
    run.tell(ev.TurnEnded(1, run.fence(1), "head", "end_turn", Usage(5), None, "t.jsonl"))
    attempt = run.attempt(1)
    assert (run.at(1), attempt.progress, attempt.head) == (IssueState.VERIFYING, Progress.ENDED, "head")
    assert (attempt.session, attempt.transcript, attempt.usage) == (Session("s1"), "t.jsonl", Usage(5))
    assert run.state.claims.holders[1].until is None
    assert run.state.effects.get("turn:1") is None


def test_a_failed_attempt_fails_its_issue_and_blocks_what_depends_on_it() -> None:
    run = Driver(issue(1), issue(2, 1), issue(3, 2), issue(4)).start(1)
    reason = FailureReason.AGENT_REFUSED
    run.go(ev.AttemptFailed(1, run.fence(1), reason, "no", "refs/salvage", Usage(cost_usd=0.5)))
    record = run.state.issues[1]
    assert (record.state, record.reason, record.detail) == (IssueState.FAILED, reason, "no")
    assert (record.salvage, record.spent, record.ended_at) == ("refs/salvage", Usage(cost_usd=0.5), run.now)
    assert [run.at(n) for n in (2, 3, 4)] == [IssueState.BLOCKED, IssueState.BLOCKED, IssueState.ASSIGNED]
    assert run.state.issues[3].blocked_by == 1
    assert set(run.state.slots.values()) == {4}


def test_a_retry_is_a_new_attempt_with_a_new_fence_and_branch() -> None:
    run = Driver(issue(1), rules=Rules(max_retries=1)).start(1)
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR, usage=Usage(1, 1)))
    attempt = run.attempt(1)
    assert (run.at(1), attempt.number) == (IssueState.ASSIGNED, 2)
    assert attempt.fence > 2
    assert attempt.branch == "feature/1-12345678-a2"
    assert attempt.name == "agent-0-issue-1-12345678-a2"
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR, usage=Usage(2, 2)))
    assert (run.at(1), run.state.issues[1].spent) == (IssueState.FAILED, Usage(3, 3))


def test_a_retry_is_gated_again_when_its_tree_had_no_verdict() -> None:
    run = Driver(issue(1), rules=Rules(max_retries=1)).verify(1)
    run.go(verdict("t-1", GateResult.NONE))
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.GATE_FAILED))
    assert run.verify(1).last(ev.GateIntended).tree == "t-1"
    assert run.count(ev.GateIntended) == 2


def test_a_red_tree_made_again_is_red_without_another_gate_run() -> None:
    run = Driver(issue(1), rules=Rules(max_retries=1, repair_rounds=0)).verify(1)
    run.go(red("t-1"))
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.GATE_FAILED))
    run.verify(1)
    assert run.count(ev.GateIntended) == 1
    assert run.last(ev.StopIntended).reason is FailureReason.GATE_FAILED


def test_halt_on_failure_lets_running_attempts_finish_and_starts_nothing() -> None:
    run = Driver(issue(1), issue(2), issue(3), rules=Rules(max_agents=2, halt_on_failure=True)).start(1, 2)
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR))
    assert (run.state.halted, run.at(3), run.state.ended) == (True, IssueState.READY, None)
    run.land(2)
    assert (run.at(2), run.at(3), run.state.ended) == (IssueState.LANDED, IssueState.READY, "partial")


def lose(run: Driver) -> Driver:
    run.wait(LEASE.total_seconds()).settle()
    return run


def test_a_lost_worker_is_replaced_once_if_so_configured() -> None:
    run = lose(Driver(issue(1), rules=Rules(reassign_lost=True)).start(1))
    record = run.state.issues[1]
    assert (record.state, record.runs, record.forgiven) == (IssueState.ASSIGNED, 2, 1)
    lose(run)
    assert (run.at(1), run.state.issues[1].runs) == (IssueState.FAILED, 2)
    run.go(ev.IssueReopened(1, "ada"))
    assert lose(run).at(1) is IssueState.ASSIGNED


@pytest.mark.parametrize(
    ("rerun", "state"), [(True, IssueState.ASSIGNED), (False, IssueState.FAILED)], ids=["rerun", "no rerun"]
)
def test_a_loss_with_us_is_run_again_by_consent(rerun: bool, state: IssueState) -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.RunResumed("another", rerun=rerun))
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.LOST, "died with us"))
    assert (run.at(1), run.state.issues[1].forgiven) == (state, int(rerun))


def test_a_reclaimed_turn_that_has_started_again_is_lost_like_any_other() -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.RunResumed("another"))
    assert lose(run.start(1)).at(1) is IssueState.FAILED


def test_an_interrupted_attempt_is_no_failure() -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.Interrupted(2))
    run.go(ev.AttemptInterrupted(1, run.fence(1), "refs/salvage", Usage(1)))
    record = run.state.issues[1]
    assert (record.state, record.forgiven, record.salvage) == (IssueState.READY, 1, "refs/salvage")
    assert run.state.quiet


# --- stops


def test_a_stop_gives_the_worker_a_fresh_lease_to_answer() -> None:
    run = Driver(issue(1, files=("a",)), rules=Rules(repair_rounds=0)).verify(1).wait(1000)
    run.go(red("t-1"))
    assert run.attempt(1).progress is Progress.STOPPING
    assert run.attempt(1).lease_until == run.now + LEASE
    assert "stop:1" in run.state.effects
    run.tell(ev.LeasesExtended((run.fence(1),), run.now + 2 * LEASE))
    assert run.attempt(1).lease_until == run.now + 2 * LEASE
    assert run.state.claims.holders[1].until is None
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.GATE_FAILED, "red"))
    assert run.state.issues[1].reason is FailureReason.GATE_FAILED
    assert not run.state.effects


@pytest.mark.parametrize("answer", ["failed", "interrupted"])
def test_a_cancelled_issue_ends_as_cancelled_however_its_attempt_ends(answer: str) -> None:
    run = Driver(issue(1), issue(2, 1), rules=Rules(max_retries=3)).start(1)
    run.go(ev.IssueCancelled(1, "ada"))
    run.go(REPORTS[answer](1, run.fence(1)))
    assert (run.at(1), run.at(2)) == (IssueState.CANCELLED, IssueState.BLOCKED)
    assert run.state.ended == "failed"


# --- other turns of the same attempt


def test_a_repair_is_another_turn_of_the_same_attempt() -> None:
    run = Driver(issue(1, files=("a",))).verify(1)
    old = run.fence(1)
    run.go(red("t-1"))
    repair = run.last(ev.RepairIntended)
    assert (repair.round, repair.feedback) == (1, "t-1 is red")
    attempt = run.attempt(1)
    assert (attempt.number, attempt.repairs, attempt.progress) == (1, 1, Progress.RUNNING)
    assert attempt.fence > old
    assert run.state.claims.holders[1].until == run.now + LEASE
    assert only_counted(run, ev.TurnEnded(1, old, "late", "end_turn"))


def test_a_reclaimed_turn_is_looked_for_under_the_fence_it_ran_under() -> None:
    run = Driver(issue(1)).start(1)
    first = run.fence(1)
    for _ in range(2):
        run.go(ev.RunResumed("another"))
        assert (run.attempt(1).reclaimed, run.attempt(1).previous_fence) == (True, first)
    second = run.fence(1)
    run.start(1)
    run.go(ev.RunResumed("yet another"))
    assert run.attempt(1).previous_fence == second


def test_a_repair_after_a_reclaimed_turn_is_a_turn_like_any_other() -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.RunResumed("another"))
    run.finish(1).import_(1)
    run.go(red("t-1"))
    assert not run.attempt(1).reclaimed


@pytest.mark.parametrize(
    "event",
    [
        ev.AttemptReclaimed(1, 1, START),
        ev.RepairIntended(1, 1, 1, "", START),
        ev.StopIntended(1, 1, None),
        ev.ImportIntended(1, 1, "head", "base"),
        ev.CandidateQueued(1),
        ev.CandidateImported(1, 1, "c", "t", ()),
    ],
)
def test_an_intent_for_an_issue_without_an_attempt_changes_nothing(event: ev.AnyEvent) -> None:
    run = Driver(issue(1), settle=False)
    before = run.state
    run.tell(event)
    assert run.state == replace(before, seq=before.seq + 1)


def test_green_means_queued_and_the_slot_is_free() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(max_agents=1)).verify(1)
    made = run.go(green("t-1"))
    assert [type(event) for event in made] == [ev.CandidateQueued, ev.LandingOpened, ev.AttemptAssigned]
    assert set(run.state.slots.values()) == {2}
