"""Any set of issues: a stable plan that respects every edge, or a cycle that is really there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mawep.core import graph
from mawep.core.model import Dependency, Issue, Number, Priority

NUMBERS = st.integers(1, 8)


def make(edges: set[tuple[int, int]], priorities: Mapping[int, Priority]) -> list[Issue]:
    return [
        Issue(
            number,
            "",
            priority=priorities.get(number, Priority.NORMAL),
            depends_on=tuple(Dependency(on) for at, on in sorted(edges) if at == number),
        )
        for number in range(1, 9)
    ]


def has_cycle(edges: set[tuple[int, int]]) -> bool:
    left = {number: {on for at, on in edges if at == number and on != at} for number in range(1, 9)}
    while free := [number for number, needed in left.items() if not needed]:
        left = {number: needed - set(free) for number, needed in left.items() if number not in free}
    return bool(left)


@given(
    edges=st.sets(st.tuples(NUMBERS, NUMBERS), max_size=14),
    priorities=st.dictionaries(NUMBERS, st.sampled_from(Priority)),
    shuffle=st.randoms(),
)
def test_a_plan_or_a_cycle(
    edges: set[tuple[int, int]], priorities: dict[int, Priority], shuffle: Random
) -> None:
    issues = make(edges, priorities)
    try:
        plan = graph.build(issues)
    except graph.CycleError as error:
        assert has_cycle(edges)
        assert all((at, on) in edges for at, on in zip(error.path, error.path[1:], strict=False))
        assert error.path[0] == error.path[-1]
        return
    assert not has_cycle(edges)
    place = {number: position for position, number in enumerate(plan.order)}
    assert sorted(place) == list(range(1, 9))
    for number, needed in plan.dependencies.items():
        assert all(place[on] < place[number] and plan.wave[on] < plan.wave[number] for on in needed)
        assert plan.wave[number] == 1 + max((plan.wave[on] for on in needed), default=-1)
        assert all(number in plan.dependents[on] for on in needed)
    assert max(plan.remaining.values()) == sum(graph.hours(plan.issues[n]) for n in plan.critical_path())
    shuffle.shuffle(issues)
    assert graph.build(issues).order == plan.order


@given(edges=st.sets(st.tuples(NUMBERS, NUMBERS), max_size=14))
def test_below_is_everything_that_waits(edges: set[tuple[int, int]]) -> None:
    downhill = {(at, on) for at, on in edges if at > on}
    plan = graph.build(make(downhill, {}))

    def waits(number: Number, on: Number) -> bool:
        return any(needed == on or waits(needed, on) for at, needed in downhill if at == number)

    for number in plan.order:
        assert set(plan.below(number)) == {other for other in plan.order if waits(other, number)}


@given(
    edges=st.sets(st.tuples(NUMBERS, NUMBERS), max_size=10),
    number=NUMBERS,
    on=st.sets(NUMBERS, max_size=3),
    priority=st.sampled_from(Priority),
    hours=st.sampled_from((None, 1.0, 4.0)),
)
def test_a_plan_with_another_issue_is_the_plan_of_all_of_them(
    edges: set[tuple[int, int]], number: int, on: set[int], priority: Priority, hours: float | None
) -> None:
    plan = graph.build(make({(at, on) for at, on in edges if at > on}, {}))
    depends_on = tuple(Dependency(other) for other in sorted(on))
    other = Issue(number, "new", priority=priority, estimate_hours=hours, depends_on=depends_on)
    issues = [other if issue.number == number else issue for issue in plan.issues.values()]
    try:
        wanted = graph.build(issues)
    except graph.CycleError:
        assert any(graph.way(plan, needed, number) for needed in on - {number})
        return
    assert graph.with_issue(plan, other) == wanted
    assert all(not graph.way(plan, needed, number) for needed in set(wanted.dependencies[number]) - {number})


@given(edges=st.sets(st.tuples(NUMBERS, NUMBERS), max_size=14), start=NUMBERS, to=NUMBERS)
def test_a_way_is_there_when_one_issue_waits_for_the_other(
    edges: set[tuple[int, int]], start: int, to: int
) -> None:
    plan = graph.build(make({(at, on) for at, on in edges if at > on}, {}))
    way = graph.way(plan, start, to)
    assert bool(way) == (start == to or start in plan.below(to))
    assert all(b in plan.dependencies[a] for a, b in pairwise(way))
