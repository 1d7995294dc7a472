"""What does not land as it is goes back to its agent, so often and no oftener, and then it is parked whole."""

from __future__ import annotations

from typing import Any

import pytest

from mawep.core import events as ev
from mawep.core.model import Budget, FailureReason, GateResult, IssueState, Rules, Usage
from mawep.core.returning import instead, others
from mawep.core.schedule import RefusalKind, agents_wanted, refusals
from mawep.core.state import replace
from tests.core.driver import Driver, green, issue, red, verdict

CONFLICT = ev.MergeConflict(1, ("a.py",), "<<<<<<<")


def run(*numbers: int, **changes: Any) -> Driver:
    rules = {"max_agents": 2, "gate_slots": 4, "merge_rounds": 2, **changes}
    return Driver(*map(issue, numbers or (1, 2)), rules=Rules(**rules))


def conflicting(**changes: Any) -> Driver:
    """The first of two does not merge with the target, on which the second has landed."""
    driver = run(**changes).queue(1, 2)
    driver.compose(CONFLICT)
    driver.go(green("u-2"))
    driver.seal()
    driver.move()
    driver.conflict(CONFLICT)
    return driver


def merge(driver: Driver, tree: str) -> Driver:
    """The agent of the first issue merges, and what it made passes the import checks."""
    driver.start(1).finish(1)
    driver.go(ev.CandidateImported(1, 1, f"c-{tree}", tree, ("a.py",)))
    return driver


def test_its_agent_is_told_what_conflicts_and_has_a_slot_again() -> None:
    driver = conflicting()
    asked = driver.last(ev.RepairIntended)
    assert (asked.issue, asked.merge, asked.slot, asked.round) == (1, True, 0, 1)
    assert asked.feedback == "does not merge cleanly with main: a.py\n\n<<<<<<<"
    assert (driver.at(1), driver.state.slots[0]) == (IssueState.ASSIGNED, 1)
    assert driver.attempt(1).merge_rounds == 1


def test_who_was_in_the_batch_with_it_lands_first_and_then_it_lands_itself() -> None:
    driver = conflicting()
    assert driver.at(2) is IssueState.LANDED
    merge(driver, "t-1b").go(green("t-1b"))
    assert driver.state.issues[1].returned is None
    assert driver.last(ev.LandingOpened).members == (1,)
    steps = driver.compose()
    driver.go(green(steps[-1].tree))
    driver.seal()
    driver.move()
    assert driver.at(1) is IssueState.LANDED
    assert not driver.state.issues[1].hunks


def test_it_is_asked_so_often_and_then_parked_with_its_hunks() -> None:
    driver = conflicting()
    for _ in range(2):
        merge(driver, "t-1").compose(CONFLICT)
    record = driver.state.issues[1]
    assert (record.state, record.hunks, record.files) == (IssueState.PARKED, "<<<<<<<", ("a.py",))
    assert record.detail.endswith("a.py; its agent was asked 2 times to merge main")
    assert sum(r.event.merge for r in driver.journal if isinstance(r.event, ev.RepairIntended)) == 2


def test_its_rounds_of_repair_are_counted_apart() -> None:
    driver = conflicting(repair_rounds=1)
    merge(driver, "t-1b").go(red("t-1b"))
    assert (driver.last(ev.RepairIntended).merge, driver.last(ev.RepairIntended).round) == (False, 2)
    merge(driver, "t-1c").go(red("t-1c"))
    assert driver.last(ev.StopIntended).reason is FailureReason.GATE_FAILED


def test_what_its_agent_cannot_resolve_is_parked_and_not_failed() -> None:
    driver = conflicting(repair_rounds=0, max_retries=3)
    merge(driver, "t-1b").go(red("t-1b"))
    stop = driver.last(ev.StopIntended)
    driver.go(ev.AttemptFailed(1, stop.fence, FailureReason.GATE_FAILED, stop.detail))
    record = driver.state.issues[1]
    assert (record.state, record.hunks) == (IssueState.PARKED, "<<<<<<<")
    assert "its agent was to merge main, and failed: gate_failed: t-1b is red" in record.detail


def test_an_agent_that_fails_without_a_word_leaves_it_parked() -> None:
    driver = conflicting().start(1)
    driver.go(ev.AttemptFailed(1, driver.fence(1), FailureReason.STALLED))
    assert driver.state.issues[1].detail.endswith("and failed: stalled")


def test_what_was_lost_with_us_is_begun_again() -> None:
    driver = conflicting().start(1)
    driver.go(ev.RunResumed("host"))
    driver.go(ev.AttemptFailed(1, driver.fence(1), FailureReason.LOST))
    assert (driver.attempt(1).number, driver.state.issues[1].returned) == (2, None)


