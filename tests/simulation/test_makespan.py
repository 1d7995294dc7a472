"""How long a plan takes with so many agents."""

from __future__ import annotations

import pytest

from mawep.core.graph import CycleError, UnknownDependencyError
from mawep.core.model import Issue, Rules
from mawep.simulate import Makespan, makespans
from tests.core.driver import issue

CHAIN = [issue(1, hours=2), issue(2, 1, hours=2), issue(3, 2, hours=2)]
APART = [issue(number, hours=1.5) for number in range(1, 9)]


def tries(issues: list[Issue], *agents: int, gate_minutes: float = 0, seeds: int = 20) -> list[Makespan]:
    return makespans(issues, Rules(), agents or (1,), gate_minutes=gate_minutes, seeds=seeds)


def test_a_chain_is_no_faster_with_more_agents() -> None:
    one, four = tries(CHAIN, 1, 4)
    assert one.p50_hours == four.p50_hours
    assert one.lower_bound_hours == four.lower_bound_hours == 6
    assert four.utilization == pytest.approx(one.utilization / 4)


def test_independent_issues_are_faster_with_more_agents() -> None:
    found = tries(APART, 1, 2, 4, 8)
    assert [span.lower_bound_hours for span in found] == [12, 6, 3, 1.5]
    p50 = [span.p50_hours for span in found]
    assert p50 == sorted(p50, reverse=True)
    for span in found:
        assert span.lower_bound_hours <= span.p50_hours <= span.p90_hours
        assert 0 < span.utilization <= 1


def test_the_gate_takes_its_time() -> None:
    (without,) = tries([issue(1, hours=1)])
    (with_gate,) = tries([issue(1, hours=1)], gate_minutes=30)
    assert with_gate.p50_hours == pytest.approx(without.p50_hours + 0.5)


def test_issues_that_declare_one_path_wait_for_each_other() -> None:
    shared = [issue(n, hours=1, files=("a.py",)) for n in (1, 2)]
    (span,) = tries(shared, 2)
    assert span.p50_hours >= 2 > span.lower_bound_hours


def test_an_issue_without_an_estimate_is_named_and_counts_one_hour() -> None:
    (span,) = tries([issue(1, hours=3), issue(2), issue(3)])
    assert span.unknown == (2, 3)
    assert span.lower_bound_hours == 5


def test_the_same_question_has_the_same_answer() -> None:
    assert tries(APART, 3) == tries(APART, 3)
    assert tries(APART, 3, seeds=1) != tries(APART, 3, seeds=2)


def test_no_issues_take_no_time() -> None:
    assert tries([], 2) == [Makespan(2, 0, 0, 0, 0, ())]


def test_a_plan_that_cannot_be_is_refused() -> None:
    with pytest.raises(CycleError):
        tries([issue(1, 2), issue(2, 1)])
    with pytest.raises(UnknownDependencyError):
        tries([issue(1, 2)])


def test_rules_of_the_run_hold() -> None:
    (span,) = makespans(APART, Rules(max_agents=1), [8], gate_minutes=0, seeds=1)
    assert span.p50_hours < 12, "the number of agents that is asked for counts"
