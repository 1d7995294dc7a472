"""Reviews: who looks when, what follows from each verdict, and that nothing unseen is queued."""

from __future__ import annotations

import pytest

from mawep.core import events as ev
from mawep.core.model import Budget, FailureReason, IssueState, Rules, Usage
from mawep.core.schedule import refusals
from mawep.core.verdict import Remark, ReviewRecord, Verdict, review_digest
from tests.core.driver import Driver, green, issue

BY = {"": "other"}


def said(run: Driver, verdict: Verdict, **more: object) -> ev.ReviewFinished:
    """The answer to the last review that was asked for."""
    asked = run.last(ev.ReviewIntended)
    record = ReviewRecord(asked.number, asked.attempt, asked.commit, asked.tree, verdict, "because", **more)
    return ev.ReviewFinished(asked.issue, record)


def reviewed(**rules: object) -> Driver:
    """A run of one issue whose candidate is green."""
    run = Driver(issue(1), rules=Rules(reviewers=BY, **rules))
    run.queue(1)
    return run


def test_what_is_green_is_reviewed_before_it_is_queued() -> None:
    run = reviewed()
    asked = run.last(ev.ReviewIntended)
    assert (asked.issue, asked.attempt, asked.number) == (1, 1, 1)
    assert (asked.commit, asked.tree, asked.base, asked.runtime) == ("c-1", "t-1", "target-0", "other")
    assert run.at(1) is IssueState.VERIFYING
    assert run.count(ev.CandidateQueued) == 0
    run.go(said(run, Verdict.APPROVE))
    assert run.count(ev.CandidateQueued) == 1


def test_without_reviewers_nothing_is_reviewed() -> None:
    run = Driver(issue(1)).queue(1)
    assert run.count(ev.ReviewIntended) == 0
    assert run.count(ev.CandidateQueued) == 1


def test_a_request_goes_back_to_the_writer_with_its_reasons() -> None:
    run = reviewed()
    run.go(said(run, Verdict.REQUEST_CHANGES, remarks=(Remark("too slow", "a.py", 3),)))
    repair = run.last(ev.RepairIntended)
    assert (repair.round, repair.review, repair.feedback) == (1, True, "because\n- a.py:3: too slow")
    assert run.attempt(1).review_rounds == 1


def test_after_the_last_round_it_is_parked_with_the_reasons() -> None:
    run = reviewed(review_rounds=1, max_retries=3, repair_rounds=0)
    run.go(said(run, Verdict.REQUEST_CHANGES))
    run.start(1).finish(1)
    run.go(ev.CandidateImported(1, 1, "c-2", "t-2", ()))
    run.go(green("t-2"))
    run.go(said(run, Verdict.REQUEST_CHANGES))
    stop = run.last(ev.StopIntended)
    assert stop.reason is FailureReason.REVIEW
    assert "asked for changes 2 times" in stop.detail
    run.go(ev.AttemptFailed(1, stop.fence, stop.reason, stop.detail))
    assert run.at(1) is IssueState.PARKED
    assert "because" in run.state.issues[1].detail
    assert run.state.ended == "failed"


def test_no_verdict_is_neither_an_approval_nor_a_request() -> None:
    run = reviewed(max_retries=3)
    run.go(said(run, Verdict.NONE, runtime="other"))
    assert run.count(ev.CandidateQueued) == run.count(ev.RepairIntended) == 0
    stop = run.last(ev.StopIntended)
    assert stop.detail == "review: no verdict on #1: the reviewer (other) because"
    run.go(ev.AttemptFailed(1, stop.fence, stop.reason or FailureReason.LOST, stop.detail))
    assert run.at(1) is IssueState.PARKED
    run.go(ev.IssueReopened(1, "ada"))
    assert run.attempt(1).number == 2


