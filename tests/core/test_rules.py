"""The safety rules, one table each. That runs depend on them is shown by tests/simulation/test_rules_matter.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from mawep.core import rules
from mawep.core.claims import ClaimTable
from mawep.core.model import GateRecord, GateResult, IssueState
from mawep.core.state import IssueRecord, Landing
from tests.core.driver import START, Driver, issue


def test_dependencies_landed() -> None:
    run = Driver(issue(1), issue(2), issue(3, 1, 2))
    found = [rules.dependencies_landed(run.state, 3)]
    run.land(1)
    found.append(rules.dependencies_landed(run.state, 3))
    run.land(2)
    found.append(rules.dependencies_landed(run.state, 3))
    assert found == [False, False, True]


def test_fence_is_current() -> None:
    attempt = Driver(issue(1)).attempt(1)
    assert rules.fence_is_current(attempt, attempt.fence)
    assert not rules.fence_is_current(attempt, attempt.fence - 1)
    assert not rules.fence_is_current(attempt, attempt.fence + 1)


def test_claims_are_free() -> None:
    table = ClaimTable().take(1, ("src",), START + timedelta(seconds=1))
    assert not rules.claims_are_free(table, ("src/a.py",), 2, START)
    assert rules.claims_are_free(table, ("src/a.py",), 1, START)
    assert rules.claims_are_free(table, ("src/a.py",), 2, START + timedelta(seconds=1))
    assert rules.claims_are_free(table, (), 2, START)


def test_slot_is_free() -> None:
    state = Driver(issue(1)).state
    assert [rules.slot_is_free(state, slot) for slot in range(2)] == [False, True]


def test_lease_holds() -> None:
    attempt = Driver(issue(1)).attempt(1)
    assert rules.lease_holds(attempt, attempt.lease_until - timedelta(microseconds=1))
    assert not rules.lease_holds(attempt, attempt.lease_until)


@pytest.mark.parametrize("rule", [rules.candidate_may_queue, rules.tree_may_land])
@pytest.mark.parametrize("result", GateResult)
def test_only_green_passes(rule: Callable[[GateRecord], bool], result: GateResult) -> None:
    assert rule(GateRecord("key", "tree", result, (), 1.0, "log")) is (result is GateResult.GREEN)


def test_target_is_unmoved() -> None:
    state = Driver(issue(1)).state
    assert rules.target_is_unmoved(state, "target-0")
    assert not rules.target_is_unmoved(state, "target-1")


def test_batch_is_free() -> None:
    assert rules.batch_is_free(None)
    assert not rules.batch_is_free(Landing("target-0", (1,)))


@pytest.mark.parametrize("state", IssueState)
def test_not_landed_yet_and_failure_blocks(state: IssueState) -> None:
    assert rules.not_landed_yet(IssueRecord(1, state)) is (state is not IssueState.LANDED)
    assert rules.failure_blocks(state) is (state.terminal and state is not IssueState.LANDED)


def test_input_is_overdue() -> None:
    assert rules.input_is_overdue(START, 60, START + timedelta(seconds=60))
    assert not rules.input_is_overdue(START, 60, START + timedelta(seconds=59))
