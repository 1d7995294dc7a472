"""What events about attempts make of the state: turns begin, speak, end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from mawep.core import breaks, budget, changes
from mawep.core import events as ev
from mawep.core.lifecycle.pulls import asked_for
from mawep.core.lifecycle.steps import (
    current,
    done,
    late,
    leave,
    put,
    without_lost_verdicts,
)
from mawep.core.model import FailureReason, IssueState, Number
from mawep.core.outside import told
from mawep.core.returning import gave_up
from mawep.core.state import Attempt, Progress, State, replace
from mawep.core.touched import fresh


def assigned(state: State, rec: ev.Recorded, event: ev.AttemptAssigned) -> State:
    record = state.issues[event.issue]
    rank = state.graph.rank[event.issue]
    attempt = Attempt(
        number=event.attempt,
        slot=event.slot,
        fence=rec.seq,
        name=event.name,
        branch=event.branch,
        base=event.base,
        lease_until=event.lease_until,
        assigned_at=rec.at,
        runtime=event.runtime,
    )
    record = replace(
        record,
        state=IssueState.ASSIGNED,
        runs=event.attempt,
        attempt=attempt,
        reason=None,
        detail="",
        salvage=None,
        pull=None,
        returned=None,
        started_at=record.started_at or rec.at,
    )
    return replace(
        state,
        issues=state.issues.set(event.issue, record),
        ready=tuple(r for r in state.ready if r != rank),
        active=(*state.active, event.issue),
        slots=state.slots.set(event.slot, event.issue),
        claims=state.claims.take(event.issue, event.claims, event.lease_until),
        effects=state.effects.set(f"turn:{event.issue}", rec),
    )


def new_turn(state: State, rec: ev.Recorded, number: Number, lease_until: datetime, **changes: Any) -> State:
    """The issue's attempt goes into another turn, under a new fence."""
    record = state.issues[number]
    if record.attempt is None:
        return state
    attempt = replace(
        record.attempt, fence=rec.seq, lease_until=lease_until, progress=Progress.RUNNING, **changes
    )
    return replace(
        state,
        issues=state.issues.set(
            number, replace(record, state=IssueState.ASSIGNED, attempt=attempt, question=None)
        ),
        claims=state.claims.extend(number, lease_until),
        effects=state.effects.set(f"turn:{number}", rec),
    )


def reclaimed(state: State, rec: ev.Recorded, event: ev.AttemptReclaimed) -> State:
    """What is looked for is the last turn that may have begun, not a look for it that died as well."""
    attempt = state.issues[event.issue].attempt
    fence = None if attempt is None else attempt.previous_fence if attempt.reclaimed else attempt.fence
    return new_turn(state, rec, event.issue, event.lease_until, reclaimed=True, previous_fence=fence)


def repair(state: State, rec: ev.Recorded, event: ev.RepairIntended) -> State:
    attempt = state.issues[event.issue].attempt
    if attempt is None:
        return state
    slot = attempt.slot
    if event.slot is not None and state.issues[event.issue].state is IssueState.QUEUED:
        slot, state = event.slot, replace(state, slots=state.slots.set(event.slot, event.issue))
        state = state if event.merge else asked_for(state, event.issue)
    return new_turn(
        state,
        rec,
        event.issue,
        event.lease_until,
        slot=slot,
        review_rounds=attempt.review_rounds + event.review,
        merge_rounds=attempt.merge_rounds + event.merge,
        repairs=event.round,
        refusal=None,
        evidence=event.feedback,
        reclaimed=False,
    )


def started(state: State, rec: ev.Recorded, event: ev.AttemptStarted) -> State:
    record, attempt = state.issues[event.issue], current(state, event.issue, event.fence)
    if attempt is None or attempt.progress is not Progress.RUNNING:
        return late(state)
    now = IssueState.WORKING if record.state is IssueState.ASSIGNED else record.state
    attempt = replace(
        attempt,
        pid=event.pid,
        worktree=event.worktree or attempt.worktree,
        started_at=attempt.started_at or rec.at,
        works_since=attempt.works_since or (None if record.question else rec.at),
        reclaimed=False,
    )
    return put(state, replace(record, state=now, attempt=attempt))


