"""What news of other repositories make of a run."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core.model import Far, IssueState, Rules
from mawep.core.schedule import refusals
from tests.core.driver import Driver, issue
from tests.core.test_far import far

API = Far("acme/api", 5)
DOCS = Far("acme/docs", 3)


def told(run: Driver, number: int) -> list[str]:
    return [refusal.detail for refusal in refusals(run.state, number, run.now)]


def seen(state: IssueState, why: str = "", *, over: bool = False, on: Far = API) -> ev.FarSeen:
    return ev.FarSeen(on, state, why, over)


def test_an_issue_waits_until_all_that_it_needs_elsewhere_has_landed() -> None:
    run = Driver(far(1, "acme/api#5", "acme/docs#3"), issue(2, 1))
    assert run.at(1) is IssueState.WAITING
    assert told(run, 1) == ["waits for acme/api#5 to land", "waits for acme/docs#3 to land"]
    run.go(seen(IssueState.WORKING), seen(IssueState.LANDED, on=DOCS))
    assert told(run, 1) == ["waits for acme/api#5 (working) to land"]
    run.go(seen(IssueState.LANDED))
    assert run.at(1) is IssueState.ASSIGNED
    assert run.at(2) is IssueState.WAITING


def test_to_be_told_again_changes_nothing() -> None:
    run = Driver(far(1, "acme/api#5"), issue(2))
    run.go(seen(IssueState.WORKING))
    before = run.state
    run.go(seen(IssueState.WORKING))
    assert before.far == run.state.far
    run.go(seen(IssueState.LANDED), seen(IssueState.LANDED))
    assert (run.at(1), run.state.unmet[1]) == (IssueState.ASSIGNED, 0)


def test_what_is_at_work_goes_on_though_what_it_waited_for_is_taken_back() -> None:
    run = Driver(far(1, "acme/api#5"))
    run.go(seen(IssueState.LANDED))
    run.go(seen(IssueState.REVERTED))
    assert (run.at(1), run.state.unmet[1]) == (IssueState.ASSIGNED, 1)
    run.go(seen(IssueState.LANDED))
    assert (run.at(1), run.state.unmet[1]) == (IssueState.ASSIGNED, 0)


def test_what_will_not_land_elsewhere_blocks_here_until_it_stands_again() -> None:
    run = Driver(far(1, "acme/api#5"), issue(2, 1), issue(3))
    run.go(seen(IssueState.FAILED, "gate_failed"))
    assert (run.at(1), run.at(2)) == (IssueState.BLOCKED, IssueState.BLOCKED)
    assert run.state.issues[1].blocked_by == API
    assert run.state.issues[2].blocked_by == 1
    assert told(run, 1) == ["acme/api#5 is failed (gate_failed)"]
    run.go(seen(IssueState.READY))
    assert (run.at(1), run.at(2)) == (IssueState.WAITING, IssueState.WAITING)
    run.go(seen(IssueState.LANDED))
    assert run.at(1) is IssueState.ASSIGNED


def test_what_stays_as_it_is_because_its_run_is_over_blocks_too() -> None:
    run = Driver(far(1, "acme/api#5"))
    run.go(seen(IssueState.WORKING, "its run has ended", over=True))
    assert run.at(1) is IssueState.BLOCKED
    assert run.state.ended == "failed"


def test_a_run_that_ended_goes_on_when_what_blocked_it_stands_again() -> None:
    run = Driver(far(1, "acme/api#5", "acme/docs#3"), issue(2, 1))
    run.go(seen(IssueState.FAILED), seen(IssueState.FAILED, on=DOCS))
    assert run.state.ended == "failed"
    run.go(seen(IssueState.LANDED))
    assert run.state.ended == "failed", "something else is in the way"
    run.go(seen(IssueState.LANDED, on=DOCS))
    assert (run.state.ended, run.at(1), run.at(2)) == (None, IssueState.ASSIGNED, IssueState.WAITING)


def test_what_is_tried_again_here_stays_blocked_by_what_failed_elsewhere() -> None:
    run = Driver(far(1, "acme/api#5"), issue(2))
    run.go(ev.IssueCancelled(1, "ada"), seen(IssueState.FAILED))
    assert run.at(1) is IssueState.CANCELLED
    run.go(ev.IssueReopened(1, "ada"))
    assert (run.at(1), run.state.issues[1].blocked_by) == (IssueState.BLOCKED, API)
    run.go(seen(IssueState.LANDED))
    assert run.at(1) is IssueState.ASSIGNED, "that it was cancelled once counts no more"


def test_an_edit_leaves_what_is_waited_for_elsewhere() -> None:
    run = Driver(far(1, "acme/api#5"), issue(2))
    run.go(ev.IssueEdited(1, issue(1)))
    assert run.state.graph.issues[1].far == far(1, "acme/api#5").far
    assert run.at(1) is IssueState.WAITING


def test_a_run_that_shares_its_agents_has_those_that_it_is_allowed() -> None:
    run = Driver(issue(1), issue(2), issue(3), rules=Rules(max_agents=3, shared=True))
    assert (run.state.agents, len(run.state.slots)) == (0, 0)
    assert told(run, 1) == ["of 3 agents 3 are left to other repositories, and the rest are busy"]
    run.go(ev.AgentsAllowed(2))
    assert len(run.state.slots) == 2
    assert told(run, 3) == ["of 3 agents 1 are left to other repositories, and the rest are busy"]
    run.go(ev.AgentsAllowed(9))
    assert (run.state.agents, len(run.state.slots)) == (3, 3)


def test_what_is_at_work_goes_on_when_less_is_allowed_and_nothing_follows_it() -> None:
    run = Driver(issue(1), issue(2), issue(3), rules=Rules(max_agents=2, shared=True))
    run.go(ev.AgentsAllowed(2))
    run.go(ev.AgentsAllowed(0)), run.queue(1)
    assert run.at(2) is IssueState.ASSIGNED
    assert run.at(3) is IssueState.READY


def test_another_process_is_allowed_nothing_before_it_is_told() -> None:
    run = Driver(issue(1), rules=Rules(shared=True))
    run.go(ev.AgentsAllowed(2))
    run.go(ev.RunResumed("another process"))
    assert run.state.allowed == 0
