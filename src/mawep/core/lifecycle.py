"""What each event makes of the state: one small function an event, total and pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, cast

from immutables import Map

from mawep.core import events as ev
from mawep.core import graph, rules
from mawep.core.model import FailureReason, GateResult, IssueState, Number, Usage
from mawep.core.state import Attempt, IssueRecord, Landing, Progress, State, replace

Handler = Callable[[State, ev.Recorded, Any], State]


# --- the run


def _run_started(state: State, rec: ev.Recorded, event: ev.RunStarted) -> State:
    plan = graph.build(event.issues)
    state = State(
        run=event.run,
        trace=event.trace,
        target_branch=event.target_branch,
        target=event.target,
        first_target=event.target,
        rules=event.rules,
        settings=event.settings,
        digests=Map(event.digests),
        branches=Map({int(number): branch for number, branch in event.branches.items()}),
        suffixed=frozenset(event.suffixed),
        graph=plan,
        issues=Map({n: IssueRecord(n, IssueState.WAITING) for n in plan.issues}),
        unmet=Map({n: len(needed) for n, needed in plan.dependencies.items()}),
        started_at=rec.at,
    )
    return _release(state, plan.issues)


def _run_resumed(state: State, rec: ev.Recorded, event: ev.RunResumed) -> State:
    """Turns that were running have lost their worker; what had no verdict is gated again."""
    issues = state.issues
    for number in state.active:
        attempt = issues[number].attempt
        if attempt is None:
            continue
        if attempt.progress in (Progress.RUNNING, Progress.ORPHANED):
            attempt = replace(attempt, progress=Progress.ORPHANED)
        elif attempt.progress is Progress.STOPPING:  # the worker is told again, and has time to answer
            attempt = replace(attempt, lease_until=rec.at + timedelta(seconds=state.rules.lease_seconds))
        issues = issues.set(number, replace(issues[number], attempt=attempt))
    effects = state.effects
    for key in state.effects:
        if key.startswith("turn:"):
            effects = effects.delete(key)
    return replace(
        _without_lost_verdicts(state),
        issues=issues,
        effects=effects,
        rerun=event.rerun,
        interrupted=0,
        stopped=None,
        paused=False,
        move_blocked=None,
    )


def _paused(state: State, rec: ev.Recorded, event: ev.DispatchPaused) -> State:
    return replace(state, paused=True)


def _unpaused(state: State, rec: ev.Recorded, event: ev.DispatchUnpaused) -> State:
    return replace(state, paused=False)


def _interrupted(state: State, rec: ev.Recorded, event: ev.Interrupted) -> State:
    return replace(state, interrupted=max(state.interrupted, event.level))


def _run_stopped(state: State, rec: ev.Recorded, event: ev.RunStopped) -> State:
    return replace(state, stopped=event.what)


def _run_ended(state: State, rec: ev.Recorded, event: ev.RunEnded) -> State:
    return replace(state, ended=event.outcome, ended_at=rec.at)


def _target_advanced(state: State, rec: ev.Recorded, event: ev.TargetAdvanced) -> State:
    """While a move of ours is under way, only its own result says where the target is."""
    batch = state.landing
    if batch is not None and batch.moving:
        return state
    state = replace(state, target=event.sha)
    return state if batch is None or rules.target_is_unmoved(state, batch.base) else _close_batch(state, rec)


# --- attempts


def _assigned(state: State, rec: ev.Recorded, event: ev.AttemptAssigned) -> State:
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
    )
    record = replace(
        record,
        state=IssueState.ASSIGNED,
        runs=event.attempt,
        attempt=attempt,
        reason=None,
        detail="",
        salvage=None,
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


def _new_turn(state: State, rec: ev.Recorded, number: Number, lease_until: datetime, **changes: Any) -> State:
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


def _reclaimed(state: State, rec: ev.Recorded, event: ev.AttemptReclaimed) -> State:
    attempt = state.issues[event.issue].attempt
    fence = attempt.fence if attempt else None
    return _new_turn(state, rec, event.issue, event.lease_until, reclaimed=True, previous_fence=fence)


def _repair(state: State, rec: ev.Recorded, event: ev.RepairIntended) -> State:
    return _new_turn(state, rec, event.issue, event.lease_until, repairs=event.round, refusal=None)


def _started(state: State, rec: ev.Recorded, event: ev.AttemptStarted) -> State:
    record, attempt = state.issues[event.issue], _current(state, event.issue, event.fence)
    if attempt is None or attempt.progress is not Progress.RUNNING:
        return _late(state)
    now = IssueState.WORKING if record.state is IssueState.ASSIGNED else record.state
    attempt = replace(
        attempt,
        pid=event.pid,
        worktree=event.worktree or attempt.worktree,
        started_at=attempt.started_at or rec.at,
        reclaimed=False,
    )
    return _put(state, replace(record, state=now, attempt=attempt))


def _session(state: State, rec: ev.Recorded, event: ev.SessionOpened) -> State:
    record, attempt = state.issues[event.issue], _current(state, event.issue, event.fence)
    if attempt is None:
        return _late(state)
    return _put(state, replace(record, attempt=replace(attempt, session=event.session)))


def _asked(state: State, rec: ev.Recorded, event: ev.QuestionAsked) -> State:
    record, attempt = state.issues[event.issue], _current(state, event.issue, event.fence)
    if attempt is None or record.state not in (IssueState.ASSIGNED, IssueState.WORKING):
        return _late(state)
    question = replace(event.question, asked_at=rec.at)
    return _put(state, replace(record, state=IssueState.NEEDS_INPUT, question=question))


def _answered(state: State, rec: ev.Recorded, event: ev.QuestionAnswered) -> State:
    record = state.issues[event.issue]
    if record.question is None or record.question.id != event.question:
        return state
    return _put(state, replace(record, state=IssueState.WORKING, question=None))


def _message(state: State, rec: ev.Recorded, event: ev.MessageSent) -> State:
    """A message needs an agent to take it; an issue without one would keep the run from ending."""
    if not state.issues[event.issue].state.holds_slot:
        return state
    return replace(state, effects=state.effects.set(f"message:{event.issue}:{event.message}", rec))


def _delivered(state: State, rec: ev.Recorded, event: ev.MessageDelivered) -> State:
    return _done(state, f"message:{event.issue}:{event.message}")


def _leases(state: State, rec: ev.Recorded, event: ev.LeasesExtended) -> State:
    """Only a claim that has an end is extended: what a finished turn claims must not lapse before it lands."""
    fences = frozenset(event.fences)
    for number in state.active:
        record = state.issues[number]
        attempt = record.attempt
        if attempt and attempt.fence in fences and attempt.progress in (Progress.RUNNING, Progress.STOPPING):
            state = _put(state, replace(record, attempt=replace(attempt, lease_until=event.until)))
            if attempt.progress is Progress.RUNNING:
                state = replace(state, claims=state.claims.extend(number, event.until))
    return state


def _turn_ended(state: State, rec: ev.Recorded, event: ev.TurnEnded) -> State:
    record, attempt = state.issues[event.issue], _current(state, event.issue, event.fence)
    if attempt is None or attempt.progress is not Progress.RUNNING:
        return _late(state)
    attempt = replace(
        attempt,
        progress=Progress.ENDED,
        head=event.head,
        stop=event.stop,
        usage=event.usage,
        session=event.session or attempt.session,
        transcript=event.transcript or attempt.transcript,
    )
    record = replace(record, state=IssueState.VERIFYING, attempt=attempt, question=None)
    state = _put(state, record)
    # Nobody renews a lease while we check: what the issue claims is held by the orchestrator from here on.
    state = replace(state, claims=state.claims.extend(event.issue, None))
    return _done(state, f"turn:{event.issue}")


def _failed(state: State, rec: ev.Recorded, event: ev.AttemptFailed) -> State:
    """The issue fails, or is ready again: for a retry, or because the loss was not its own fault.

    A loss with MAWEP itself is run again by the consent of `resume`. A lost worker's attempt is given to
    another one if so configured, once: an issue that takes its worker down must not take down all of them.
    """
    record, attempt = state.issues[event.issue], _current(state, event.issue, event.fence)
    if attempt is None or attempt.progress is Progress.QUEUED:
        return _late(state)
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
        attempt=replace(attempt, usage=_more(attempt.usage, event.usage)),
    )
    if record.cancelled_by is not None:
        return _leave(state, record, IssueState.CANCELLED, rec.at)
    if record.runs - record.forgiven <= state.rules.max_retries:
        # What had no verdict is gated again, should the next attempt make the same tree.
        return _leave(_without_lost_verdicts(state), record, IssueState.READY, rec.at)
    state = _leave(state, record, IssueState.FAILED, rec.at)
    return replace(state, halted=state.halted or state.rules.halt_on_failure)


def _attempt_interrupted(state: State, rec: ev.Recorded, event: ev.AttemptInterrupted) -> State:
    record, attempt = state.issues[event.issue], _current(state, event.issue, event.fence)
    if attempt is None or attempt.progress is Progress.QUEUED:
        return _late(state)
    record = replace(
        record,
        salvage=event.salvage or record.salvage,
        forgiven=record.forgiven + 1,
        question=None,
        attempt=replace(attempt, usage=_more(attempt.usage, event.usage)),
    )
    cancelled = record.cancelled_by is not None
    return _leave(state, record, IssueState.CANCELLED if cancelled else IssueState.READY, rec.at)


def _stop(state: State, rec: ev.Recorded, event: ev.StopIntended) -> State:
    """The worker gets a fresh lease to answer: nobody renewed it while its work was checked."""
    record = state.issues[event.issue]
    if record.attempt is None:
        return state
    until = rec.at + timedelta(seconds=state.rules.lease_seconds)
    attempt = replace(record.attempt, progress=Progress.STOPPING, lease_until=until)
    state = _done(_put(state, replace(record, attempt=attempt)), f"turn:{event.issue}")
    return replace(
        state,
        claims=state.claims.extend(event.issue, None),
        effects=state.effects.set(f"stop:{event.issue}", rec),
    )


# --- import and gate


def _import(state: State, rec: ev.Recorded, event: ev.ImportIntended) -> State:
    record = state.issues[event.issue]
    if record.attempt is None:
        return state
    state = _put(state, replace(record, attempt=replace(record.attempt, progress=Progress.IMPORTING)))
    return replace(state, effects=state.effects.set(f"import:{event.issue}", rec))


def _imported(state: State, rec: ev.Recorded, event: ev.CandidateImported) -> State:
    record = state.issues[event.issue]
    if not _importing(record, event.attempt):
        return _done(state, f"import:{event.issue}")
    attempt = replace(
        cast(Attempt, record.attempt),
        progress=Progress.IMPORTED,
        commit=event.commit,
        tree=event.tree,
        files=event.files,
    )
    return _done(_put(state, replace(record, attempt=attempt)), f"import:{event.issue}")


def _import_refused(state: State, rec: ev.Recorded, event: ev.ImportRefused) -> State:
    record = state.issues[event.issue]
    if not _importing(record, event.attempt):
        return _done(state, f"import:{event.issue}")
    attempt = replace(
        cast(Attempt, record.attempt),
        progress=Progress.REFUSED,
        refusal=(event.reason, event.detail, event.repairable),
    )
    return _done(_put(state, replace(record, attempt=attempt)), f"import:{event.issue}")


def _importing(record: IssueRecord, attempt: int) -> bool:
    live = record.attempt
    return live is not None and live.number == attempt and live.progress is Progress.IMPORTING


def _gate(state: State, rec: ev.Recorded, event: ev.GateIntended) -> State:
    return replace(
        state,
        gating=state.gating.set(event.tree, event.why),
        effects=state.effects.set(f"gate:{event.tree}", rec),
    )


def _gated(state: State, rec: ev.Recorded, event: ev.GateFinished) -> State:
    tree = event.record.tree
    gating = state.gating.delete(tree) if tree in state.gating else state.gating
    return _done(replace(state, gating=gating, gates=state.gates.set(tree, event.record)), f"gate:{tree}")


def _queued(state: State, rec: ev.Recorded, event: ev.CandidateQueued) -> State:
    record = state.issues[event.issue]
    if record.attempt is None:
        return state
    attempt = replace(record.attempt, progress=Progress.QUEUED)
    state = _put(state, replace(record, state=IssueState.QUEUED, attempt=attempt))
    return replace(_free_slot(state, event.issue), queue=(*state.queue, event.issue))


# --- landing


def _landing_opened(state: State, rec: ev.Recorded, event: ev.LandingOpened) -> State:
    issues = state.issues
    for number in event.members:
        issues = issues.set(number, replace(issues[number], state=IssueState.LANDING))
    return replace(
        state,
        issues=issues,
        landing=Landing(event.base, event.members),
        effects=state.effects.set("compose", rec),
    )


def _landing_composed(state: State, rec: ev.Recorded, event: ev.LandingComposed) -> State:
    state = _done(state, "compose")
    batch = state.landing
    if batch is None or batch.base != event.base:
        return state
    for conflict in event.conflicts:
        if not conflict.with_:
            why = f"does not merge cleanly with {state.target_branch}: {', '.join(conflict.files)}"
            parked = ev.IssueParked(conflict.issue, why, conflict.hunks, conflict.files)
            state = _park(state, rec, parked)
    if not event.steps:
        return _close_batch(state, rec)
    return replace(state, landing=replace(batch, steps=event.steps))


def _probe(state: State, rec: ev.Recorded, event: ev.ProbeIntended) -> State:
    if state.landing is None:
        return state
    landing = replace(state.landing, parts=state.landing.parts.set(event.members, None))
    return replace(state, landing=landing, effects=state.effects.set(f"probe:{_name(event.members)}", rec))


def _probed(state: State, rec: ev.Recorded, event: ev.ProbeComposed) -> State:
    state = _done(state, f"probe:{_name(event.members)}")
    if state.landing is None or state.landing.base != event.base:
        return state
    landing = replace(state.landing, parts=state.landing.parts.set(event.members, event.steps))
    return replace(state, landing=landing)


def _seal(state: State, rec: ev.Recorded, event: ev.SealIntended) -> State:
    if state.landing is None:
        return state
    suspects = () if event.suspect is None else (event.suspect,)
    return replace(
        state,
        landing=replace(state.landing, chosen=event.steps),
        suspects=(*state.suspects, *suspects),
        effects=state.effects.set("seal", rec),
    )


def _sealed(state: State, rec: ev.Recorded, event: ev.LandingSealed) -> State:
    state = _done(state, "seal")
    if state.landing is None or state.landing.base != event.base:
        return state
    return replace(state, landing=replace(state.landing, sealed=event.steps))


def _move(state: State, rec: ev.Recorded, event: ev.MoveIntended) -> State:
    if state.landing is None:
        return state
    return replace(state, landing=replace(state.landing, moving=True), effects=state.effects.set("move", rec))


def _moved(state: State, rec: ev.Recorded, event: ev.TargetMoved) -> State:
    state = _done(state, "move")
    for step in event.steps:
        if rules.not_landed_yet(state.issues[step.issue]):
            state = _land(state, rec, step)
    return _close_batch(replace(state, target=event.new, move_blocked=None), rec)


def _land(state: State, rec: ev.Recorded, step: ev.Step) -> State:
    record = replace(state.issues[step.issue], landed_as=step.commit)
    state = _leave(state, record, IssueState.LANDED, rec.at)
    dependents = state.graph.dependents[step.issue]
    unmet = state.unmet.update({dependent: state.unmet[dependent] - 1 for dependent in dependents})
    to_retire = (*state.to_retire, step.issue)
    return _release(replace(state, unmet=unmet, landed=state.landed + 1, to_retire=to_retire), dependents)


def _release(state: State, numbers: Iterable[Number]) -> State:
    """Of these issues, those that wait for nothing any more are ready."""
    free = {
        number: replace(state.issues[number], state=IssueState.READY)
        for number in numbers
        if state.issues[number].state is IssueState.WAITING and rules.dependencies_landed(state, number)
    }
    if not free:
        return state
    ready = sorted((*state.ready, *(state.graph.rank[number] for number in free)))
    return replace(state, issues=state.issues.update(free), ready=tuple(ready))


def _move_blocked(state: State, rec: ev.Recorded, event: ev.MoveBlocked) -> State:
    state = _done(state, "move")
    landing = replace(state.landing, moving=False) if state.landing else None
    return replace(state, landing=landing, move_blocked=event)


def _move_unblocked(state: State, rec: ev.Recorded, event: ev.MoveUnblocked) -> State:
    return replace(state, move_blocked=None)


def _move_lost(state: State, rec: ev.Recorded, event: ev.MoveLost) -> State:
    return _close_batch(_done(replace(state, target=event.actual), "move"), rec)


def _parked(state: State, rec: ev.Recorded, event: ev.IssueParked) -> State:
    return _close_batch(_park(state, rec, event), rec)


def _park(state: State, rec: ev.Recorded, parked: ev.IssueParked) -> State:
    record = replace(state.issues[parked.issue], detail=parked.why, hunks=parked.hunks, files=parked.files)
    return _leave(state, record, IssueState.PARKED, rec.at)


def _close_batch(state: State, rec: ev.Recorded) -> State:
    """The batch is over; whoever is left of it waits in the queue as before, or was cancelled meanwhile."""
    for number in state.queue:
        record = state.issues[number]
        if record.state is IssueState.LANDING and record.cancelled_by is not None:
            state = _leave(state, record, IssueState.CANCELLED, rec.at)
        elif record.state is IssueState.LANDING:
            state = _put(state, replace(record, state=IssueState.QUEUED))
    effects = state.effects
    for key in state.effects:
        if key in ("compose", "seal", "move") or key.startswith("probe:"):
            effects = effects.delete(key)
    return replace(state, landing=None, effects=effects)


# --- what people ask for


def _reopened(state: State, rec: ev.Recorded, event: ev.IssueReopened) -> State:
    record = state.issues[event.issue]
    if not (record.state.terminal and rules.not_landed_yet(record)):
        return state
    again = replace(record, forgiven=record.runs, reassigned=False)
    state = _wait_again(_without_lost_verdicts(state), again)
    below = set(state.graph.below(event.issue))
    for number in state.graph.order if below else ():
        if number in below and state.issues[number].state is IssueState.BLOCKED:
            state = _wait_again(state, state.issues[number])
    return replace(state, ended=None, ended_at=None, halted=False)


def _wait_again(state: State, record: IssueRecord) -> State:
    """Back to waiting, unless something else still stands in the way."""
    number = record.number
    culprit = next(
        (on for on in state.graph.dependencies[number] if rules.failure_blocks(state.issues[on].state)), None
    )
    if culprit is not None:
        return _put(state, replace(record, state=IssueState.BLOCKED, blocked_by=culprit))
    waiting = not rules.dependencies_landed(state, number)
    record = replace(
        record,
        state=IssueState.WAITING if waiting else IssueState.READY,
        reason=None,
        detail="",
        hunks="",
        files=(),
        blocked_by=None,
        cancelled_by=None,
        ended_at=None,
    )
    ready = state.ready if waiting else tuple(sorted((*state.ready, state.graph.rank[number])))
    return replace(_put(state, record), ready=ready, terminal=state.terminal - 1)


def _cancelled(state: State, rec: ev.Recorded, event: ev.IssueCancelled) -> State:
    """A turn is stopped first, by `decide`; a batch is not torn apart: it lands, or ends without the issue."""
    record = state.issues[event.issue]
    if not rules.not_landed_yet(record):
        return state
    record = replace(record, cancelled_by=event.by)
    if record.state.holds_slot or record.state is IssueState.LANDING:
        return _put(state, record)
    return _leave(state, record, IssueState.CANCELLED, rec.at)


def _retire(state: State, rec: ev.Recorded, event: ev.RetireIntended) -> State:
    left = tuple(n for n in state.to_retire if n not in event.issues)
    return replace(state, to_retire=left, effects=state.effects.set(f"retire:{_name(event.issues)}", rec))


def _retired(state: State, rec: ev.Recorded, event: ev.WorkspacesRetired) -> State:
    return _done(state, f"retire:{_name(event.issues)}")


# --- shared steps


def _current(state: State, number: Number, fence: int) -> Attempt | None:
    """The issue's live attempt if `fence` is that of its current turn; None for anything that comes late."""
    if number not in state.active:
        return None
    attempt = state.issues[number].attempt
    return attempt if attempt is not None and rules.fence_is_current(attempt, fence) else None


