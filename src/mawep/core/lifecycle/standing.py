"""What an issue that has not begun is, now that what it waits for is other than it was."""

from __future__ import annotations

from datetime import datetime

from mawep.core import news, rules
from mawep.core.lifecycle.steps import block_below, freed, in_the_way, off_ready, on_ready, put
from mawep.core.model import IssueState, Number
from mawep.core.state import State, replace


def stand_again(state: State, number: Number, at: datetime) -> State:
    """An issue that waits, is ready or is blocked gets the one of these states that it should have now."""
    before = state.issues[number].state
    if not news.takes_edges(state.issues[number]):
        return state
    if before is IssueState.BLOCKED:
        return state if state.ended is not None else freed(state, number)
    if (culprit := in_the_way(state, number)) is not None:
        record = replace(state.issues[number], state=IssueState.BLOCKED, blocked_by=culprit, ended_at=at)
        state = replace(off_ready(put(state, record), number), terminal=state.terminal + 1)
        return block_below(state, number, at)
    to = IssueState.READY if rules.dependencies_landed(state, number) else IssueState.WAITING
    if to is before:
        return state
    state = put(state, replace(state.issues[number], state=to))
    return on_ready(state, number) if to is IssueState.READY else off_ready(state, number)
