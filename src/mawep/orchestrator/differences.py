"""What changed on the tracker, as events: a pure comparison of what a run knows with what was read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from mawep.core import events as ev
from mawep.core import news
from mawep.core.engine import evolve
from mawep.core.model import Dependency, Issue, IssueState, Number, Priority
from mawep.core.outside import DONE
from mawep.core.state import IssueRecord, State
from mawep.trackers.signs import priority_of

Making = Callable[[State], Iterable[ev.AnyEvent]]

CLOSED = "closed on the tracker"
_GOES_ITS_WAY = frozenset({IssueState.LANDED, IssueState.CANCELLED, IssueState.REVERTED})


@dataclass(frozen=True)
class Seen:
    """An issue of the run as the tracker shows it now.

    `issue.depends_on` is everything that it waits for there. `open_outside` are those of them that are open and not
    in the run, `problems` are what is wrong with its text, in words. `trusted`: its text may reach an agent.
    `our_labels` are those that MAWEP itself puts on issues.
    """

    issue: Issue
    closed: bool = False
    closed_by: str | None = None
    reason: str | None = None
    trusted: bool = True
    open_outside: frozenset[Number] = frozenset()
    problems: tuple[str, ...] = ()
    our_labels: frozenset[str] = frozenset()


def together(state: State, now: datetime, makings: Iterable[Making]) -> list[ev.AnyEvent]:
    """The events of all of these, each made from the state that those before it lead to."""
    events: list[ev.AnyEvent] = []
    for making in makings:
        for event in making(state):
            events.append(event)
            state = evolve(state, ev.Recorded(state.seq + 1, now, event))
    return events


def differences(state: State, old: Seen | None, new: Seen) -> Iterator[Making]:
    """What follows from how an issue reads now; `old` is how it read when this process saw it last."""
    number = new.issue.number
    if number not in state.issues:
        return
    if new.closed:
        yield lambda state: _closed(state, old, new)
        return
    yield lambda state: _reopened(state, old, new)
    yield lambda state: _edited(state, old, new)
    for edge in new.issue.depends_on:
        if edge.on in state.issues or edge.on in new.open_outside:
            yield _waiting(number, edge)
    yield lambda state: _taken_away(state, new)
    yield lambda state: _unclear(state, new)


def outside_closed(state: State, on: Number) -> list[ev.AnyEvent]:
    """An issue that is not of the run was closed: nothing waits for it any more."""
    return [
        ev.DependencyRemoved(number, on, f"#{on} is closed")
        for number, edges in state.outside.blockers.items()
        if any(edge.on == on for edge in edges)
    ]


def closed_outside(record: IssueRecord) -> bool:
    """True when the issue was cancelled because it was closed on the tracker."""
    return (record.cancelled_by or "").startswith((CLOSED, DONE))


def met(state: State, number: Number) -> bool:
    """True when an issue of the run counts as done for those who wait for it, although the run did not land it."""
    return (state.issues[number].cancelled_by or "").startswith(DONE)


def lands_by_itself(record: IssueRecord, new: Seen) -> bool:
    """True when what the agent made may be what closed the issue: it is landing, or its pull request was merged."""
    return record.state is IssueState.LANDING or (record.pull is not None and new.reason != "not_planned")


def _closed_for_what_landed(record: IssueRecord, old: Seen | None) -> bool:
    """True when it may be closed for a landing that is taken back: it is open again soon, if it was closed for that."""
    if record.reverts:
        return True
    return record.taken_back is not None and (old is None or old.closed)


def _waiting(number: Number, edge: Dependency) -> Making:
    def make(state: State) -> list[ev.AnyEvent]:
        if edge.on in state.issues and met(state, edge.on):
            return []
        return news.dependency(state, number, edge.on, edge.source)

    return make


def _unclear(state: State, new: Seen) -> Iterator[ev.AnyEvent]:
    if new.problems != state.outside.unclear.get(new.issue.number, ()):
        yield ev.IssueUnclear(new.issue.number, new.problems)


def _closed(state: State, old: Seen | None, new: Seen) -> Iterator[ev.AnyEvent]:
    """What has ended or is landing goes its way; anything else is not wanted any more."""
    number = new.issue.number
    record = state.issues[number]
    if record.cancelled_by is not None or record.state in _GOES_ITS_WAY:
        return
    if lands_by_itself(record, new) or _closed_for_what_landed(record, old):
        return
    by = f" by {new.closed_by}" if new.closed_by else ""
    completed = new.reason != "not_planned"
    yield ev.IssueCancelled(number, f"{DONE if completed else CLOSED}{by}")
    for dependent in state.graph.dependents[number] if completed else ():
        yield ev.DependencyRemoved(dependent, number, f"#{number} was closed as completed")


def _reopened(state: State, old: Seen | None, new: Seen) -> Iterator[ev.AnyEvent]:
    number = new.issue.number
    was_closed = closed_outside(state.issues[number]) if old is None else old.closed
    if was_closed and state.issues[number].state is IssueState.CANCELLED:
        how = f"`mawep retry {number}` or the comment `/mawep retry` starts it again"
        yield ev.IssueNoticed(number, f"was reopened on the tracker; {how}")


def _edited(state: State, old: Seen | None, new: Seen) -> Iterator[ev.AnyEvent]:
    number = new.issue.number
    known = state.outside.edited.get(number, state.graph.issues[number])
    if _read_by_people(known, new) == _read_by_people(new.issue, new):
        return
    if new.trusted:
        yield ev.IssueEdited(number, _over(known, new.issue))
    elif old is None or _read_by_people(old.issue, new) != _read_by_people(new.issue, new):
        what = "was edited by somebody who is not trusted; agents go on with the text as it was"
        yield ev.IssueNoticed(number, what)


def _read_by_people(issue: Issue, new: Seen) -> tuple[str, str, frozenset[str]]:
    """Everything else of an issue follows from this."""
    labels = frozenset(label for label in issue.labels if label.lower() not in new.our_labels)
    return issue.title, issue.body, labels


def _over(known: Issue, now: Issue) -> Issue:
    """What the new text does not say stays as it was planned, and so does what agents are shown of the conversation."""
    by_field = known.priority is not priority_of(known.labels)
    hours = now.estimate_hours if now.estimate_hours is not None else known.estimate_hours
    return msgspec.structs.replace(
        now,
        depends_on=known.depends_on,
        priority=known.priority if by_field and now.priority is Priority.NORMAL else now.priority,
        estimate_hours=hours,
        estimate=known.estimate,
        predicted=known.predicted,
        remarks=known.remarks,
        runtime=now.runtime or known.runtime,
        part_of=known.part_of,
    )


def _taken_away(state: State, new: Seen) -> Iterator[ev.AnyEvent]:
    number = new.issue.number
    there = {edge.on for edge in new.issue.depends_on}
    outside = [edge.on for edge in state.outside.blockers.get(number, ())]
    late = [conflict.on for conflict in state.outside.refused if conflict.issue == number]
    for on in (*state.graph.dependencies[number], *outside, *late):
        if on not in there:
            yield ev.DependencyRemoved(number, on, "taken away on the tracker")
        elif on in outside and on not in new.open_outside:
            yield ev.DependencyRemoved(number, on, f"#{on} is closed")


def worth_reading(numbers: Collection[Number], state: State) -> frozenset[Number]:
    """Those of these issues that the run works on, or that it waits for."""
    waited_for = {edge.on for edges in state.outside.blockers.values() for edge in edges}
    return frozenset(n for n in numbers if n in state.issues or n in waited_for)