def session(state: State, rec: ev.Recorded, event: ev.SessionOpened) -> State:
    record, attempt = state.issues[event.issue], current(state, event.issue, event.fence)
    if attempt is None:
        return late(state)
    return put(state, replace(record, attempt=replace(attempt, session=event.session)))


def asked(state: State, rec: ev.Recorded, event: ev.QuestionAsked) -> State:
    record, attempt = state.issues[event.issue], current(state, event.issue, event.fence)
    listening = record.state in (IssueState.ASSIGNED, IssueState.WORKING)
    if attempt is None or not listening or attempt.progress is not Progress.RUNNING:
        return late(state)
    question = replace(event.question, asked_at=rec.at)
    attempt = budget.stopped(attempt, rec.at)
    return put(state, replace(record, state=IssueState.NEEDS_INPUT, question=question, attempt=attempt))


def answered(state: State, rec: ev.Recorded, event: ev.QuestionAnswered) -> State:
    record = state.issues[event.issue]
    if record.question is None or record.question.id != event.question:
        return state
    attempt = replace(record.attempt, works_since=rec.at) if record.attempt else None
    return put(state, replace(record, state=IssueState.WORKING, question=None, attempt=attempt))


def message(state: State, rec: ev.Recorded, event: ev.MessageSent) -> State:
    """A message needs an agent to take it; an issue without one would keep the run from ending."""
    waiting = tuple(
        tell
        for tell in state.to_tell
        if (changes.message_id(tell[0]), tell[1]) != (event.message, event.issue)
    )
    state = replace(state, to_tell=waiting, outside=told(state.outside, event.message, event.issue))
    state = breaks.without(state, event.issue, event.message)
    record = state.issues[event.issue]
    if not record.state.holds_slot or record.offered:
        return state
    return replace(state, effects=state.effects.set(f"message:{event.issue}:{event.message}", rec))


def touched(state: State, rec: ev.Recorded, event: ev.FilesTouched) -> State:
    record, attempt = state.issues[event.issue], current(state, event.issue, event.fence)
    if attempt is None:
        return late(state)
    known = (*attempt.touched, *fresh(attempt, event.paths))
    return put(state, replace(record, attempt=replace(attempt, touched=known)))


def delivered(state: State, rec: ev.Recorded, event: ev.MessageDelivered) -> State:
    return done(state, f"message:{event.issue}:{event.message}")


def leases(state: State, rec: ev.Recorded, event: ev.LeasesExtended) -> State:
    """Only a claim that has an end is extended: what a finished turn claims must not lapse before it lands."""
    fences = frozenset(event.fences)
    for number in state.active:
        record = state.issues[number]
        attempt = record.attempt
        if attempt and attempt.fence in fences and attempt.progress in (Progress.RUNNING, Progress.STOPPING):
            state = put(state, replace(record, attempt=replace(attempt, lease_until=event.until)))
            if attempt.progress is Progress.RUNNING:
                state = replace(state, claims=state.claims.extend(number, event.until))
    return state


def turn_ended(state: State, rec: ev.Recorded, event: ev.TurnEnded) -> State:
    record, attempt = state.issues[event.issue], current(state, event.issue, event.fence)
    if attempt is None or attempt.progress is not Progress.RUNNING:
        return late(state)
    attempt = replace(
        budget.stopped(budget.seen(attempt, event.usage), rec.at),
        progress=Progress.ENDED,
        head=event.head,
        stop=event.stop,
        session=event.session or attempt.session,
        transcript=event.transcript or attempt.transcript,
    )
    record = replace(record, state=IssueState.VERIFYING, attempt=attempt, question=None)
    state = put(state, record)
    # Nobody renews a lease while we check: what the issue claims is held by the orchestrator from here on.
    state = replace(state, claims=state.claims.extend(event.issue, None))
    limit = state.limits.get(attempt.runtime)
    if limit is not None and limit.lifted:  # its provider has shown that it takes requests again
        state = replace(state, limits=state.limits.delete(attempt.runtime))
    return done(state, f"turn:{event.issue}")