def _late(state: State) -> State:
    """Something came under an old fence: counted; its commits are kept, but it changes nothing."""
    return replace(state, late=state.late + 1)


def _put(state: State, record: IssueRecord) -> State:
    return replace(state, issues=state.issues.set(record.number, record))


def _done(state: State, key: str) -> State:
    return replace(state, effects=state.effects.delete(key)) if key in state.effects else state


def _name(members: tuple[Number, ...]) -> str:
    return ",".join(map(str, members))


def _free_slot(state: State, number: Number) -> State:
    record = state.issues[number]
    slot = record.attempt.slot if record.attempt else None
    if slot is None or state.slots.get(slot) != number:
        return state
    return replace(state, slots=state.slots.delete(slot))


def _leave(state: State, record: IssueRecord, to: IssueState, at: datetime) -> State:
    """The issue is not active any more: slot, claims, queue place and effects are given back."""
    number, before = record.number, state.issues[record.number].state
    if record.attempt is not None:
        record = replace(
            record,
            spent=_more(record.spent, record.attempt.usage),
            attempt=replace(record.attempt, usage=Usage()),
        )
    record = replace(record, state=to, ended_at=at if to.terminal else None)
    state = _free_slot(_put(state, record), number)
    own = (f"turn:{number}", f"stop:{number}", f"import:{number}")
    for key in state.effects:
        if key in own or key.startswith(f"message:{number}:"):
            state = _done(state, key)
    ready = state.ready
    if to is IssueState.READY:
        ready = tuple(sorted((*ready, state.graph.rank[number])))
    elif before is IssueState.READY:
        ready = tuple(rank for rank in ready if rank != state.graph.rank[number])
    state = replace(
        state,
        ready=ready,
        active=tuple(n for n in state.active if n != number),
        queue=tuple(n for n in state.queue if n != number),
        suspects=tuple(n for n in state.suspects if n != number),
        claims=state.claims.drop(number),
        terminal=state.terminal + (to.terminal and not before.terminal),
    )
    return _block_below(state, number, at) if rules.failure_blocks(to) else state


