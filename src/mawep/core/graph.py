"""Issues to a dependency graph: stable order, waves, remaining paths, cycles named in full."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mawep.core.model import Issue, Number

UNKNOWN_HOURS = 1.0
"""Weight of an issue of which nobody has made an estimate. It orders work; it is never shown."""


class CycleError(ValueError):
    """The dependencies go round in a circle; `path` starts and ends with the same issue."""

    def __init__(self, path: tuple[Number, ...]) -> None:
        self.path = path
        super().__init__(" → ".join(str(number) for number in path))


class UnknownDependencyError(ValueError):
    """An issue waits for one that is not in the set."""

    def __init__(self, issue: Number, on: Number) -> None:
        self.issue = issue
        self.on = on
        super().__init__(f"#{issue} depends on #{on}, which is not in the set")


@dataclass(frozen=True, slots=True)
class Graph:
    """The dependency graph of a run.

    `order` is a topological order, stable for the same issues. `rank` is the position of an issue in
    schedule order (see `mawep.core.schedule`). `remaining` is the weight in hours of the longest path that
    starts with the issue. `wave` counts the dependencies on the longest path that ends in it.
    """

    issues: Mapping[Number, Issue]
    dependencies: Mapping[Number, tuple[Number, ...]]
    dependents: Mapping[Number, tuple[Number, ...]]
    order: tuple[Number, ...]
    remaining: Mapping[Number, float]
    wave: Mapping[Number, int]
    rank: Mapping[Number, int]
    by_rank: tuple[Number, ...]

    def critical_path(self) -> tuple[Number, ...]:
        """The heaviest chain of dependencies, first issue first; of equals the one scheduled first."""
        if not self.order:
            return ()
        number = min(self.order, key=lambda n: (-self.remaining[n], self.rank[n]))
        path = [number]
        while self.dependents[number]:
            number = min(self.dependents[number], key=lambda n: (-self.remaining[n], self.rank[n]))
            path.append(number)
        return tuple(path)

    def waves(self) -> tuple[tuple[Number, ...], ...]:
        """Issues grouped by how many landings must come before them, each group in schedule order."""
        groups: list[list[Number]] = [[] for _ in range(1 + max(self.wave.values(), default=-1))]
        for number in self.by_rank:
            groups[self.wave[number]].append(number)
        return tuple(tuple(group) for group in groups)

    def below(self, number: Number) -> tuple[Number, ...]:
        """Every issue that waits for `number`, directly or not, in topological order of discovery."""
        seen: dict[Number, None] = {}
        stack = [number]
        while stack:
            for dependent in self.dependents[stack.pop()]:
                if dependent not in seen:
                    seen[dependent] = None
                    stack.append(dependent)
        return tuple(seen)


def hours(issue: Issue) -> float:
    """The weight of one issue in hours: what its author says, else what was estimated before the run.

    An estimate can be wrong by far, which is safe: whatever the weights are, an issue waits for what it depends on, and
    no slot stays free while an issue could start, so that a run takes less than twice the shortest possible time
    (Graham's bound, which holds for any order of work; files that exclude each other aside). Better weights only bring
    it nearer to that. They are a part of the issue and so of the journal: a replay gives the same order.
    """
    if issue.estimate_hours is not None:
        return issue.estimate_hours
    return issue.estimate.hours.middle if issue.estimate else UNKNOWN_HOURS


def build(issues: Iterable[Issue]) -> Graph:
    """Build the graph of a set of issues.

    Raises:
        UnknownDependencyError: an issue depends on one that is not in the set.
        CycleError: the dependencies go round in a circle.
    """
    by_number = {issue.number: issue for issue in issues}
    dependencies = {n: _numbers(issue) for n, issue in by_number.items()}
    dependents: dict[Number, list[Number]] = {n: [] for n in by_number}
    for number, needed in dependencies.items():
        for on in needed:
            if on not in by_number:
                raise UnknownDependencyError(number, on)
            dependents[on].append(number)
    upwards = _topological(by_number, dependencies, dependents)
    remaining = _remaining(by_number, dependents, upwards)
    by_rank = tuple(sorted(by_number, key=lambda n: _schedule_key(by_number[n], remaining[n])))
    rank = {number: position for position, number in enumerate(by_rank)}
    return Graph(
        issues=by_number,
        dependencies=dependencies,
        dependents={n: tuple(sorted(found)) for n, found in dependents.items()},
        order=_stable_order(rank, dependencies, dependents),
        remaining=remaining,
        wave=_waves(dependencies, upwards),
        rank=rank,
        by_rank=by_rank,
    )


def with_issue(plan: Graph, issue: Issue) -> Graph:
    """The plan when one of its issues reads otherwise: what `build` makes of all of them.

    Raises:
        UnknownDependencyError, CycleError: as `build` does.
    """
    before, issues = plan.issues[issue.number], {**plan.issues, issue.number: issue}
    if _numbers(before) == _numbers(issue) and _own_key(before) == _own_key(issue):
        return replace(plan, issues=issues)
    return build(issues.values())


def way(plan: Graph, start: Number, to: Number) -> tuple[Number, ...]:
    """The shortest way from one issue to another along what each waits for; nothing when there is none."""
    came_from: dict[Number, Number] = {start: start}
    ahead = [start]
    for number in ahead:  # grows while we walk it
        if number == to:
            path = [to]
            while path[-1] != start:
                path.append(came_from[path[-1]])
            return tuple(reversed(path))
        for on in plan.dependencies[number]:
            if on not in came_from:
                came_from[on] = number
                ahead.append(on)
    return ()


def _own_key(issue: Issue) -> tuple[int, float, str | None]:
    return int(issue.priority), hours(issue), issue.created_at


def _numbers(issue: Issue) -> tuple[Number, ...]:
    return tuple(dict.fromkeys(dep.on for dep in issue.depends_on if dep.on != issue.number))


def _schedule_key(issue: Issue, remaining: float) -> tuple[int, float, str, Number]:
    """The order of work, as four numbered comparisons.

    Overlap with running work is not among them: it changes as the run goes on; the scheduler looks at it.
    """
    return (
        int(issue.priority),  # 1. declared priority class
        -remaining,  # 2. unblocks the longest remaining path
        issue.created_at or "",  # 3. age (RFC 3339 sorts as text)
        issue.number,  # 4. number
    )


def _topological(
    by_number: Mapping[Number, Issue],
    dependencies: Mapping[Number, tuple[Number, ...]],
    dependents: Mapping[Number, list[Number]],
) -> list[Number]:
    unmet = {n: len(needed) for n, needed in dependencies.items()}
    ready = [n for n in by_number if not unmet[n]]
    for number in ready:  # grows while we walk it
        for dependent in dependents[number]:
            unmet[dependent] -= 1
            if not unmet[dependent]:
                ready.append(dependent)
    if len(ready) < len(by_number):
        raise CycleError(_find_cycle(dependencies, {n for n, count in unmet.items() if count}))
    return ready


def _find_cycle(dependencies: Mapping[Number, tuple[Number, ...]], among: set[Number]) -> tuple[Number, ...]:
    """Follow dependencies inside `among` (each has one there) until an issue comes round again."""
    number = min(among)
    position: dict[Number, int] = {}
    path: list[Number] = []
    while number not in position:
        position[number] = len(path)
        path.append(number)
        number = min(on for on in dependencies[number] if on in among)
    cycle = path[position[number] :]
    start = cycle.index(min(cycle))
    cycle = cycle[start:] + cycle[:start]
    return (*cycle, cycle[0])


def _remaining(
    by_number: Mapping[Number, Issue], dependents: Mapping[Number, list[Number]], upwards: list[Number]
) -> dict[Number, float]:
    remaining: dict[Number, float] = {}
    for number in reversed(upwards):
        longest = max((remaining[d] for d in dependents[number]), default=0.0)
        remaining[number] = hours(by_number[number]) + longest
    return remaining


def _waves(dependencies: Mapping[Number, tuple[Number, ...]], upwards: list[Number]) -> dict[Number, int]:
    wave: dict[Number, int] = {}
    for number in upwards:
        wave[number] = 1 + max((wave[on] for on in dependencies[number]), default=-1)
    return wave


def _stable_order(
    rank: Mapping[Number, int],
    dependencies: Mapping[Number, tuple[Number, ...]],
    dependents: Mapping[Number, list[Number]],
) -> tuple[Number, ...]:
    """Topological order that among the possible next ones always takes the one scheduled first."""
    unmet = {n: len(needed) for n, needed in dependencies.items()}
    heap = [(rank[n], n) for n, count in unmet.items() if not count]
    heapq.heapify(heap)
    order: list[Number] = []
    while heap:
        _, number = heapq.heappop(heap)
        order.append(number)
        for dependent in dependents[number]:
            unmet[dependent] -= 1
            if not unmet[dependent]:
                heapq.heappush(heap, (rank[dependent], dependent))
    return tuple(order)
