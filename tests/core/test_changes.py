"""Breaking changes that agents announce: who waits, who is told, and when it is over."""

from __future__ import annotations

import pytest

from mawep.core import events as ev
from mawep.core.changes import MOST_OF_AN_ATTEMPT, concerning, pattern_of
from mawep.core.model import FailureReason, IssueState, Rules
from mawep.core.schedule import RefusalKind, refusals
from tests.core.driver import Driver, green, issue


def announce(run: Driver, number: int, file: str = "api/pay.py", *affects: str) -> list[ev.AnyEvent]:
    """The agent on `number` announces a breaking change to `file`."""
    change = ev.BreakingChangeAnnounced(
        number, run.fence(number), file, "pay() is async", affects, "await it"
    )
    return run.go(change)


def kinds(run: Driver, number: int) -> list[RefusalKind]:
    return [refusal.kind for refusal in refusals(run.state, number, run.now)]


def test_what_it_affects_does_not_start_until_it_has_landed() -> None:
    run = Driver(issue(1, files=["api/pay.py"]), issue(2, files=["web/cart.ts"]), rules=Rules(max_agents=1))
    run.start(1)
    announce(run, 1, "api/pay.py", "web/**")
    assert RefusalKind.BREAKING_CHANGE in kinds(run, 2)
    run.queue(1)  # a slot is free now
    assert run.at(2) is IssueState.READY
    assert kinds(run, 2) == [RefusalKind.BREAKING_CHANGE]
    steps = run.compose()
    run.go(green(steps[-1].tree))
    run.seal()
    run.move()
    assert run.at(2) is IssueState.ASSIGNED
    assert [change.file for change in concerning(run.state, 2)] == ["api/pay.py"]


@pytest.mark.parametrize("end", ["failed", "cancelled", "lost"])
def test_what_it_affects_starts_when_the_announcer_has_ended(end: str) -> None:
    run = Driver(issue(1), issue(2, files=["web"]), issue(3, files=["web"]), rules=Rules(max_agents=2))
    run.start(1, 2)
    announce(run, 1, "web/cart.ts")
    run.go(ev.AttemptFailed(2, run.fence(2), FailureReason.AGENT_ERROR))  # the claim on web is free again
    assert kinds(run, 3) == [RefusalKind.BREAKING_CHANGE]
    if end == "failed":
        run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR))
    elif end == "cancelled":
        run.go(ev.IssueCancelled(1, "ada"))
        run.go(ev.AttemptInterrupted(1, run.fence(1)))
    else:
        run.wait(200).settle()
    assert run.at(3) is IssueState.ASSIGNED
    assert run.state.changes == () and concerning(run.state, 3) == ()


def test_who_works_on_what_it_affects_is_told_once() -> None:
    run = Driver(issue(1), issue(2, files=["web"]), issue(3, files=["docs"]))
    run.start(1, 2, 3)
    made = announce(run, 1, "api/pay.py", "web/cart.ts")
    assert [(told.issue, told.by, told.foreign) for told in made if isinstance(told, ev.MessageSent)] == [
        (2, "agent-0 on #1", True)
    ]
    assert "pay() is async" in run.last(ev.MessageSent).text
    assert run.settle() == []


def test_who_takes_a_file_that_it_affects_is_told_then() -> None:
    run = Driver(issue(1), issue(2))
    run.start(1, 2)
    assert announce(run, 1, "api/pay.py") == []
    told = run.go(ev.ClaimsTaken(2, run.fence(2), ("api/pay.py",)))
    assert [message.issue for message in told if isinstance(message, ev.MessageSent)] == [2]


def test_said_again_it_replaces_itself_and_there_is_an_end() -> None:
    run = Driver(issue(1))
    run.start(1)
    announce(run, 1)
    announce(run, 1)
    assert len(run.state.changes) == 1
    for position in range(MOST_OF_AN_ATTEMPT + 5):
        announce(run, 1, f"file{position}.py")
    assert len(run.state.changes) == MOST_OF_AN_ATTEMPT


def test_a_late_announcement_changes_nothing() -> None:
    run = Driver(issue(1), issue(2, files=["web"]))
    run.start(1)
    run.go(ev.BreakingChangeAnnounced(1, run.fence(1) - 1, "web", "no"))
    assert run.state.changes == () and run.state.late == 1


def test_who_depends_on_it_is_told_when_it_starts() -> None:
    run = Driver(issue(1), issue(2, 1))
    run.start(1)
    announce(run, 1)
    run.land(1)
    assert run.at(2) is IssueState.ASSIGNED
    assert [change.change for change in concerning(run.state, 2)] == ["pay() is async"]


@pytest.mark.parametrize("path", ["**", "*", "*.py", "", "../x", "/etc/passwd"])
def test_a_change_cannot_name_everything_or_what_is_outside(path: str) -> None:
    with pytest.raises(ValueError):
        pattern_of(path)


def test_a_change_may_name_patterns() -> None:
    assert pattern_of("./src/api/**") == "src/api/**"
