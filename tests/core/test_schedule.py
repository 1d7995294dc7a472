"""Who starts now, in which order, and for everyone else why not."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core.model import FailureReason, Issue, Priority, Question, Routed, Rules
from mawep.core.schedule import RefusalKind, refusals
from mawep.core.state import replace
from tests.core.driver import Driver, green, issue, red


def started(run: Driver) -> list[int]:
    return [rec.event.issue for rec in run.journal if isinstance(rec.event, ev.AttemptAssigned)]


def why(run: Driver, number: int) -> list[tuple[str, str]]:
    return [(r.kind.value, r.detail) for r in refusals(run.state, number, run.now)]


def test_the_most_urgent_start_first_and_slots_are_given_in_order() -> None:
    urgent = Issue(3, "", priority=Priority.CRITICAL)
    run = Driver(issue(1), issue(2), urgent, rules=Rules(max_agents=2))
    assert started(run) == [3, 1]
    assert dict(run.state.slots) == {0: 3, 1: 1}
    assert why(run, 2) == [("slots", "all 2 agents are busy")]


def test_a_freed_slot_is_used_again() -> None:
    run = Driver(issue(1), issue(2), issue(3), rules=Rules(max_agents=2)).queue(1)
    assert (started(run), run.attempt(3).slot) == ([1, 2, 3], 0)


def test_two_issues_that_declare_one_path_do_not_run_at_once() -> None:
    run = Driver(issue(1, files=("src/pay.py",)), issue(2, files=("src",)), issue(3, files=("docs",)))
    assert started(run) == [1, 3]
    assert why(run, 2) == [("claim", "src is claimed by #1")]
    run.queue(1)
    assert why(run, 2) == [("claim", "src is claimed by #1")]
    run.compose()
    run.go(green("u-1"))
    run.seal()
    run.move()
    assert started(run) == [1, 3, 2]


def test_an_issue_that_waits_names_what_it_waits_for() -> None:
    run = Driver(issue(1), issue(2), issue(3, 1, 2)).land(1)
    assert why(run, 3) == [("dependency", "waits for #2 (assigned) to land")]


def test_an_issue_is_driven_as_the_run_says_or_as_its_route_does() -> None:
    run = Driver()
    routed = {"2": Routed("gemini", "its label `docs`")}
    run.go(ev.RunStarted("r", "", "main", "t", (issue(1), issue(2)), Rules(), runtime="acp", routed=routed))
    assert {n: record.attempt.runtime for n, record in run.state.issues.items() if record.attempt} == {
        1: "acp",
        2: "gemini",
    }


def test_a_name_that_is_taken_gets_a_suffix() -> None:
    run = Driver(settle=False)
    run.go(ev.RunStarted("0198-run-12345678", "", "main", "t", (issue(1),), Rules(), suffixed=(1,)))
    assert run.attempt(1).name == "agent-0-issue-1-12345678-a1"


def test_whatever_holds_all_dispatch_is_named() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(max_agents=1))
    run.tell(ev.DispatchPaused("ada"), ev.Interrupted(1), ev.RunStopped("the bus is gone"))
    run.state = replace(run.state, halted=True)
    assert [kind for kind, _ in why(run, 2)] == ["slots", "stopped", "paused", "halted", "interrupted"]


def test_who_works_or_has_landed_needs_no_reason() -> None:
    run = Driver(issue(1), issue(2)).start(1)
    assert why(run, 1) == []
    assert why(run.land(1), 1) == []


def test_a_question_is_shown() -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.QuestionAsked(1, run.fence(1), Question("q", "which currency?")))
    assert why(run, 1) == [("input", "waits for an answer to: which currency?")]


def test_a_candidate_waits_for_a_gate_slot() -> None:
    run = Driver(issue(1), issue(2)).start(1, 2).finish(1)
    assert why(run, 1) == []
    run.import_(1)
    assert why(run, 1) == []
    run.finish(2).import_(2)
    assert why(run, 2) == [("gate", "waits for one of 1 gate slots")]


def test_a_queued_candidate_knows_its_place() -> None:
    run = Driver(issue(1), issue(2), issue(3)).queue(2).queue(1).queue(3)
    assert why(run, 2) == []
    assert why(run, 1) == [("queue", "number 2 of 3 in the landing queue")]
    assert why(run, 3) == [("queue", "number 3 of 3 in the landing queue")]


def test_a_dirty_checkout_is_named_to_all_who_wait_for_it() -> None:
    run = Driver(issue(1), issue(2)).queue(1).queue(2)
    run.go(ev.MoveBlocked(("a.py", "b.py"), "/home/ada/pay"))
    expected = [("dirty_checkout", "the checkout of main at /home/ada/pay is not clean: a.py, b.py")]
    assert why(run, 1) == why(run, 2) == expected


def test_what_will_not_land_says_so() -> None:
    run = Driver(issue(1), issue(2, 1), issue(3), issue(4), issue(5, 3)).start(1)
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.STALLED, "nothing for 5 minutes"))
    run.go(ev.IssueCancelled(3, "ada"))
    run.go(ev.AttemptInterrupted(3, run.fence(3)))
    run.queue(4)
    run.compose()
    run.go(red("u-4"))
    assert why(run, 1) == [("failed", "stalled: nothing for 5 minutes")]
    assert why(run, 2) == [("blocked", "#1 is failed (stalled)")]
    assert why(run, 3) == [("cancelled", "cancelled by ada")]
    assert why(run, 4)[0][0] == RefusalKind.PARKED
    assert why(run, 5) == [("blocked", "#3 is cancelled")]


def test_a_block_without_a_culprit_is_said_as_it_is() -> None:
    run = Driver(issue(1), issue(2, 1)).start(1)
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.STALLED))
    record = replace(run.state.issues[2], blocked_by=None)
    run.state = replace(run.state, issues=run.state.issues.set(2, record))
    assert why(run, 2) == [("blocked", "a dependency will not land")]
