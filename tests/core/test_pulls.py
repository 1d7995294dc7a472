"""Pull requests: what follows from what a forge says of them."""

from __future__ import annotations

from typing import Any

import pytest

from mawep.core import events as ev
from mawep.core import pulls
from mawep.core.model import Budget, IssueState, Rules
from mawep.core.schedule import RefusalKind, refusals
from mawep.core.state import Pull
from tests.core.driver import Driver, green, issue, red


def run(*numbers: int, **changes: Any) -> Driver:
    """A run that lands by pull requests, with the first issue's agent at work."""
    settings = {"mode": "pull_request", "max_agents": 1, **changes}
    return Driver(*map(issue, numbers or (1,)), rules=Rules(**settings))


def open_(driver: Driver, number: int = 1) -> Driver:
    """Its pull request is open."""
    asked = driver.queue(number).last(ev.PullRequestIntended)
    driver.go(ev.PullRequestOpened(number, 10 + number, f"pull/{number}", asked.head))
    return driver


def pull(driver: Driver, number: int = 1) -> Pull:
    found = driver.state.issues[number].pull
    assert found is not None
    return found


def see(driver: Driver, number: int = 1, **changes: Any) -> list[ev.AnyEvent]:
    """The forge says something of it."""
    said = {"head": pull(driver, number).head, "target": driver.state.target, **changes}
    return driver.go(ev.PullRequestSeen(number, 10 + number, **said))


READY = {"verdict": ev.PullVerdict.READY}
ASKS = {"verdict": ev.PullVerdict.CHANGES, "feedback": "no", "items": ("check:1",)}


def test_what_is_ready_is_merged_with_its_head_and_lands() -> None:
    driver = open_(run())
    see(driver, **READY)
    assert driver.last(ev.MergeIntended).head == "c-1"
    driver.go(ev.PullRequestMerged(1, "m", "target-1", exact=False))
    assert (driver.at(1), driver.state.target, pull(driver).exact) == (IssueState.LANDED, "target-1", False)


def test_its_slot_is_free_meanwhile_and_an_answer_goes_before_new_work() -> None:
    driver = open_(run(1, 2, 3))
    assert driver.state.slots[0] == 2
    see(driver, **ASKS)
    assert driver.at(1) is IssueState.QUEUED
    open_(driver, 2)
    assert driver.state.slots[0] == 1
    assert driver.last(ev.RepairIntended).feedback == "no"
    assert driver.at(3) is IssueState.READY


def test_what_was_answered_is_not_answered_again() -> None:
    driver = open_(run())
    see(driver, **ASKS)
    driver.start(1).finish(1)
    driver.go(ev.CandidateImported(1, 1, "c-1b", "t-1b", ()))
    driver.go(green("t-1b"))
    driver.go(ev.PullRequestOpened(1, 11, "pull/1", "c-1b"))
    assert see(driver, **ASKS) == []
    see(driver, **READY)
    assert driver.last(ev.MergeIntended).head == "c-1b"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"max_review_rounds": 0}, "after 0 rounds"),
        ({"budget": Budget(issue_turns=1)}, "is used up"),
    ],
)
def test_nobody_is_told_without_end(changes: dict[str, Any], why: str) -> None:
    driver = open_(run(**changes))
    see(driver, **ASKS)
    assert driver.at(1) is IssueState.PARKED
    assert why in driver.state.issues[1].detail


def test_what_others_pushed_is_taken_in_and_left_to_them_from_then_on() -> None:
    driver = open_(run())
    see(driver, head="theirs")
    assert driver.last(ev.UpdateIntended).head == "theirs"
    driver.go(ev.BranchUpdated(1, "theirs", "merged", "t-m", theirs=True))
    driver.go(green("t-m"))
    assert driver.last(ev.PullRequestIntended).head == "merged"
    driver.go(ev.PullRequestOpened(1, 11, "pull/1", "merged"))
    see(driver, **ASKS)
    assert driver.at(1) is IssueState.PARKED
    assert "somebody else has pushed" in driver.state.issues[1].detail


def test_what_is_up_to_date_already_needs_no_gate() -> None:
    driver = open_(run())
    see(driver, **READY, behind=True)
    assert driver.go(ev.BranchUpdated(1, "c-1", "c-1", "t-1")) == []
    assert pull(driver).published


