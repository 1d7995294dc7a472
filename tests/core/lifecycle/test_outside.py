"""What changes on the tracker while a run goes on: texts, dependencies, commands."""

from __future__ import annotations

from datetime import timedelta

from mawep.core import events as ev
from mawep.core import news
from mawep.core.model import Dependency, FailureReason, Issue, IssueState, Number, Priority, Rules
from mawep.core.outside import MOST_COMMANDS
from mawep.core.schedule import refusals
from tests.core.driver import START, Driver, issue

ONE = Rules(max_agents=1)


def add(run: Driver, number: Number, on: Number) -> list[ev.AnyEvent]:
    """The tracker says that an issue waits for another; what followed."""
    events = news.dependency(run.state, number, on, "native")
    run.go(*events)
    return events


def test_an_issue_that_has_not_started_is_used_as_it_reads_now() -> None:
    run = Driver(issue(1), issue(2), issue(3), rules=ONE)
    run.go(ev.IssueEdited(3, Issue(3, "urgent", body="now", priority=Priority.CRITICAL, files=("a.py",))))
    assert run.state.graph.issues[3].title == "urgent"
    assert run.state.graph.by_rank == (3, 1, 2)
    run.land(1)
    assert run.last(ev.AttemptAssigned).issue == 3
    assert run.last(ev.AttemptAssigned).claims == ("a.py",)


def test_an_edit_brings_no_dependencies_along() -> None:
    run = Driver(issue(1), issue(2, 1))
    run.go(ev.IssueEdited(2, Issue(2, "other", depends_on=(Dependency(7),))))
    assert run.state.graph.dependencies[2] == (1,)


def test_an_agent_at_work_is_told_of_an_edit_once_and_fenced() -> None:
    run = Driver(issue(1, files=("a.py",))).start(1)
    run.go(ev.IssueEdited(1, Issue(1, "other", body="do that", files=("b.py",))))
    told = run.last(ev.MessageSent)
    assert (told.issue, told.foreign) == (1, True)
    assert "do that" in told.text and "do that" not in told.lead and "edited" in told.lead
    assert run.count(ev.MessageSent) == 1
    assert run.state.graph.issues[1].body == "do that"
    assert run.state.graph.issues[1].files == ("a.py",), "what is claimed stays claimed"


def test_an_edit_of_an_issue_that_is_landing_counts_when_it_starts_again() -> None:
    run = Driver(issue(1)).queue(1)
    run.go(ev.IssueEdited(1, Issue(1, "other")))
    assert run.state.graph.issues[1].title == "issue 1", "or composing again would give other commits"
    run.go(ev.IssueParked(1, "it does not fit"))
    assert run.state.graph.issues[1].title == "other"
    assert not run.state.outside.edited


def test_what_has_landed_is_not_edited() -> None:
    run = Driver(issue(1)).land(1)
    before = run.state
    run.go(ev.IssueEdited(1, Issue(1, "other")))
    assert run.state.graph == before.graph


def test_a_new_dependency_is_waited_for() -> None:
    run = Driver(issue(1), issue(2), rules=ONE)
    assert add(run, 2, 1) == [ev.DependencyAdded(2, 1, "native")]
    assert run.at(2) is IssueState.WAITING
    assert run.state.graph.issues[2].depends_on == (Dependency(1, "native"),)
    run.land(1)
    assert run.last(ev.AttemptAssigned).issue == 2


def test_a_new_dependency_on_what_has_landed_is_met() -> None:
    run = Driver(issue(1), issue(2), rules=ONE).land(1)
    assert add(run, 2, 1) == []


def test_a_new_dependency_on_what_will_not_land_blocks() -> None:
    run = Driver(issue(1, hours=9), issue(2), issue(3), issue(4, 3), rules=ONE)
    run.go(ev.IssueCancelled(2, "ada"))
    add(run, 3, 2)
    assert (run.at(3), run.at(4)) == (IssueState.BLOCKED, IssueState.BLOCKED)
    run.go(ev.DependencyRemoved(3, 2))
    assert (run.at(3), run.at(4)) == (IssueState.READY, IssueState.WAITING)