def test_what_was_approved_once_is_not_reviewed_again() -> None:
    run = reviewed()
    run.go(said(run, Verdict.APPROVE))
    conflict = ev.MergeConflict(1, ("a",), "")
    run.conflict(conflict)
    assert run.at(1) is IssueState.PARKED
    run.go(ev.IssueReopened(1, "ada"))
    run.verify(1)  # the same tree again
    assert run.count(ev.ReviewIntended) == 1
    assert run.count(ev.CandidateQueued) == 2


def test_what_was_not_changed_is_asked_for_again_without_another_review() -> None:
    run = reviewed(review_rounds=2)
    run.go(said(run, Verdict.REQUEST_CHANGES))
    run.verify(1)
    assert run.count(ev.ReviewIntended) == 1
    assert run.attempt(1).review_rounds == 2


def test_rounds_for_the_gate_and_for_the_reviewer_are_counted_apart() -> None:
    run = reviewed(review_rounds=2, repair_rounds=1)
    run.go(said(run, Verdict.REQUEST_CHANGES))
    run.start(1).finish(1)
    run.go(ev.ImportRefused(1, 1, FailureReason.PROTECTED_PATH, "not this", repairable=True))
    repair = run.last(ev.RepairIntended)
    assert (repair.round, repair.review, run.attempt(1).review_rounds) == (2, False, 1)


@pytest.mark.parametrize("slots", [1, 2])
def test_there_are_so_many_reviews_at_once_and_no_more(slots: int) -> None:
    run = Driver(issue(1), issue(2), issue(3), rules=Rules(reviewers=BY, review_slots=slots))
    run.queue(1, 2, 3)
    assert run.count(ev.ReviewIntended) == slots
    waits = [refusal.detail for refusal in refusals(run.state, 3, run.now)]
    assert waits == ["waits for the reviewer" if slots == 1 else "waits for one of 2 reviewers"]
    assert refusals(run.state, 1, run.now) == ()
    run.go(said(run, Verdict.APPROVE))
    assert run.count(ev.ReviewIntended) == slots + 1


def test_what_a_review_consumes_is_spent_on_the_issue_and_the_run() -> None:
    run = reviewed(budget=Budget(issue_tokens=100))
    run.go(said(run, Verdict.REQUEST_CHANGES, usage=Usage(output_tokens=150, context_used=7)))
    record = run.state.issues[1]
    assert record.spent == Usage(output_tokens=150)
    assert record.attempt is not None
    assert record.attempt.usage.tokens is None
    stop = run.last(ev.StopIntended)
    assert stop.reason is FailureReason.BUDGET_EXCEEDED
    assert "its reviewer asks for changes" in stop.detail


def test_where_nothing_is_left_nobody_reviews_and_nothing_is_queued() -> None:
    run = Driver(issue(1), rules=Rules(reviewers=BY, budget=Budget(issue_tokens=100)))
    run.start(1)
    run.go(ev.TurnEnded(1, run.fence(1), "head-1", "end_turn", Usage(output_tokens=200)))
    run.import_(1).go(green("t-1"))
    assert run.count(ev.ReviewIntended) == run.count(ev.CandidateQueued) == 0
    assert "nobody has reviewed what it has made" in run.last(ev.StopIntended).detail


def test_a_cancelled_issue_waits_for_no_review() -> None:
    run = reviewed()
    late = said(run, Verdict.APPROVE)
    run.go(ev.IssueCancelled(1, "ada"))
    assert run.last(ev.StopIntended).reason is None
    assert "review:1" not in run.state.effects
    run.go(late)
    assert run.count(ev.CandidateQueued) == 0
    assert run.state.late == 1


def test_a_review_is_begun_again_by_the_next_process() -> None:
    run = reviewed()
    run.go(ev.RunResumed("another"))
    assert "review:1" in run.state.effects
    assert run.attempt(1).fence == run.journal[1].seq  # its writer's turn is over, and is not reclaimed
    run.go(said(run, Verdict.APPROVE))
    assert run.count(ev.CandidateQueued) == 1