def failed(state: State, rec: ev.Recorded, event: ev.AttemptFailed) -> State:
    """The issue fails, or is ready again: for a retry, or because the loss was not its own fault.

    A loss with MAWEP itself is run again by the consent of `resume`. A lost worker's attempt is given to
    another one if so configured, once: an issue that takes its worker down must not take down all of them.
    """
    record, attempt = state.issues[event.issue], current(state, event.issue, event.fence)
    if attempt is None or attempt.progress is Progress.QUEUED:
        return late(state)
    lost = event.reason is FailureReason.LOST
    with_us = lost and attempt.reclaimed and state.rerun
    reassigned = lost and not with_us and state.rules.reassign_lost and not record.reassigned
    record = replace(
        record,
        reason=event.reason,
        detail=event.detail,
        salvage=event.salvage or record.salvage,
        forgiven=record.forgiven + (with_us or reassigned),
        reassigned=record.reassigned or reassigned,
        question=None,
        attempt=budget.stopped(budget.seen(attempt, event.usage), rec.at),
    )
    if record.cancelled_by is not None:
        return leave(state, record, IssueState.CANCELLED, rec.at)
    if event.reason is FailureReason.REVIEW:  # its agent has done its part; a person says how it goes on
        why = event.detail or "review: nobody approved it"
        return leave(state, replace(record, detail=why), IssueState.PARKED, rec.at)
    if record.returned is not None and not (with_us or reassigned):  # its candidate was good by itself
        return leave(state, gave_up(state, record, record.returned), IssueState.PARKED, rec.at)
    over = event.reason is FailureReason.BUDGET_EXCEEDED  # another attempt would only spend as much again
    if record.runs - record.forgiven <= state.rules.max_retries and not over:
        # What had no verdict is gated again, should the next attempt make the same tree.
        return leave(without_lost_verdicts(state), record, IssueState.READY, rec.at)
    state = leave(state, record, IssueState.FAILED, rec.at)
    return replace(state, halted=state.halted or state.rules.halt_on_failure)


def attempt_interrupted(state: State, rec: ev.Recorded, event: ev.AttemptInterrupted) -> State:
    record, attempt = state.issues[event.issue], current(state, event.issue, event.fence)
    if attempt is None or attempt.progress is Progress.QUEUED:
        return late(state)
    record = replace(
        record,
        salvage=event.salvage or record.salvage,
        forgiven=record.forgiven + 1,
        question=None,
        attempt=budget.stopped(budget.seen(attempt, event.usage), rec.at),
    )
    cancelled = record.cancelled_by is not None
    return leave(state, record, IssueState.CANCELLED if cancelled else IssueState.READY, rec.at)


def stop(state: State, rec: ev.Recorded, event: ev.StopIntended) -> State:
    """The worker gets a fresh lease to answer: nobody renewed it while its work was checked."""
    record = state.issues[event.issue]
    if record.attempt is None:
        return state
    until = rec.at + timedelta(seconds=state.rules.lease_seconds)
    attempt = replace(budget.stopped(record.attempt, rec.at), progress=Progress.STOPPING, lease_until=until)
    state = done(put(state, replace(record, attempt=attempt)), f"turn:{event.issue}")
    state = done(state, f"review:{event.issue}")  # nobody waits for it any more
    return replace(
        state,
        claims=state.claims.extend(event.issue, None),
        effects=state.effects.set(f"stop:{event.issue}", rec),
    )