def test_a_dependency_that_is_taken_away_is_not_waited_for() -> None:
    run = Driver(issue(1), issue(2, 1), issue(3, 2))
    run.go(ev.DependencyRemoved(2, 1))
    assert run.at(2) is IssueState.ASSIGNED
    assert run.at(3) is IssueState.WAITING


def test_an_open_issue_outside_of_the_run_blocks_at_once_and_says_so() -> None:
    run = Driver(issue(1, hours=9), issue(2), issue(3, 2), rules=ONE)
    add(run, 2, 77)
    assert (run.at(2), run.at(3)) == (IssueState.BLOCKED, IssueState.BLOCKED)
    (refusal,) = refusals(run.state, 2, run.now)
    assert "#77" in refusal.detail and "not in this run" in refusal.detail
    run.go(ev.DependencyRemoved(2, 77, "closed"))
    assert (run.at(2), run.at(3)) == (IssueState.READY, IssueState.WAITING)
    assert not run.state.outside.blockers


def test_a_run_does_not_wait_for_an_issue_that_nobody_in_it_can_land() -> None:
    run = Driver(issue(1), issue(2), rules=ONE)
    add(run, 2, 77)
    run.land(1)
    assert run.state.ended == "partial"
    run.go(ev.IssueReopened(2, "ada"))
    assert run.at(2) is IssueState.BLOCKED, "that is still open"


def test_who_is_at_work_is_not_torn_down_for_a_new_dependency() -> None:
    run = Driver(issue(1), issue(2)).start(1, 2)
    (refused,) = add(run, 2, 1)
    assert isinstance(refused, ev.DependencyRefused)
    assert "at work" in refused.why
    assert run.at(2) is IssueState.WORKING
    assert add(run, 2, 1) == [], "it is said once"


def test_a_dependency_that_came_too_late_counts_when_the_issue_is_tried_again() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(max_retries=1)).start(1, 2)
    add(run, 2, 1)
    run.go(ev.AttemptFailed(2, run.fence(2), FailureReason.AGENT_ERROR))
    assert run.at(2) is IssueState.WAITING
    assert not run.state.outside.refused
    run.land(1)
    assert run.at(2) is IssueState.ASSIGNED


def test_a_new_dependency_of_what_has_landed_is_stated() -> None:
    run = Driver(issue(1), issue(2), rules=ONE).land(1)
    (refused,) = add(run, 1, 2)
    assert isinstance(refused, ev.DependencyRefused)
    assert "landed already" in refused.why


def test_a_dependency_that_closes_a_circle_is_refused_with_its_path() -> None:
    run = Driver(issue(1), issue(2, 1), issue(3, 2), issue(4, hours=9), rules=ONE)
    (refused,) = add(run, 1, 3)
    assert isinstance(refused, ev.DependencyRefused)
    assert "1 → 3 → 2 → 1" in refused.why
    assert run.at(1) is IssueState.READY, "nothing waits for ever"
    run.go(ev.DependencyRemoved(3, 2))
    assert run.at(1) is IssueState.WAITING, "there is no circle any more"


def test_a_dependency_on_itself_is_none() -> None:
    run = Driver(issue(1), issue(2), rules=ONE)
    assert add(run, 2, 2) == []
    run.go(ev.DependencyAdded(2, 2, "body"))
    assert run.at(2) is IssueState.READY


def test_what_the_run_cannot_follow_is_known_until_it_can() -> None:
    run = Driver(issue(1), issue(2))
    run.go(ev.IssueUnclear(1, ("waits for acme/api#3",)), ev.IssueUnclear(2, ()))
    assert dict(run.state.outside.unclear) == {1: ("waits for acme/api#3",)}
    run.go(ev.IssueUnclear(1, ()))
    assert dict(run.state.outside.unclear) == {}


def test_a_command_is_remembered_as_taken() -> None:
    run = Driver(issue(1))
    run.go(ev.CommandTaken(1, 55, "ada", "stop", True, "cancelled #1"))
    assert run.state.outside.taken == (55,)
    assert run.state.outside.commands[1][0].said == "cancelled #1"