def _block_below(state: State, number: Number, at: datetime) -> State:
    for dependent in state.graph.below(number):
        record = state.issues[dependent]
        if record.state in (IssueState.WAITING, IssueState.READY):
            record = replace(record, state=IssueState.BLOCKED, blocked_by=number, ended_at=at)
            state = replace(_put(state, record), terminal=state.terminal + 1)
    return state


def _without_lost_verdicts(state: State) -> State:
    """A gate run that said nothing is forgotten, so that the tree is gated again."""
    gates = state.gates
    for tree, record in state.gates.items():
        if record.result is GateResult.NONE:
            gates = gates.delete(tree)
    return replace(state, gates=gates)


def _more(a: Usage, b: Usage) -> Usage:
    """The sum of two usages; what neither reported stays unknown."""

    def add(x: Any, y: Any) -> Any:
        return y if x is None else x if y is None else x + y

    return Usage(
        input_tokens=add(a.input_tokens, b.input_tokens),
        output_tokens=add(a.output_tokens, b.output_tokens),
        cost_usd=add(a.cost_usd, b.cost_usd),
        context_used=b.context_used if b.context_used is not None else a.context_used,
        context_size=b.context_size if b.context_size is not None else a.context_size,
    )


HANDLERS: dict[type, Handler] = {
    ev.RunStarted: _run_started,
    ev.RunResumed: _run_resumed,
    ev.DispatchPaused: _paused,
    ev.DispatchUnpaused: _unpaused,
    ev.Interrupted: _interrupted,
    ev.RunStopped: _run_stopped,
    ev.RunEnded: _run_ended,
    ev.TargetAdvanced: _target_advanced,
    ev.AttemptAssigned: _assigned,
    ev.AttemptReclaimed: _reclaimed,
    ev.AttemptStarted: _started,
    ev.SessionOpened: _session,
    ev.QuestionAsked: _asked,
    ev.QuestionAnswered: _answered,
    ev.MessageSent: _message,
    ev.MessageDelivered: _delivered,
    ev.LeasesExtended: _leases,
    ev.TurnEnded: _turn_ended,
    ev.AttemptFailed: _failed,
    ev.AttemptInterrupted: _attempt_interrupted,
    ev.StopIntended: _stop,
    ev.ImportIntended: _import,
    ev.CandidateImported: _imported,
    ev.ImportRefused: _import_refused,
    ev.GateIntended: _gate,
    ev.GateFinished: _gated,
    ev.RepairIntended: _repair,
    ev.CandidateQueued: _queued,
    ev.LandingOpened: _landing_opened,
    ev.LandingComposed: _landing_composed,
    ev.ProbeIntended: _probe,
    ev.ProbeComposed: _probed,
    ev.SealIntended: _seal,
    ev.LandingSealed: _sealed,
    ev.MoveIntended: _move,
    ev.TargetMoved: _moved,
    ev.MoveBlocked: _move_blocked,
    ev.MoveUnblocked: _move_unblocked,
    ev.MoveLost: _move_lost,
    ev.IssueParked: _parked,
    ev.IssueReopened: _reopened,
    ev.IssueCancelled: _cancelled,
    ev.RetireIntended: _retire,
    ev.WorkspacesRetired: _retired,
}