def test_without_a_free_slot_it_waits_and_says_so_and_nothing_new_takes_the_next() -> None:
    driver = run(1, 2, 3, max_agents=1).queue(1)
    driver.compose(CONFLICT)
    assert driver.state.slots[0] == 2
    record = driver.state.issues[1]
    assert (record.state, record.sent_back, driver.state.queue) == (IssueState.QUEUED, True, ())
    (refusal,) = refusals(driver.state, 1, driver.now)
    assert refusal.kind is RefusalKind.RETURNED
    assert refusal.detail.startswith("its agent is to merge main as soon as a slot is free: does not merge")
    driver.queue(2)
    assert (driver.state.slots[0], driver.at(3)) == (1, IssueState.READY)


def test_a_run_of_several_wants_an_agent_for_it() -> None:
    driver = run(1, shared=True)
    driver.go(ev.AgentsAllowed(1))
    driver.queue(1)
    driver.go(ev.AgentsAllowed(0))
    driver.compose(CONFLICT)
    assert driver.state.issues[1].sent_back
    assert agents_wanted(driver.state, driver.now) == 1


def test_parking_what_waits_for_a_slot_leaves_the_batch_alone() -> None:
    driver = run(1, 2, max_agents=2, budget=Budget(issue_tokens=10)).queue(1)
    driver.verify(2)
    driver.tell(ev.Interrupted(1))
    driver.compose(CONFLICT)
    driver.go(green("t-2"))
    assert driver.at(2) is IssueState.LANDING
    used = ev.Consumed(1, driver.fence(1), Usage(output_tokens=10))
    driver.go(ev.UsageSeen((used,)))
    record = driver.state.issues[1]
    assert (record.state, record.hunks) == (IssueState.PARKED, "<<<<<<<")
    assert "its agent cannot go on: " in record.detail
    assert driver.at(2) is IssueState.LANDING


def test_an_interrupted_run_asks_nobody_and_rests() -> None:
    driver = run(1).queue(1)
    driver.tell(ev.Interrupted(1))
    driver.compose(CONFLICT)
    assert driver.state.issues[1].sent_back
    assert driver.state.resting
    driver.go(ev.RunResumed("host"))
    assert driver.last(ev.RepairIntended).merge


def test_an_event_that_comes_when_it_does_not_wait_to_land_changes_nothing() -> None:
    driver = run(1).start(1)
    before = driver.state
    driver.tell(ev.CandidateReturned(1, "no"))
    assert driver.state == replace(before, seq=driver.state.seq)


def test_whoever_is_cancelled_is_not_asked() -> None:
    driver = run(1).queue(1)
    driver.go(ev.IssueCancelled(1, "ada"))
    driver.compose(CONFLICT)
    assert driver.at(1) is IssueState.PARKED


def test_who_waits_for_a_slot_can_be_cancelled() -> None:
    driver = run(1, 2, max_agents=1).queue(1)
    driver.compose(CONFLICT)
    driver.go(ev.IssueCancelled(1, "ada"))
    assert driver.at(1) is IssueState.CANCELLED


def test_what_is_red_only_together_goes_back_with_the_evidence() -> None:
    driver = run(1, 2, 3, max_agents=3).verify(1, 2, 3)
    driver.go(green("t-1"), green("t-2"), green("t-3"))
    driver.compose()
    driver.go(red("u-1,2,3"))
    for part in ((2, 3), (1, 3), (1, 2)):
        driver.go(ev.ProbeComposed("target-0", part, driver.steps(part)))
    driver.go(green("u-1,2"), red("u-1,3"), red("u-2,3"))
    driver.seal()
    driver.move()
    assert driver.last(ev.LandingOpened).members == (3,)
    driver.compose()
    driver.go(red("u-3"))
    returned = driver.last(ev.CandidateReturned)
    assert (returned.issue, returned.hunks, returned.files) == (3, "u-3 is red", ())
    assert "the gate is red; #1, #2, #3 together were red, #1, #2 green" in returned.why
    assert driver.last(ev.RepairIntended).merge
    assert driver.state.suspects == ()


def test_a_gate_that_says_nothing_is_no_fault_of_the_agents() -> None:
    driver = run(1).queue(1)
    driver.compose()
    driver.go(verdict("u-1", GateResult.NONE))
    assert driver.at(1) is IssueState.PARKED
    assert driver.count(ev.CandidateReturned) == 0


