"""What moves of the target break of work under way: when it is looked for, and who is told."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core.breaks import message_id
from mawep.core.model import FailureReason, Rules
from tests.core.driver import Driver, green, issue

TELLING = Rules(max_agents=3, tell_breaks=True, max_retries=1)


def a_landing(run: Driver, number: int) -> list[ev.AnyEvent]:
    """Everything that follows when this issue lands."""
    run.queue(number)
    steps = run.compose()
    run.go(green(steps[-1].tree))
    run.seal()
    return run.move()


def sought(events: list[ev.AnyEvent]) -> list[ev.BreaksSought]:
    return [event for event in events if isinstance(event, ev.BreaksSought)]


def told(events: list[ev.AnyEvent]) -> list[ev.MessageSent]:
    return [event for event in events if isinstance(event, ev.MessageSent)]


def begun() -> tuple[Driver, ev.BreaksSought]:
    """One has landed while two others are at work."""
    run = Driver(issue(1), issue(2), issue(3), issue(4), issue(5, 1), rules=TELLING)
    run.start(1, 2, 3)
    (looked,) = sought(a_landing(run, 1))
    return run, looked


def test_after_a_landing_what_it_breaks_of_live_work_is_looked_for_once() -> None:
    run, looked = begun()
    assert (looked.old, looked.new) == ("target-0", run.state.target)
    assert looked.issues == (2, 3, 4)
    assert any(key.startswith("breaks:") for key in run.state.effects)
    assert run.go(ev.BreaksFound(looked.old, looked.new)) == []
    assert not any(key.startswith("breaks:") for key in run.state.effects)


def test_whose_work_is_broken_is_told_once_and_how_to_get_the_change() -> None:
    run, looked = begun()
    found = ev.BreaksFound(looked.old, looked.new, (ev.Broken(3, 1, "f(a) is gone"),))
    (message,) = told(run.go(found))
    assert (message.issue, message.text, message.by) == (3, "f(a) is gone", "MAWEP")
    assert message.message == message_id(looked.new)
    assert message.foreign and f"git merge {looked.new}" in message.lead
    assert run.settle() == [] and run.state.broken == ()


def test_who_is_being_checked_is_told_when_its_agent_goes_on() -> None:
    run, looked = begun()
    run.finish(2)
    assert told(run.go(ev.BreaksFound(looked.old, looked.new, (ev.Broken(2, 1, "gone"),)))) == []
    attempt = run.state.issues[2].attempt
    assert attempt is not None and attempt.head is not None
    refused = ev.ImportRefused(2, 1, FailureReason.CLAIM_CONFLICT, "not yours", repairable=True)
    assert [message.issue for message in told(run.go(refused))] == [2]


def test_who_has_ended_meanwhile_is_told_nothing_nor_is_the_next_attempt() -> None:
    run, looked = begun()
    run.go(ev.AttemptFailed(2, run.fence(2), FailureReason.AGENT_ERROR))
    attempt = run.state.issues[2].attempt
    assert attempt is not None and attempt.number == 2, "it is tried again"
    found = (ev.Broken(2, 1, "gone"), ev.Broken(3, 1, "gone"))
    run.finish(3)
    assert told(run.go(ev.BreaksFound(looked.old, looked.new, found))) == []
    assert [broken.issue for _, broken in run.state.broken] == [3]
    run.go(ev.IssueCancelled(3, "ada"))
    run.go(ev.AttemptInterrupted(3, run.fence(3)))
    assert run.state.broken == ()


def test_a_target_that_others_moved_counts_as_well_and_each_is_compared_with_what_it_knows() -> None:
    run, looked = begun()
    run.go(ev.BreaksFound(looked.old, looked.new))
    run.start(4)
    (again,) = sought(run.go(ev.TargetAdvanced("pushed")))
    assert (again.old, again.new, again.issues) == (looked.new, "pushed", (2, 3, 4))


def test_nobody_looks_where_nobody_is_to_be_told() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(max_agents=2))
    run.start(1, 2)
    assert sought(a_landing(run, 1)) == []


def test_an_issue_that_is_not_at_work_is_compared_with_nothing() -> None:
    run = Driver(issue(1), issue(2, 1), rules=TELLING)
    before = run.state.issues[2]
    run.tell(ev.BreaksSought("target-0", "target-1", (2,)))
    assert run.state.issues[2] == before
