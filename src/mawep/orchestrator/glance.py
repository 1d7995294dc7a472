"""How issues of a run read on their forge now: their texts, and what they wait for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from mawep.core.model import Dependency, Issue, Number
from mawep.core.state import State
from mawep.orchestrator.differences import Seen
from mawep.trackers.base import Forge, ForgeIssue, Query
from mawep.trackers.forge_reading import NATIVE, PART, ForgeReading
from mawep.trackers.found import Outside

MOST_LEVELS = 5
"""So deep are sub-issues followed of an issue that the run waits for and does not work on."""
OPEN = (Outside.OPEN, Outside.PULL)


async def glance(
    forge: Forge,
    issues: Sequence[ForgeIssue],
    state: State,
    *,
    trust: Collection[str],
    our_labels: Collection[str] = (),
) -> dict[Number, Seen]:
    """Read them, in a few requests however many they are.

    Raises:
        ForgeError: it cannot be read.
    """
    seen = {issue.number: await _closed(forge, issue) for issue in issues if issue.state != "open"}
    there = [issue for issue in issues if issue.state == "open"]
    if not there:
        return seen
    near = {edge.on.repository for issue in state.graph.issues.values() for edge in issue.far}
    reading = ForgeReading(forge, near)
    await reading.follow(there, with_dependencies=False)
    await _follow_parents(forge, reading, state)
    read = {issue.number: issue for issue in reading.issues()}
    beyond = reading.beyond()
    parents = reading.parents() - set(state.issues)
    problems = reading.problems()
    for issue in there:
        number = issue.number
        edges = {edge.on: edge for edge in _unfolded(number, read, parents)}
        for known in state.graph.issues[number].depends_on if reading.notes else ():
            if (
                NATIVE in known.source or PART in known.source
            ):  # the forge does not say, so nothing is taken away
                edges.setdefault(known.on, known)
        outside = frozenset(
            on for on in edges if on not in state.issues and (on in read or beyond.get(on) in OPEN)
        )
        seen[number] = Seen(
            msgspec.structs.replace(read[number], depends_on=tuple(edges.values())),
            trusted=issue.association.upper() in trust,
            open_outside=outside,
            problems=problems.get(number, ()),
            our_labels=frozenset(label.lower() for label in our_labels),
        )
    return seen


async def _closed(forge: Forge, issue: ForgeIssue) -> Seen:
    """Lists do not say who closed an issue."""
    by = issue.closed_by or (await forge.issue(issue.number)).closed_by
    return Seen(Issue(issue.number, issue.title), True, by, issue.state_reason)


async def _follow_parents(forge: Forge, reading: ForgeReading, state: State) -> None:
    """An issue that has only sub-issues to do is done when those are: they are waited for in its stead."""
    tried: set[Number] = set()
    for _ in range(MOST_LEVELS):
        beyond = reading.beyond()
        named = {edge.on for issue in reading.issues() for edge in issue.depends_on}
        strange = {n for n in named if n not in state.issues and beyond.get(n) is Outside.OPEN} - tried
        if not strange:
            return
        tried |= strange
        found = await forge.issues(Query(numbers=tuple(sorted(strange))))
        parts = [issue for issue in found if issue.sub_issues_total]
        await reading.follow(parts, with_dependencies=False)


def _unfolded(
    number: Number, read: Mapping[Number, Issue], parents: Collection[Number]
) -> Iterator[Dependency]:
    done = {number}
    ahead: list[Dependency] = list(read[number].depends_on)
    while ahead:
        edge = ahead.pop(0)
        if edge.on in done:
            continue
        done.add(edge.on)
        if edge.on in parents:
            ahead += [Dependency(below.on, edge.source) for below in _parts(read[edge.on].depends_on)]
        else:
            yield edge


def _parts(edges: Iterable[Dependency]) -> Iterator[Dependency]:
    return (edge for edge in edges if PART in edge.source)
