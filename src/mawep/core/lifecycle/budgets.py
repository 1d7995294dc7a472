"""What events about spending make of the state."""

from __future__ import annotations

from mawep.core import budget
from mawep.core import events as ev
from mawep.core.lifecycle.steps import current, leave, put
from mawep.core.model import FailureReason, IssueState
from mawep.core.state import State, replace


def seen(state: State, rec: ev.Recorded, event: ev.UsageSeen) -> State:
    """What is said under an old fence is known already, from the end of its turn."""
    for one in event.consumed:
        attempt = current(state, one.issue, one.fence)
        if attempt is not None:
            attempt = budget.seen(attempt, one.usage)
            state = put(state, replace(state.issues[one.issue], attempt=attempt))
    return state


def issue_is_over(state: State, rec: ev.Recorded, event: ev.IssueOverBudget) -> State:
    record = state.issues[event.issue]
    if record.state is not IssueState.READY:
        return state
    record = replace(record, reason=FailureReason.BUDGET_EXCEEDED, detail=event.detail)
    state = leave(state, record, IssueState.FAILED, rec.at)
    return replace(state, halted=state.halted or state.rules.halt_on_failure)


def warned(state: State, rec: ev.Recorded, event: ev.BudgetWarned) -> State:
    return replace(state, warned=state.warned | {event.key})
