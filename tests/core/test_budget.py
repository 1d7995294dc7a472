"""What may be spent: warned of once, stopped at the limit, by attempt, issue and run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mawep.core import budget
from mawep.core import events as ev
from mawep.core.engine import next_wakeup
from mawep.core.model import Budget, FailureReason, IssueState, Question, Rules, Usage
from mawep.core.schedule import refusals
from mawep.core.state import Progress, replace
from tests.core.driver import START, Driver, green, issue, red


def driver(*numbers: int, agents: int = 5, **limits: float) -> Driver:
    rules = Rules(max_agents=agents, lease_seconds=10**7, budget=Budget(**limits))  # type: ignore[arg-type]
    return Driver(*(issue(number) for number in numbers or (1,)), rules=rules)


def see(run: Driver, *amounts: tuple[int, float]) -> list[ev.AnyEvent]:
    """Agents say what they have spent in dollars, and in as many thousand tokens."""
    said = (ev.Consumed(n, run.fence(n), Usage(0, int(usd * 1000), usd)) for n, usd in amounts)
    return run.go(ev.UsageSeen(tuple(said)))


def stopped(made: list[ev.AnyEvent]) -> dict[int, str]:
    return {event.issue: event.detail for event in made if isinstance(event, ev.StopIntended)}


def test_an_attempt_is_stopped_at_the_report_that_reaches_its_limit() -> None:
    run = driver(attempt_usd=5.0, soft_percent=100).start(1)
    assert see(run, (1, 4.99)) == []
    made = see(run, (1, 5.0))
    assert stopped(made) == {1: "agents.budget.attempt_usd is used up: $5.00 of $5.00"}
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.BUDGET_EXCEEDED, "used up", "refs/salvage"))
    record = run.state.issues[1]
    assert (record.state, record.reason, record.spent.cost_usd) == (
        IssueState.FAILED,
        FailureReason.BUDGET_EXCEEDED,
        5.0,
    )


def test_people_are_told_once_when_most_is_spent() -> None:
    run = driver(attempt_usd=10.0, issue_tokens=20_000).start(1)
    (warned,) = see(run, (1, 8.0))
    assert isinstance(warned, ev.BudgetWarned)
    assert (warned.key, warned.text) == (
        "attempt_usd:1:1",
        "agents.budget.attempt_usd for #1: $8.00 of $10.00 are spent",
    )
    assert see(run, (1, 9.0)) == []


def test_people_are_told_once_more_of_a_budget_that_is_granted_anew() -> None:
    run = driver(issue_usd=5.0).start(1)
    see(run, (1, 5.0))
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.BUDGET_EXCEEDED))
    run.go(ev.IssueReopened(1, "ada"))
    run.start(1)
    assert [event.text for event in see(run, (1, 4.0)) if isinstance(event, ev.BudgetWarned)] == [
        "agents.budget.issue_usd for #1: $4.00 of $5.00 are spent"
    ]


def test_what_attempts_and_sessions_spend_adds_up_on_an_issue() -> None:
    run = driver(issue_usd=10.0, soft_percent=100)
    run.start(1)
    see(run, (1, 6.0))
    run.go(ev.AttemptInterrupted(1, run.fence(1)))
    run.start(1)
    assert stopped(see(run, (1, 3.9))) == {}
    assert stopped(see(run, (1, 4.0))) == {1: "agents.budget.issue_usd is used up: $10.00 of $10.00"}


def test_reports_of_a_turn_are_of_the_whole_attempt_and_never_fall() -> None:
    run = driver(attempt_usd=100.0).start(1)
    run.go(ev.TurnEnded(1, run.fence(1), "head", "end_turn", Usage(10, 20, 1.0)))
    run.import_(1).go(red("t-1"))
    run.start(1)
    assert run.attempt(1).usage == Usage(10, 20, 1.0)
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR, usage=Usage(15, 10, 1.5)))
    assert run.state.issues[1].spent == Usage(15, 20, 1.5), "not what both turns said, added up"


def test_a_run_is_stopped_as_a_whole_and_ends() -> None:
    run = driver(1, 2, 3, agents=2, run_usd=10.0, soft_percent=100).start(1, 2)
    assert stopped(see(run, (1, 4.0), (2, 5.0))) == {}
    made = see(run, (1, 5.0))
    assert sorted(stopped(made)) == [1, 2]
    for number in (1, 2):
        run.go(ev.AttemptFailed(number, run.fence(number), FailureReason.BUDGET_EXCEEDED))
    assert run.state.ended == "failed"
    assert run.at(3) is IssueState.READY
    (why,) = refusals(run.state, 3, run.now)
    assert (why.kind.value, why.detail) == ("budget", "agents.budget.run_usd is used up: $10.00 of $10.00")


def test_what_was_finished_before_lands() -> None:
    run = driver(1, 2, run_usd=10.0, soft_percent=100).start(1, 2)
    run.go(ev.TurnEnded(1, run.fence(1), "head", "end_turn", Usage(cost_usd=6.0)))
    assert list(stopped(see(run, (2, 4.0)))) == [2]
    run.import_(1).go(green("t-1"))
    assert run.at(1) in (IssueState.QUEUED, IssueState.LANDING)


def test_no_repair_round_begins_that_nothing_is_left_for() -> None:
    run = driver(attempt_turns=1).verify(1)
    run.go(red("t-1"))
    stop = run.last(ev.StopIntended)
    assert stop.reason is FailureReason.BUDGET_EXCEEDED
    assert stop.detail.startswith(
        "agents.budget.attempt_turns is used up: 1 turns of 1 turns, and what it has made"
    )
    assert "t-1 is red" in stop.detail


def test_what_waits_for_its_provider_is_stopped_too() -> None:
    run = driver(1, 2, run_usd=5.0, soft_percent=100).start(1, 2)
    run.go(ev.ProviderLimitHit(1, run.fence(1), None, "busy"))
    assert run.attempt(1).progress is Progress.LIMITED
    assert sorted(stopped(see(run, (2, 5.0)))) == [1, 2]


def test_a_retry_does_not_follow_and_a_person_grants_the_issue_its_budget_anew() -> None:
    run = Driver(issue(1), rules=Rules(max_retries=3, budget=Budget(issue_usd=5.0))).start(1)
    see(run, (1, 5.0))
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.BUDGET_EXCEEDED))
    assert run.state.ended == "failed"
    run.go(ev.IssueReopened(1, "ada"))
    assert run.at(1) is IssueState.ASSIGNED
    run.start(1)
    assert stopped(see(run, (1, 4.0))) == {}
    assert list(stopped(see(run, (1, 5.0)))) == [1]


def test_an_issue_that_nothing_is_left_for_fails_instead_of_waiting_for_ever() -> None:
    run = driver(1, 2, issue_usd=5.0).start(1)
    run.go(
        ev.AttemptInterrupted(1, run.fence(1), usage=Usage(cost_usd=6.0)),
    )
    assert (run.at(1), run.state.issues[1].reason) == (IssueState.FAILED, FailureReason.BUDGET_EXCEEDED)
    before = run.state
    run.tell(ev.IssueOverBudget(2, "not this one"))
    assert run.state.issues == before.issues


def test_an_issue_that_nothing_is_left_for_says_so_while_the_run_is_paused() -> None:
    run = Driver(issue(1), rules=Rules(max_retries=1, budget=Budget(issue_turns=1))).start(1)
    run.go(ev.DispatchPaused("ada"))
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR))
    assert [refusal.kind.value for refusal in refusals(run.state, 1, run.now)] == ["budget", "paused"]
    run.go(ev.DispatchUnpaused("ada"))
    assert run.at(1) is IssueState.FAILED


def test_a_run_is_resumed_with_the_budget_that_the_configuration_has_now() -> None:
    run = driver(1, 2, agents=1, run_usd=5.0).start(1)
    see(run, (1, 5.0))
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.BUDGET_EXCEEDED))
    assert run.state.ended == "failed"
    run.go(ev.IssueReopened(1, "ada"))
    assert run.state.ended == "failed", "nothing is left"
    run.tell(ev.IssueReopened(1, "ada"))
    run.go(ev.RunResumed("another", budget=Budget(run_usd=50.0)))
    assert run.at(1) is IssueState.ASSIGNED
    assert run.state.warned == frozenset()
    run.tell(ev.RunResumed("another"))
    assert run.state.rules.budget.run_usd == 50.0


# --- minutes


def test_minutes_count_while_an_agent_works_and_end_it_by_themselves() -> None:
    run = driver(attempt_minutes=10, soft_percent=100)
    run.wait(600).settle()
    run.start(1)
    assert next_wakeup(run.state) == run.now + timedelta(minutes=10)
    run.wait(120).go(ev.QuestionAsked(1, run.fence(1), Question("q", "which?")))
    run.wait(3600).go(ev.QuestionAnswered(1, "q", "this", "ada"))
    assert run.attempt(1).worked == timedelta(minutes=2)
    assert next_wakeup(run.state) == run.now + timedelta(minutes=8)
    run.wait(479.9)
    assert run.settle() == []
    run.wait(0.1)
    assert stopped(run.settle()) == {
        1: "agents.budget.attempt_minutes is used up: 10.0 minutes of 10.0 minutes"
    }


def test_minutes_of_a_run_are_used_up_sooner_by_more_agents() -> None:
    run = driver(1, 2, run_minutes=10, soft_percent=100).start(1)
    run.wait(120).start(2)
    assert next_wakeup(run.state) == run.now + timedelta(minutes=4)
    run.wait(240)
    assert sorted(stopped(run.settle())) == [1, 2]


def test_minutes_do_not_count_while_nobody_was_there() -> None:
    run = driver(attempt_minutes=10).start(1)
    run.wait(36_000).go(ev.RunResumed("another"))
    assert (run.attempt(1).worked, run.attempt(1).works_since) == (timedelta(), None)


def test_a_limit_of_its_provider_takes_no_minutes() -> None:
    run = driver(attempt_minutes=10).start(1)
    run.wait(60).go(ev.ProviderLimitHit(1, run.fence(1), START + timedelta(hours=5), "busy"))
    assert run.attempt(1).worked == timedelta(minutes=1)
    assert next_wakeup(run.state) == START + timedelta(hours=5)


@pytest.mark.parametrize("kind", ["usd", "tokens", "turns", "minutes"])
@pytest.mark.parametrize("scope", ["attempt", "issue", "run"])
def test_every_budget_is_known_by_its_name(scope: str, kind: str) -> None:
    run = driver(**{f"{scope}_{kind}": 1000}).start(1)
    lines = budget.all_lines(run.state, 1, budget.run_lines(run.state))
    assert [line.name for line in lines] == [f"{scope}_{kind}"]
    assert not lines[0].used_up(run.now)


def test_usage_under_an_old_fence_changes_nothing() -> None:
    run = driver().start(1)
    run.tell(ev.UsageSeen((ev.Consumed(1, 1, Usage(1, 1)),)))
    assert run.attempt(1).usage == Usage()


def test_an_issue_without_an_attempt_has_no_budget_of_an_attempt() -> None:
    state = driver(1, attempt_tokens=10).state
    without = replace(state.issues[1], attempt=None)
    assert list(budget.attempt_lines(replace(state, issues=state.issues.set(1, without)), 1)) == []
