"""What news of other repositories make of the state."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core.far import FarRecord, awaited
from mawep.core.lifecycle.standing import stand_again
from mawep.core.lifecycle.steps import in_the_way
from mawep.core.model import IssueState, Number
from mawep.core.state import State, replace


def far_seen(state: State, rec: ev.Recorded, event: ev.FarSeen) -> State:
    """What waits for it is ready, blocked, or waits again; a run that ended without what can be done now goes on."""
    before, now = state.far.get(event.on), FarRecord(event.state, event.why, event.over)
    if before == now:
        return state
    had_landed = before is not None and before.landed
    waiting = [number for number, issue in state.graph.issues.items() if event.on in awaited(issue)]
    state = replace(state, far=state.far.set(event.on, now))
    if now.landed is not had_landed:  # it has landed, or that was taken back
        step = -1 if now.landed else 1
        unmet = {number: state.unmet[number] + step for number in waiting}
        state = replace(state, unmet=state.unmet.update(unmet))
    if any(_is_free(state, number) for number in waiting):
        state = replace(state, ended=None, ended_at=None)
    for number in waiting:
        state = stand_again(state, number, rec.at)
    return state


def _is_free(state: State, number: Number) -> bool:
    return state.issues[number].state is IssueState.BLOCKED and in_the_way(state, number) is None


def agents_allowed(state: State, rec: ev.Recorded, event: ev.AgentsAllowed) -> State:
    return replace(state, allowed=event.agents)