def test_a_run_that_is_interrupted_twice_leaves_reviews_to_the_next_process() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(reviewers=BY))
    run.queue(1, 2)
    assert not run.state.resting
    run.go(ev.Interrupted(1))
    assert not run.state.resting
    run.go(ev.Interrupted(2))
    assert run.state.resting
    assert run.count(ev.StopIntended) == 0
    run.go(ev.RunResumed("another"))
    run.go(said(run, Verdict.APPROVE))
    assert run.last(ev.ReviewIntended).issue == 2


def test_each_writer_has_the_reviewer_that_the_rules_name() -> None:
    run = Driver(issue(1), rules=Rules(reviewers={"claude-code": "codex", "": "gemini"}))
    run.queue(1)
    assert run.last(ev.ReviewIntended).runtime == "gemini"


def test_an_answer_to_another_review_changes_nothing() -> None:
    run = reviewed()
    right = said(run, Verdict.APPROVE)
    wrong = ev.ReviewFinished(1, ReviewRecord(7, 1, "c-1", "t-1", Verdict.APPROVE))
    run.go(wrong)
    assert run.count(ev.CandidateQueued) == 0
    run.go(right)
    assert run.count(ev.CandidateQueued) == 1


def test_what_waits_to_land_does_not_wait_for_a_review_that_the_next_process_makes() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(reviewers=BY))
    run.queue(1, 2)
    run.go(said(run, Verdict.APPROVE))
    assert run.at(1) is IssueState.QUEUED
    run.go(ev.Interrupted(2))
    assert run.at(1) is IssueState.LANDING


def test_a_limit_of_the_reviewers_provider_parks_one_and_lets_the_others_wait() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(reviewers=BY))
    run.queue(1, 2)
    asked = run.last(ev.ReviewIntended)
    about = asked.number, asked.attempt, asked.commit, asked.tree
    record = ReviewRecord(*about, Verdict.NONE, "a limit", runtime="other")
    run.go(ev.ReviewFinished(1, record, limited=True))
    assert run.last(ev.StopIntended).reason is FailureReason.REVIEW
    assert run.count(ev.ReviewIntended) == 1
    (waits,) = refusals(run.state, 2, run.now)
    assert "the provider of `other` takes nothing more" in waits.detail
    assert run.state.can_wait(2)
    run.wait(301).settle()
    assert run.count(ev.ReviewIntended) == 2
    run.go(said(run, Verdict.APPROVE, runtime="other"))
    assert "other" not in run.state.limits


def test_what_lands_names_the_review_that_approved_it() -> None:
    run = reviewed()
    approval = said(run, Verdict.APPROVE)
    run.go(approval)
    steps = run.compose()
    run.go(green(steps[-1].tree))
    assert run.last(ev.SealIntended).reviews == ((1, review_digest(approval.record)),)


def test_an_interrupted_run_begins_no_round_of_repair() -> None:
    run = reviewed()
    run.go(ev.Interrupted(1))
    run.go(said(run, Verdict.REQUEST_CHANGES))
    assert run.count(ev.RepairIntended) == 0
    assert run.last(ev.StopIntended).reason is None


def test_a_request_waits_while_the_writers_provider_takes_nothing_more() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(reviewers=BY))
    run.queue(1)
    run.start(2).go(ev.ProviderLimitHit(2, run.fence(2), None, "a limit"))
    run.go(said(run, Verdict.REQUEST_CHANGES))
    assert run.count(ev.RepairIntended) == run.count(ev.StopIntended) == 0
    run.wait(301).settle()
    assert run.last(ev.RepairIntended).review


def test_where_nothing_is_reviewed_nothing_names_a_review() -> None:
    run = Driver(issue(1)).queue(1)
    steps = run.compose()
    run.go(green(steps[-1].tree))
    assert run.last(ev.SealIntended).reviews == ()
