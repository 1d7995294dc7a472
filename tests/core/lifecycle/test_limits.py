"""An attempt that runs into its provider's limit waits, keeps what it has, and goes on by itself."""

from __future__ import annotations

from datetime import timedelta

from mawep.core import events as ev
from mawep.core.engine import next_wakeup
from mawep.core.model import IssueState, Question, Routed, Rules, Session, Usage
from mawep.core.schedule import refusals
from mawep.core.state import Progress, replace
from tests.core.driver import START, Driver, green, issue, red

HOUR = timedelta(hours=1)
LEASE = timedelta(seconds=Rules().lease_seconds)


def two_runtimes(agents: int = 2, **rules: int) -> Driver:
    """#1 and #2 are driven as `acp`, #3 as `gemini`."""
    run = Driver(settle=False)
    routed = {"3": Routed("gemini", "its label `docs`")}
    issues = (issue(1, files=("a",)), issue(2), issue(3))
    started = ev.RunStarted(
        "0198-run-12345678",
        "",
        "main",
        "target-0",
        issues,
        Rules(max_agents=agents, **rules),
        runtime="acp",
        routed=routed,
    )
    run.go(started)
    return run


def hit(run: Driver, number: int, until: object = START + HOUR, **more: object) -> list[ev.AnyEvent]:
    session = Session("s1", loadable=True)
    return run.go(
        ev.ProviderLimitHit(number, run.fence(number), until, "5-hour limit", Usage(10, 5), session)  # type: ignore[arg-type]
    )


def why(run: Driver, number: int) -> list[str]:
    return [refusal.kind.value for refusal in refusals(run.state, number, run.now)]


def test_it_keeps_slot_claims_session_and_worktree_and_has_not_failed() -> None:
    run = two_runtimes(1).start(1)
    hit(run, 1)
    attempt = run.attempt(1)
    assert (run.at(1), attempt.progress, attempt.pid) == (IssueState.ASSIGNED, Progress.LIMITED, None)
    assert attempt.session == Session("s1", loadable=True)
    assert attempt.usage == Usage(10, 5)
    assert run.state.slots[0] == 1
    assert run.state.claims.holders[1].until is None, "nobody renews a lease for it"
    assert not run.state.effects
    assert why(run, 1) == ["provider_limit"]
    run.wait(1000)
    assert run.settle() == [], "its lease does not run off"


def test_nothing_of_that_runtime_starts_meanwhile_and_others_do() -> None:
    run = two_runtimes(3)
    assert len(run.state.active) == 3
    run = two_runtimes(1).start(1)
    hit(run, 1)
    run.go(ev.IssueCancelled(1, "ada"), ev.AttemptInterrupted(1, run.fence(1)))
    assert run.at(1) is IssueState.CANCELLED
    assert (run.at(2), run.at(3)) == (IssueState.READY, IssueState.ASSIGNED)
    assert why(run, 2) == ["provider_limit"]


def test_it_goes_on_by_itself_when_the_moment_has_come() -> None:
    run = two_runtimes().start(1)
    hit(run, 1)
    before = run.fence(1)
    assert next_wakeup(run.state) == START + LEASE  # of #2, which works
    run.go(ev.LeasesExtended((run.fence(2),), START + 9 * HOUR))
    assert next_wakeup(run.state) == START + HOUR
    run.wait(3600)
    assert run.settle() == [ev.LimitLifted("acp"), ev.AttemptContinued(1, 1, run.now + LEASE)]
    attempt = run.attempt(1)
    assert (attempt.progress, attempt.number) == (Progress.RUNNING, 1)
    assert attempt.fence > before
    assert run.state.effects["turn:1"].seq == attempt.fence
    run.start(1).finish(1)
    assert "acp" not in run.state.limits, "its provider has shown that it takes requests again"


def test_pauses_double_until_a_turn_ends() -> None:
    run = two_runtimes(1).start(1)
    hit(run, 1, None)
    run.wait(300).settle()
    run.start(1)
    hit(run, 1, None)
    assert run.state.limits["acp"].until == run.now + timedelta(minutes=10)


def test_a_repair_waits_too_and_what_it_was_about_is_told_again() -> None:
    run = two_runtimes().verify(1).start(2)
    hit(run, 2)
    assert run.go(red("t-1")) == []
    assert why(run, 1) == ["provider_limit"]
    run.wait(3600)
    run.settle()
    assert run.count(ev.RepairIntended) == 1
    run.start(1)
    hit(run, 1, None)
    assert run.attempt(1).evidence == "t-1 is red"
    run.wait(300).settle()
    assert (run.attempt(1).evidence, run.attempt(1).repairs) == ("t-1 is red", 1)


def test_what_is_gated_meanwhile_lands() -> None:
    run = two_runtimes().verify(1).start(2)
    hit(run, 2)
    run.go(green("t-1"))
    assert run.at(1) in (IssueState.QUEUED, IssueState.LANDING)


def test_a_person_can_lift_it() -> None:
    run = two_runtimes(1).start(1)
    hit(run, 1)
    made = run.go(ev.LimitLifted("acp", "ada"))
    assert [type(event) for event in made] == [ev.AttemptContinued]
    before = run.state
    run.tell(ev.LimitLifted("nobody", "ada"))
    assert run.state == replace(before, seq=before.seq + 1)


def test_a_question_that_comes_behind_it_is_late_and_no_minutes_count() -> None:
    """Questions and results come over different channels."""
    run = two_runtimes().start(1)
    hit(run, 1)
    run.go(ev.QuestionAsked(1, run.fence(1), Question("q1", "which one?")))
    run.go(ev.QuestionAnswered(1, "q1", "this", "ada"))
    assert (run.at(1), run.state.late) == (IssueState.ASSIGNED, 1)
    assert run.attempt(1).works_since is None
    assert why(run, 1) == ["provider_limit"]


def test_cancelled_while_it_waits() -> None:
    run = two_runtimes(1).start(1)
    hit(run, 1)
    (stop,) = run.go(ev.IssueCancelled(1, "ada"))
    assert isinstance(stop, ev.StopIntended)


def test_an_interrupted_run_rests_with_it_and_goes_on_after_resume() -> None:
    run = two_runtimes(1).start(1)
    hit(run, 1)
    run.go(ev.MessageSent(1, "m1", "look at the tests", "ada"))
    assert run.go(ev.Interrupted(2)) == []
    assert run.state.resting, "the message waits for its agent"
    assert not run.state.quiet
    run.wait(7200)
    assert run.settle() == [ev.LimitLifted("acp")]
    made = run.go(ev.RunResumed("another"))
    assert [type(event) for event in made] == [ev.AttemptContinued]
    assert not run.state.resting


def test_the_pause_outlives_the_process() -> None:
    run = two_runtimes(1).start(1)
    hit(run, 1)
    assert run.go(ev.RunResumed("another")) == []
    assert (run.attempt(1).progress, why(run, 2)) == (Progress.LIMITED, ["provider_limit"])


def test_a_limit_that_comes_too_late_is_only_counted() -> None:
    run = two_runtimes(1).start(1)
    before = run.state
    run.tell(ev.ProviderLimitHit(1, run.fence(1) - 1, None, "x"))
    assert run.state == replace(before, seq=before.seq + 1, late=1)
    run.finish(1)
    hit(run, 1)
    assert run.state.late == 2


def test_an_intent_to_go_on_without_an_attempt_changes_nothing() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(max_agents=1))
    before = run.state
    run.tell(ev.AttemptContinued(2, 1, START))
    assert run.state == replace(before, seq=before.seq + 1)