def test_of_the_commands_on_an_issue_the_newest_are_remembered() -> None:
    run = Driver(issue(1))
    for comment in range(MOST_COMMANDS + 1):
        run.go(ev.CommandTaken(1, comment, "ada", "status", True, "#1 is ready"))
    assert [one.comment for one in run.state.outside.commands[1]] == list(range(1, MOST_COMMANDS + 1))


def test_how_far_the_tracker_was_read_is_remembered() -> None:
    run = Driver(issue(1))
    until = START + timedelta(seconds=5)
    run.go(ev.OutsideRead(until))
    assert run.state.outside.read_until == until


def test_a_circle_is_never_closed_whoever_says_so() -> None:
    run = Driver(issue(1), issue(2, 1), issue(3, hours=9), rules=ONE)
    run.go(ev.DependencyAdded(1, 2, "native"))
    assert run.state.graph.dependencies[1] == ()


def test_what_an_issue_that_ended_waited_for_can_be_taken_away() -> None:
    run = Driver(issue(1), issue(2, 1), rules=ONE).land(1).start(2)
    run.go(ev.AttemptFailed(2, run.fence(2), FailureReason.AGENT_ERROR))
    run.go(ev.DependencyRemoved(2, 1))
    assert run.at(2) is IssueState.FAILED
    assert run.state.graph.dependencies[2] == ()


def test_what_failed_and_is_cancelled_then_has_spent_no_more() -> None:
    run = Driver(issue(1)).start(1)
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR))
    before = run.state.issues[1]
    run.go(ev.IssueCancelled(1, "closed on the tracker"))
    assert (run.at(1), run.state.issues[1].turns) == (IssueState.CANCELLED, before.turns)


def test_a_refusal_of_what_the_issue_waits_for_already_says_nothing() -> None:
    run = Driver(issue(1), issue(2, 1))
    run.go(
        ev.DependencyRefused(2, 1, "native", "came too late"), ev.DependencyRefused(2, 2, "native", "itself")
    )
    assert not run.state.outside.refused
    assert run.state.issues[2].state is IssueState.WAITING


def test_an_agent_is_not_told_of_an_edit_that_leaves_the_text_as_it_was() -> None:
    run = Driver(issue(1)).start(1)
    known = run.state.graph.issues[1]
    run.go(ev.IssueEdited(1, Issue(1, known.title, body=known.body, labels=("urgent",))))
    assert run.count(ev.MessageSent) == 0
    assert run.state.graph.issues[1].labels == ("urgent",)


def test_what_changes_nothing_changes_nothing() -> None:
    run = Driver(issue(1), issue(2, 1))
    before = run.state
    run.go(ev.DependencyRemoved(1, 2), ev.IssueNoticed(1, "it was opened again"))
    assert (run.state.graph, run.state.issues, run.state.outside) == (
        before.graph,
        before.issues,
        before.outside,
    )


def test_an_issue_goes_on_waiting_for_what_is_left() -> None:
    run = Driver(issue(1), issue(2), issue(3, 1, 2))
    run.go(ev.DependencyRemoved(3, 1))
    assert run.at(3) is IssueState.WAITING
    assert run.state.graph.dependencies[3] == (2,)


def test_what_is_freed_frees_nothing_that_something_else_blocks() -> None:
    run = Driver(issue(1, hours=9), issue(2), issue(3), issue(4, 2, 3), rules=ONE)
    add(run, 3, 77)
    run.go(ev.IssueCancelled(2, "ada"), ev.DependencyRemoved(3, 77, "closed"))
    assert (run.at(3), run.at(4)) == (IssueState.READY, IssueState.BLOCKED)
    assert run.state.issues[4].blocked_by == 2


def test_a_new_dependency_of_what_was_cancelled_counts_when_it_is_tried_again() -> None:
    run = Driver(issue(1, hours=9), issue(2), rules=ONE)
    run.go(ev.IssueCancelled(2, "ada"))
    (refused,) = add(run, 2, 1)
    assert isinstance(refused, ev.DependencyRefused)
    assert "tried again" in refused.why
