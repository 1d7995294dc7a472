"""The run as a whole: start, pause, interruption, stop, resumption in every state, end."""

from __future__ import annotations

import pytest

from mawep.core import events as ev
from mawep.core.model import FailureReason, GateResult, IssueState, Question, Rules, Scope
from mawep.core.state import Progress, State, replace
from tests.core.driver import Driver, green, issue, red, verdict

RESUMED = ev.RunResumed("another")


def test_a_run_starts_with_its_independent_issues_ready() -> None:
    run = Driver(issue(1), issue(2, 1), issue(3), settle=False)
    assert [run.at(n).value for n in (1, 2, 3)] == ["ready", "waiting", "ready"]
    assert (run.state.target, run.state.first_target, run.state.running) == ("target-0", "target-0", True)


def test_branch_names_come_with_the_run() -> None:
    started = ev.RunStarted(
        "0198-run-12345678",
        "",
        "main",
        "target-0",
        (issue(1), issue(2)),
        Rules(),
        suffixed=(2,),
        branches={"1": "feature/1-pay", "2": "defect/2-refund"},
    )
    run = Driver(settle=False)
    run.go(started)
    assert run.attempt(1).branch == "feature/1-pay"
    assert run.attempt(2).branch == "defect/2-refund-12345678-a1"


def test_a_run_of_nothing_lands_at_once() -> None:
    assert Driver().state.ended == "landed"


def test_before_and_after_a_run_nothing_is_decided() -> None:
    assert not State().running
    run = Driver(issue(1))
    run.go(ev.RunStopped("the bus is gone"))
    assert (run.state.stopped, run.wait(10**6).settle()) == ("the bus is gone", [])


def test_pause_starts_nothing_new_and_lets_the_rest_go_on() -> None:
    run = Driver(issue(1), issue(2, 1))
    run.go(ev.DispatchPaused("ada"))
    run.land(1)
    assert (run.at(1), run.at(2)) == (IssueState.LANDED, IssueState.READY)
    run.go(ev.DispatchUnpaused("ada"))
    assert run.at(2) is IssueState.ASSIGNED


# --- interruption


def test_the_first_interruption_lets_turns_end_and_land() -> None:
    run = Driver(issue(1), issue(2, 1)).start(1)
    run.go(ev.Interrupted(1))
    run.land(1)
    assert (run.at(1), run.at(2), run.state.quiet) == (IssueState.LANDED, IssueState.READY, True)
    assert run.state.ended is None


def test_the_second_interruption_stops_turns_and_is_no_failure() -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.Interrupted(1), ev.Interrupted(2), ev.Interrupted(1))
    assert run.state.interrupted == 2
    assert run.last(ev.StopIntended).reason is None
    run.go(ev.AttemptInterrupted(1, run.fence(1)))
    assert (run.at(1), run.state.quiet) == (IssueState.READY, True)
    run.go(RESUMED)
    assert (run.at(1), run.attempt(1).number) == (IssueState.ASSIGNED, 2)


def test_an_interrupted_run_does_not_wait_for_answers() -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.QuestionAsked(1, run.fence(1), Question("q", "which?")))
    run.go(ev.Interrupted(1))
    assert run.last(ev.StopIntended).reason is None


def test_a_repair_that_an_interruption_prevents_is_no_failure() -> None:
    run = Driver(issue(1)).verify(1)
    run.go(ev.Interrupted(1), red("t-1"))
    assert run.last(ev.StopIntended).reason is None
    run.go(ev.AttemptInterrupted(1, run.fence(1)))
    assert run.at(1) is IssueState.READY


def test_without_a_repair_round_left_an_interrupted_candidate_fails() -> None:
    run = Driver(issue(1), rules=Rules(repair_rounds=0)).verify(1)
    run.go(ev.Interrupted(1), red("t-1"))
    assert run.last(ev.StopIntended).reason is FailureReason.GATE_FAILED


def test_an_interrupted_halt_ends_after_it_was_resumed() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(max_agents=1, halt_on_failure=True)).start(1)
    run.go(ev.Interrupted(1))
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR))
    assert run.state.ended is None
    run.go(RESUMED)
    assert run.state.ended == "failed"


# --- resumption


@pytest.mark.parametrize("asks", [False, True])
def test_running_turns_are_reclaimed_under_a_new_fence(asks: bool) -> None:
    run = Driver(issue(1, files=("a",))).start(1)
    if asks:
        run.go(ev.QuestionAsked(1, run.fence(1), Question("q", "which?")))
    old = run.fence(1)
    run.wait(10_000).tell(RESUMED)
    assert (run.attempt(1).progress, list(run.state.effects)) == (Progress.ORPHANED, [])
    run.tell(RESUMED)
    made = run.settle()
    assert [type(event) for event in made] == [ev.AttemptReclaimed]
    assert (run.at(1), run.attempt(1).number, run.state.issues[1].question) == (
        IssueState.ASSIGNED,
        1,
        None,
    )
    assert run.fence(1) > old


def test_a_stop_is_told_again_and_has_time_to_be_answered() -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.IssueCancelled(1, "ada"))
    run.wait(10_000).go(RESUMED)
    assert (run.attempt(1).progress, list(run.state.effects)) == (Progress.STOPPING, ["stop:1"])


