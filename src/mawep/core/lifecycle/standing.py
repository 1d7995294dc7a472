"""What an issue that has not begun is, now that what it waits for is other than it was."""

from __future__ import annotations

from datetime import datetime

from mawep.core import news, rules
from mawep.core.lifecycle.steps import block_below, in_the_way, put
from mawep.core.model import IssueState, Number
from mawep.core.state import State, replace


def stand_again(state: State, number: Number, at: datetime) -> State:
    """An issue that waits, is ready or is blocked gets the one of these states that it should have now."""
    before = state.issues[number].state
    if not news.takes_edges(state.issues[number]):
        return state
    if before is IssueState.BLOCKED:
        return state if state.ended is not None else _freed(state, number)
    if (culprit := in_the_way(state, number)) is not None:
        record = replace(state.issues[number], state=IssueState.BLOCKED, blocked_by=culprit, ended_at=at)
        state = replace(_off_ready(put(state, record), number), terminal=state.terminal + 1)
        return block_below(state, number, at)
    to = IssueState.READY if rules.dependencies_landed(state, number) else IssueState.WAITING
    if to is before:
        return state
    state = put(state, replace(state.issues[number], state=to))
    return _on_ready(state, number) if to is IssueState.READY else _off_ready(state, number)


def _freed(state: State, number: Number) -> State:
    """A blocked issue, and what is blocked below it, wait again as far as nothing else is in the way."""
    below = {number, *state.graph.below(number)}
    for candidate in state.graph.order:
        record = state.issues[candidate]
        if candidate in below and record.state is IssueState.BLOCKED:
            if (culprit := in_the_way(state, candidate)) is not None:
                state = put(state, replace(record, blocked_by=culprit))
                continue
            ready = rules.dependencies_landed(state, candidate)
            to = IssueState.READY if ready else IssueState.WAITING
            state = put(state, replace(record, state=to, blocked_by=None, ended_at=None))
            state = replace(state, terminal=state.terminal - 1)
            state = _on_ready(state, candidate) if ready else state
    return state


def _on_ready(state: State, number: Number) -> State:
    return replace(state, ready=tuple(sorted((*state.ready, state.graph.rank[number]))))


def _off_ready(state: State, number: Number) -> State:
    rank = state.graph.rank[number]
    return replace(state, ready=tuple(other for other in state.ready if other != rank))