def test_a_base_that_makes_it_red_parks_it() -> None:
    driver = open_(run())
    see(driver, conflicting=True)
    driver.go(ev.BranchUpdated(1, "c-1", "merged", "t-m"))
    driver.go(red("t-m"))
    assert driver.at(1) is IssueState.PARKED


@pytest.mark.parametrize("by", ["", "ann"])
def test_one_that_is_closed_is_parked(by: str) -> None:
    driver = open_(run())
    see(driver, state=ev.PullState.CLOSED, by=by)
    assert f"closed{f' by {by}' if by else ''} without" in driver.state.issues[1].detail


def test_one_that_somebody_merged_is_looked_at() -> None:
    driver = open_(run())
    see(driver, head="theirs", state=ev.PullState.MERGED)
    assert driver.last(ev.MergeIntended).head == "theirs"


def test_a_forge_that_will_not_merge_it_parks_it_and_what_only_moved_does_not() -> None:
    driver = open_(run())
    for _ in range(5):
        see(driver, **READY)
        driver.go(ev.MergeDeferred(1, "the base moved", refused=False))
    for _ in range(pulls.MOST_REFUSALS):
        see(driver, **READY)
        driver.go(ev.MergeDeferred(1, "no squashing here"))
    see(driver, **READY)
    assert driver.at(1) is IssueState.PARKED
    assert "no squashing here" in driver.state.issues[1].detail


def test_one_is_merged_at_a_time() -> None:
    driver = open_(run(1, 2, max_agents=2))
    open_(driver, 2)
    see(driver, 1, **READY)
    assert see(driver, 2, **READY) == []
    driver.go(ev.TargetAdvanced("elsewhere"))
    assert driver.state.target == "target-0"
    driver.go(ev.PullRequestMerged(1, "m", "target-1"))
    assert driver.last(ev.MergeIntended).issue == 2


def test_a_cancelled_one_in_the_queue_of_the_forge_ends_when_it_leaves_it() -> None:
    driver = open_(run())
    see(driver, **READY, queue=True)
    driver.go(ev.IssueCancelled(1, "ada"))
    driver.go(ev.PullRequestQueued(1))
    assert driver.at(1) is IssueState.QUEUED
    see(driver, **READY, queue=True, queued=True)
    assert driver.at(1) is IssueState.QUEUED
    see(driver, **READY, queue=True)
    assert driver.at(1) is IssueState.CANCELLED


def test_a_merge_that_was_cancelled_and_does_not_happen_ends_cancelled() -> None:
    driver = open_(run())
    see(driver, **READY)
    driver.go(ev.IssueCancelled(1, "ada"))
    assert driver.at(1) is IssueState.LANDING
    driver.go(ev.MergeDeferred(1, "not now"))
    assert driver.at(1) is IssueState.CANCELLED


def test_what_comes_late_changes_nothing() -> None:
    driver = open_(run())
    before = driver.state
    driver.tell(
        ev.PullRequestSeen(1, 99, "x", "y"),
        ev.PullRequestOpened(1, 12, "pull/2", "another head"),
        ev.PullRequestMerged(1, "m", "t"),
        ev.MergeDeferred(1, "late"),
    )
    assert driver.state.issues == before.issues
    driver.go(ev.IssueCancelled(1, "ada"))
    driver.tell(ev.BranchUpdated(1, "c-1", "x", "y"), ev.PullRequestQueued(1))
    assert driver.at(1) is IssueState.CANCELLED


def test_a_slot_is_taken_again_for_pull_requests_only() -> None:
    driver = Driver(issue(1)).verify(1)
    slots = driver.state.slots
    driver.tell(ev.RepairIntended(1, 1, 1, "no", driver.now, slot=3))
    assert driver.state.slots == slots


def test_what_it_waits_for_is_said() -> None:
    driver = run().queue(1)

    def said() -> str:
        (refusal,) = refusals(driver.state, 1, driver.now)
        assert refusal.kind is RefusalKind.PULL_REQUEST
        return refusal.detail

    assert "about to be opened" in said()
    asked = driver.last(ev.PullRequestIntended)
    driver.go(ev.PullRequestOpened(1, 11, "pull/1", asked.head))
    assert "checks and reviews" in said()
    see(driver, waits_for="2 approvals")
    assert "2 approvals" in said()
    see(driver, queued=True)
    assert "merge queue" in said()
    see(driver, conflicting=True)
    driver.go(ev.BranchUpdated(1, "c-1", "merged", "t-m"))
    assert "brought up to date" in said()