@pytest.mark.parametrize(
    ("far", "effects"),
    [("importing", ["import:1"]), ("gating", ["gate:t-1"]), ("composing", ["compose"]), ("queued", [])],
)
def test_effects_without_an_answer_stay_in_the_outbox(far: str, effects: list[str]) -> None:
    run = Driver(issue(1), issue(2))
    match far:
        case "importing":
            run.start(1).finish(1)
        case "gating":
            run.verify(1)
        case "composing":
            run.queue(1)
        case _:
            run.queue(2)
            run.go(ev.LandingComposed("target-0", run.steps((2,)), ()))
            run.queue(1)
    run.go(ev.RunStopped("gone"))
    run.go(RESUMED)
    assert [key for key in run.state.effects if not key.endswith(("2", "turn:1", "u-2"))] == effects


def test_a_resumed_run_forgets_interruption_pause_stop_and_what_was_in_the_way() -> None:
    run = Driver(issue(1))
    run.tell(
        ev.Interrupted(2),
        ev.DispatchPaused("ada"),
        ev.RunStopped("gone"),
        ev.MoveBlocked(("a",), "here"),
        ev.RunResumed("another", rerun=False),
    )
    state = run.state
    assert (state.interrupted, state.paused, state.stopped, state.move_blocked) == (0, None, None, None)
    assert not state.rerun


def test_what_had_no_verdict_is_gated_again() -> None:
    run = Driver(issue(1), issue(2)).verify(1)
    run.tell(verdict("t-1", GateResult.NONE), green("t-2"), RESUMED)
    assert set(run.state.gates) == {"t-2"}
    assert ev.GateIntended("t-1", "c-1", "#1") in run.settle()


@pytest.mark.parametrize(
    ("gate", "believed"), [("", {"t-1", "t-2"}), ("one", {"t-1", "t-2"}), ("other", set())]
)
def test_another_gate_believes_no_verdict_of_the_one_before(gate: str, believed: set[str]) -> None:
    run = Driver(issue(1), issue(2))
    run.tell(ev.RunResumed("host", gate="one"))
    run.verify(1, 2)
    run.tell(red("t-1"), green("t-2"), ev.RunResumed("host", gate=gate))
    assert set(run.state.gates) == believed
    assert run.state.gate == (gate or "one")


def test_what_was_about_to_land_on_another_gates_word_is_gated_again() -> None:
    run = Driver(issue(1)).queue(1)
    run.go(green(run.compose()[-1].tree))
    run.seal()
    run.tell(ev.MoveBlocked(("a",), "here"))
    run.go(ev.RunResumed("host", gate="other"))
    run.compose()
    assert run.last(ev.GateIntended).tree == "u-1"
    assert (run.at(1), run.count(ev.MoveIntended)) == (IssueState.LANDING, 1)


def test_a_move_that_had_begun_is_completed_whatever_the_gate_is_now() -> None:
    run = Driver(issue(1)).queue(1)
    run.go(green(run.compose()[-1].tree))
    run.seal()
    run.go(ev.RunResumed("host", gate="other"))
    run.move()
    assert run.at(1) is IssueState.LANDED


def test_an_active_issue_without_an_attempt_is_left_alone() -> None:
    run = Driver(issue(1))
    run.state = replace(run.state, issues=run.state.issues.set(1, replace(run.state.issues[1], attempt=None)))
    before = run.state.issues
    run.tell(RESUMED)
    assert run.state.issues == before


# --- the end


@pytest.mark.parametrize(("landed", "outcome"), [((1, 2), "landed"), ((1,), "partial"), ((), "failed")])
def test_a_run_ends_with_what_became_of_its_issues(landed: tuple[int, ...], outcome: str) -> None:
    run = Driver(issue(1), issue(2))
    for number in (1, 2):
        if number in landed:
            run.land(number)
        else:
            run.go(ev.AttemptFailed(number, run.fence(number), FailureReason.AGENT_ERROR))
    assert run.state.ended == outcome
    assert run.state.ended_at == run.now


def test_a_run_ends_only_when_its_outbox_is_empty() -> None:
    run = Driver(issue(1)).queue(1)
    run.go(green(run.compose()[-1].tree))
    run.seal()
    run.move()
    assert (run.at(1), run.state.ended, list(run.state.effects)) == (IssueState.LANDED, None, ["retire:1"])
    run.go(ev.WorkspacesRetired((1,)))
    assert run.state.ended == "landed"


@pytest.mark.parametrize(
    ("lanes", "kept"), [(None, True), (("web", "api", "new"), True), (("api",), False), ((), False)]
)
def test_lanes_are_kept_while_the_configuration_allows_them_among_all_scopes_of_the_run(
    lanes: tuple[str, ...] | None, kept: bool
) -> None:
    rules = Rules(scopes=(Scope("api", ("api",)), Scope("web", ("web",))), lanes=True)
    run = Driver(issue(1), rules=rules)
    run.tell(ev.RunResumed("host", lanes=lanes))
    assert run.state.rules.lanes is kept