def test_without_rounds_it_is_parked_at_once() -> None:
    driver = conflicting(merge_rounds=0)
    record = driver.state.issues[1]
    assert (record.state, record.detail) == (IssueState.PARKED, "does not merge cleanly with main: a.py")


@pytest.mark.parametrize(("rounds", "said"), [(1, "once"), (3, "3 times")])
def test_how_often_it_was_asked_is_said(rounds: int, said: str) -> None:
    driver = run(1, merge_rounds=rounds).queue(1)
    for _ in range(rounds):
        driver.compose(CONFLICT)
        merge(driver, "t-1")
    parked = instead(driver.state, ev.IssueParked(1, "no"))
    assert parked == ev.IssueParked(1, f"no; its agent was asked {said} to merge main")


def test_a_round_in_a_slot_is_told_to_no_pull_request_where_there_is_none() -> None:
    driver = run(1).queue(1)
    driver.tell(ev.MoveLost("target-1"), ev.RepairIntended(1, 1, 1, "no", driver.now, slot=1))
    assert (driver.state.slots[1], driver.state.issues[1].pull) == (1, None)


def test_what_nobody_works_on_goes_back_to_nobody() -> None:
    parked = ev.IssueParked(3, "no")
    assert instead(run(1, 2, 3).state, parked) is parked


# --- with pull requests


def proposed() -> Driver:
    """A pull request that is open."""
    driver = run(1, mode="pull_request").queue(1)
    driver.go(ev.PullRequestOpened(1, 11, "pull/1", driver.last(ev.PullRequestIntended).head))
    return driver


def seen(driver: Driver, **said: Any) -> None:
    head = driver.state.issues[1].pull.head  # type: ignore[union-attr]
    driver.go(ev.PullRequestSeen(1, 11, head, "target-1", **said))


def test_a_pull_request_in_conflict_goes_back_and_is_pushed_to_again() -> None:
    driver = proposed()
    seen(driver, conflicting=True)
    assert driver.count(ev.UpdateIntended) == 1
    driver.go(ev.CandidateReturned(1, "does not merge cleanly with main: a.py", "<<<<<<<", ("a.py",)))
    assert driver.last(ev.RepairIntended).merge
    assert driver.state.issues[1].pull.rounds == 0  # type: ignore[union-attr]
    merge(driver, "t-1b").go(green("t-1b"))
    assert driver.last(ev.PullRequestIntended).head == "c-t-1b"


def test_a_pull_request_that_is_red_on_the_target_goes_back() -> None:
    driver = proposed()
    seen(driver, behind=True, verdict=ev.PullVerdict.READY)
    driver.go(ev.BranchUpdated(1, "c-1", "m-1", "t-m"))
    driver.go(red("t-m"))
    assert driver.last(ev.CandidateReturned).hunks == "t-m is red"
    assert driver.last(ev.RepairIntended).merge


def test_whom_no_way_to_merge_lands_goes_back_with_what_the_gate_said_of_the_best() -> None:
    driver = run(1).queue(1)
    driver.conflict(CONFLICT, 2)
    driver.go(red("w-1"), red("w-2"))
    asked = driver.last(ev.RepairIntended)
    assert asked.feedback.startswith(
        "does not merge cleanly with main: a.py; 2 ways to merge it by rule do not pass"
    )
    assert asked.feedback.endswith("<<<<<<<\n\n--- the gate on the best of them\nw-1 is red")


def test_a_way_without_a_verdict_is_nothing_that_its_agent_could_mend() -> None:
    driver = run(1).queue(1)
    driver.conflict(CONFLICT, 1)
    driver.go(verdict("w-1", GateResult.NONE))
    assert driver.at(1) is IssueState.PARKED


# --- whose text an agent is told


def beside(*files: str) -> Driver:
    """Two have landed while the third worked, which does not land."""
    driver = run(1, 2, 3, max_agents=3, gate_slots=4).land(1).land(2).queue(3)
    driver.compose(ev.MergeConflict(3, files, "<<<<<<<"))
    return driver


@pytest.mark.parametrize(
    ("files", "told"), [(("a.py",), (1, 2)), (("b.py",), ()), ((), (1, 2))], ids=["same", "other", "red"]
)
def test_those_are_told_that_landed_since_it_began_and_changed_what_conflicts(
    files: tuple[str, ...], told: tuple[int, ...]
) -> None:
    driver = beside(*files)
    record = driver.state.issues[3]
    assert record.returned is not None
    assert others(driver.state, record, record.returned) == told
    assert others(driver.state, replace(record, attempt=None), record.returned) == ()
