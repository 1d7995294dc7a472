"""What news of the outside mean for a run as it stands: which events, and why a new dependency cannot be had.

A dependency counts for an issue that is not at work. Nothing that runs is torn down for one: it is refused, which
people are shown, and counts as soon as the issue waits again.
"""

from __future__ import annotations

from collections.abc import Iterator

from mawep.core import events as ev
from mawep.core import graph
from mawep.core.model import IssueState, Number
from mawep.core.outside import EDITED, edit_id, shown
from mawep.core.state import IssueRecord, State

WAITS = frozenset({IssueState.WAITING, IssueState.READY, IssueState.BLOCKED})


def takes_edges(record: IssueRecord) -> bool:
    """True while a new dependency of the issue can still be waited for."""
    return record.state in WAITS


def known_edge(state: State, number: Number, on: Number) -> bool:
    """True when the issue waits for the other one, or did until that landed."""
    outside = (dependency.on for dependency in state.outside.blockers.get(number, ()))
    return on in state.graph.dependencies[number] or on in outside


def circle(state: State, number: Number, on: Number) -> tuple[Number, ...]:
    """The circle that a dependency would close, or nothing."""
    if on not in state.issues:
        return ()
    way = graph.way(state.graph, on, number)
    return (number, *way) if way else ()


def dependency(state: State, number: Number, on: Number, source: str) -> list[ev.AnyEvent]:
    """What follows when the tracker says that an issue of the run waits for `on`.

    An `on` that is not in the run is taken to be open: who asks knows that.
    """
    if number not in state.issues or on == number or known_edge(state, number, on):
        return []
    if any((conflict.issue, conflict.on) == (number, on) for conflict in state.outside.refused):
        return []
    if on in state.issues and state.issues[on].state is IssueState.LANDED:
        return []
    why = _at_odds(state, number, on)
    if why:
        return [ev.DependencyRefused(number, on, source, why)]
    return [ev.DependencyAdded(number, on, source)]


def _at_odds(state: State, number: Number, on: Number) -> str:
    record = state.issues[number]
    if way := circle(state, number, on):
        return f"these issues would wait for each other: {' → '.join(map(str, way))}"
    if record.state is IssueState.LANDED:
        return f"#{number} has landed already"
    if record.active:
        return f"#{number} is at work already ({record.state}) and goes on without waiting for #{on}"
    if not takes_edges(record):
        return f"#{number} is {record.state}; when it is tried again it waits for #{on} first"
    return ""


def decided(state: State) -> Iterator[ev.IssueEdited | ev.DependencyAdded | ev.MessageSent]:
    """What could not be taken in while an issue was at work, and now can; and what agents have to be told."""
    outside = state.outside
    for number, issue in outside.edited.items():
        record = state.issues[number]
        if not record.active and record.state is not IssueState.LANDED:
            yield ev.IssueEdited(number, issue)
    for conflict in outside.refused:
        if takes_edges(state.issues[conflict.issue]) and not circle(state, conflict.issue, conflict.on):
            yield ev.DependencyAdded(conflict.issue, conflict.on, conflict.source)
            return  # another one may close a circle with it
    for seq, number in outside.untold:
        if state.issues[number].state.holds_slot:
            text = shown(outside.edited[number])
            yield ev.MessageSent(number, edit_id(seq), text, "the tracker", foreign=True, lead=EDITED)
