"""What people ask for, and what it makes of the state."""

from __future__ import annotations

from mawep.core import budget, rules
from mawep.core import events as ev
from mawep.core.lifecycle.offered import revert_again
from mawep.core.lifecycle.steps import (
    done,
    give_up,
    in_the_way,
    name,
    put,
    without_lost_verdicts,
)
from mawep.core.model import IssueState
from mawep.core.state import IssueRecord, State, replace


def reopened(state: State, rec: ev.Recorded, event: ev.IssueReopened) -> State:
    record = state.issues[event.issue]
    if state.ended is not None and record.state in (IssueState.READY, IssueState.WAITING):
        return replace(
            state, ended=None, ended_at=None, halted=False
        )  # it ended before the issue could begin
    if not (record.state.terminal and rules.not_landed_yet(record)):
        return state
    if record.reverts:
        return revert_again(state, rec, record, event.by)
    if record.state is IssueState.REVERTED:
        state = replace(state, reverted=state.reverted - 1)
    again = replace(record, forgiven=record.runs, reassigned=False, granted=budget.of_issue(record))
    state = _wait_again(without_lost_verdicts(state), again)
    granted = {
        line.key for line in budget.issue_lines(state, event.issue)
    }  # of which people may be warned anew
    state = replace(state, warned=state.warned - granted)
    below = set(state.graph.below(event.issue))
    for number in state.graph.order if below else ():
        if number in below and state.issues[number].state is IssueState.BLOCKED:
            state = _wait_again(state, state.issues[number])
    return replace(state, ended=None, ended_at=None, halted=False)


def _wait_again(state: State, record: IssueRecord) -> State:
    """Back to waiting, unless something else still stands in the way."""
    number = record.number
    record = replace(record, reason=None, detail="", hunks="", files=(), cancelled_by=None)
    if (culprit := in_the_way(state, number)) is not None:
        return put(state, replace(record, state=IssueState.BLOCKED, blocked_by=culprit))
    waiting = not rules.dependencies_landed(state, number)
    record = replace(
        record,
        state=IssueState.WAITING if waiting else IssueState.READY,
        blocked_by=None,
        ended_at=None,
    )
    ready = state.ready if waiting else tuple(sorted((*state.ready, state.graph.rank[number])))
    return replace(put(state, record), ready=ready, terminal=state.terminal - 1)


def cancelled(state: State, rec: ev.Recorded, event: ev.IssueCancelled) -> State:
    """A turn is stopped first, by `decide`; a batch is not torn apart: it lands, or ends without the issue.

    So does what a forge is about to merge.
    """
    record = state.issues[event.issue]
    if not rules.not_landed_yet(record) or record.state is IssueState.REVERTED:
        return state
    record = replace(record, cancelled_by=event.by)
    enqueued = record.pull is not None and record.pull.queued and record.proposed
    at_work = record.state.holds_slot and not record.offered
    if at_work or record.state is IssueState.LANDING or enqueued:
        return put(state, record)
    return give_up(state, record, rec.at)


def retire(state: State, rec: ev.Recorded, event: ev.RetireIntended) -> State:
    left = tuple(n for n in state.to_retire if n not in event.issues)
    return replace(state, to_retire=left, effects=state.effects.set(f"retire:{name(event.issues)}", rec))


def retired(state: State, rec: ev.Recorded, event: ev.WorkspacesRetired) -> State:
    return done(state, f"retire:{name(event.issues)}")
