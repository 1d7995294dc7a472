"""What events about broken work make of the state."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core.lifecycle.steps import done, put
from mawep.core.state import State, replace


def sought(state: State, rec: ev.Recorded, event: ev.BreaksSought) -> State:
    for number in event.issues:
        record = state.issues[number]
        if record.attempt is not None:
            state = put(state, replace(record, attempt=replace(record.attempt, seen=event.new)))
    return replace(state, effects=state.effects.set(_key(event), rec))


def found(state: State, rec: ev.Recorded, event: ev.BreaksFound) -> State:
    """An attempt that has ended meanwhile is told nothing, nor is the one after it, which began with what was found."""
    state = done(state, _key(event))
    live = {number: state.issues[number].attempt for number in state.active}
    told = tuple(
        (event.new, one)
        for one in event.found
        if (attempt := live.get(one.issue)) is not None and attempt.number == one.attempt
    )
    return replace(state, broken=(*state.broken, *told))


def _key(event: ev.BreaksSought | ev.BreaksFound) -> str:
    return f"breaks:{event.old}..{event.new}"
