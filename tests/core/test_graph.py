"""Issues to a plan: order, waves, remaining hours, cycles named in full."""

from __future__ import annotations

import pytest

from mawep.core import graph
from mawep.core.model import Dependency, Issue, Priority
from tests.core.driver import issue

SPRINT = (issue(101), issue(102, 101), issue(103, 101), issue(104, 101), issue(105, 104))


def test_the_payment_sprint_has_three_waves() -> None:
    plan = graph.build(SPRINT)
    assert plan.waves() == ((101,), (104, 102, 103), (105,))
    assert plan.order == (101, 104, 102, 103, 105)
    assert plan.critical_path() == (101, 104, 105)
    assert plan.below(101) == (102, 103, 104, 105)
    assert plan.below(105) == ()


def test_the_way_from_one_issue_to_another_is_the_shortest() -> None:
    plan = graph.build([issue(1), issue(2, 1), issue(3, 1), issue(4, 2, 3), issue(5)])
    assert graph.way(plan, 4, 1) == (4, 2, 1)
    assert graph.way(plan, 1, 1) == (1,)
    assert graph.way(plan, 4, 5) == ()


def test_what_waits_twice_for_an_issue_is_below_it_once() -> None:
    assert graph.build([issue(1), issue(2, 1), issue(3, 1), issue(4, 2, 3)]).below(1) == (2, 3, 4)


def test_no_issues_make_an_empty_plan() -> None:
    plan = graph.build(())
    assert (plan.order, plan.waves(), plan.critical_path()) == ((), (), ())


def test_the_heavier_chain_is_the_critical_path() -> None:
    plan = graph.build([issue(1, hours=1), issue(2, 1, hours=1), issue(3, hours=5), issue(4, 2, 3, hours=1)])
    assert plan.critical_path() == (3, 4)
    assert plan.remaining == {1: 3, 2: 2, 3: 6, 4: 1}


def test_an_issue_without_an_estimate_weighs_one_hour() -> None:
    assert graph.hours(issue(1)) == graph.UNKNOWN_HOURS == 1
    assert graph.hours(issue(1, hours=0.0)) == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Issue(2, "", priority=Priority.HIGH), Issue(1, "", estimate_hours=9)),
        (Issue(2, "", estimate_hours=2), Issue(1, "", estimate_hours=1, created_at="2020-01-01")),
        (Issue(2, "", created_at="2020-01-01"), Issue(1, "", created_at="2021-01-01")),
        (Issue(1, ""), Issue(2, "")),
    ],
    ids=["priority", "longest remaining path", "age", "number"],
)
def test_the_order_of_work_is_one_numbered_comparison(first: Issue, second: Issue) -> None:
    assert graph.build([second, first]).by_rank == (first.number, second.number)


def test_a_dependency_named_twice_or_on_itself_counts_once_or_not() -> None:
    plan = graph.build(
        [issue(1), Issue(2, "", depends_on=(Dependency(1), Dependency(1, "body"), Dependency(2)))]
    )
    assert plan.dependencies[2] == (1,)
    assert plan.dependents[1] == (2,)


def test_an_unknown_dependency_is_named() -> None:
    with pytest.raises(graph.UnknownDependencyError, match="#2 depends on #7, which is not in the set") as e:
        graph.build([issue(2, 7)])
    assert (e.value.issue, e.value.on) == (2, 7)


@pytest.mark.parametrize(
    ("issues", "path"),
    [
        ([issue(101, 105), issue(104, 101), issue(105, 104)], "101 → 105 → 104 → 101"),
        ([issue(1), issue(2, 1, 3), issue(3, 2)], "2 → 3 → 2"),
        ([issue(5, 9), issue(9, 8), issue(8, 9)], "8 → 9 → 8"),
    ],
)
def test_a_cycle_is_named_in_its_full_path(issues: list[Issue], path: str) -> None:
    with pytest.raises(graph.CycleError) as error:
        graph.build(issues)
    assert str(error.value) == path
    assert error.value.path[0] == error.value.path[-1] == min(error.value.path)
