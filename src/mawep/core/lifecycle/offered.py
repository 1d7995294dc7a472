"""What people make of the state who offer a candidate themselves: a conflict resolved, a landing reverted."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core import graph
from mawep.core.lifecycle.steps import (
    freed,
    not_landed_any_more,
    put,
    without_lost_verdicts,
)
from mawep.core.model import Issue, IssueState, Sha
from mawep.core.state import Attempt, IssueRecord, Progress, State, replace

NOBODY = -1
"""The slot of an attempt that no agent is at work on."""


def offered(state: State, rec: ev.Recorded, event: ev.CandidateOffered) -> State:
    """A parked attempt goes on with what a person has made of it: it is taken in, gated and queued as any other."""
    record = state.issues[event.issue]
    if record.state is not IssueState.PARKED or record.attempt is None:
        return state
    attempt = replace(
        record.attempt,
        fence=rec.seq,
        head=event.head,
        progress=Progress.ENDED,
        refusal=None,
        offered_by=event.by,
    )
    return _taken_up(state, replace(record, attempt=attempt))


def revert_asked(state: State, rec: ev.Recorded, event: ev.RevertAsked) -> State:
    """What landed is under way again, in the other direction; what waits for it waits again."""
    number = event.what.number
    landed = {landing.issue: landing.commit for landing in event.landings}
    for issue in (*event.others, event.what):
        if issue.number not in state.issues:
            state = _with_landed(state, issue, landed[issue.number])
    record = state.issues[number]
    if record.state is not IssueState.LANDED:
        return state
    return _revert(not_landed_any_more(state, number), rec, record, event.landings, event.by)


def revert_again(state: State, rec: ev.Recorded, record: IssueRecord, by: str) -> State:
    """A revert that came to nothing is made anew, on the target as it is now."""
    landings = record.attempt.reverts if record.attempt else ()
    return _revert(state, rec, record, landings, by)


def _revert(
    state: State, rec: ev.Recorded, record: IssueRecord, landings: tuple[ev.Landed, ...], by: str
) -> State:
    attempt = Attempt(
        number=record.runs + 1,
        slot=NOBODY,
        fence=rec.seq,
        name="",
        branch=f"mawep/revert-{record.number}",
        base=state.target,
        lease_until=rec.at,
        assigned_at=rec.at,
        progress=Progress.ENDED,
        offered_by=by,
        reverts=landings,
    )
    return _taken_up(state, replace(record, runs=attempt.number, attempt=attempt))


def _with_landed(state: State, issue: Issue, commit: Sha) -> State:
    """The run knows of the issue that it has landed, before or elsewhere."""
    ready = [state.graph.by_rank[rank] for rank in state.ready]
    plan = graph.build((*state.graph.issues.values(), issue))
    record = IssueRecord(issue.number, IssueState.LANDED, landed_as=commit)
    return replace(
        state,
        graph=plan,
        ready=tuple(sorted(plan.rank[number] for number in ready)),
        issues=state.issues.set(issue.number, record),
        unmet=state.unmet.set(issue.number, 0),
        terminal=state.terminal + 1,
        landed=state.landed + 1,
    )


def revert_intended(state: State, rec: ev.Recorded, event: ev.RevertIntended) -> State:
    record = state.issues[event.issue]
    if record.attempt is None:
        return state
    attempt = replace(record.attempt, base=event.base, progress=Progress.IMPORTING)
    state = put(state, replace(record, attempt=attempt))
    return replace(state, effects=state.effects.set(f"import:{event.issue}", rec))


def _taken_up(state: State, record: IssueRecord) -> State:
    """An issue that had ended is under way again, without an agent; so is a run that had ended."""
    record = replace(
        record,
        state=IssueState.VERIFYING,
        reason=None,
        detail="",
        hunks="",
        files=(),
        ended_at=None,
        cancelled_by=None,
        returned=None,
        suspected="",
    )
    state = put(without_lost_verdicts(state), record)
    state = replace(state, active=(*state.active, record.number), terminal=state.terminal - 1)
    return replace(freed(state, record.number), ended=None, ended_at=None, halted=False)
