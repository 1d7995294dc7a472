"""Steps that several events share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import chain

from mawep.core import breaks, budget, changes, rules
from mawep.core import events as ev
from mawep.core.far import awaited
from mawep.core.model import Far, GateResult, IssueState, Number, Sha, Usage
from mawep.core.state import Attempt, IssueRecord, State, TakenBack, replace
from mawep.core.usage import total

OWN = ("turn", "stop", "import", "review", "pull", "update", "merge")
"""Kinds of effects that end with an attempt."""


def release(state: State, numbers: Iterable[Number]) -> State:
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


def close_batch(state: State, rec: ev.Recorded) -> State:
    """The batch is over; whoever is left of it waits in the queue as before, or was cancelled meanwhile."""
    for number in state.queue:
        record = state.issues[number]
        if record.state is IssueState.LANDING and record.cancelled_by is not None:
            state = give_up(state, record, rec.at)
        elif record.state is IssueState.LANDING:
            state = put(state, replace(record, state=IssueState.QUEUED))
    effects = state.effects
    for key in state.effects:
        if key in ("compose", "seal", "move") or key.startswith("probe:"):
            effects = effects.delete(key)
    return replace(state, landing=None, effects=effects)


def off_queue(state: State, number: Number) -> State:
    """The issue does not wait to land any more."""
    aside = [replace(one, members=without(one.members, number)) for one in state.aside]
    return replace(
        state,
        queue=without(state.queue, number),
        suspects=without(state.suspects, number),
        aside=tuple(one for one in aside if one.members),
    )


def without(numbers: tuple[Number, ...], number: Number) -> tuple[Number, ...]:
    return tuple(other for other in numbers if other != number)


def current(state: State, number: Number, fence: int) -> Attempt | None:
    """The issue's live attempt if `fence` is that of its current turn; None for anything that comes late."""
    if number not in state.active:
        return None
    attempt = state.issues[number].attempt
    return attempt if attempt is not None and rules.fence_is_current(attempt, fence) else None


def late(state: State) -> State:
    """Something came under an old fence: counted; its commits are kept, but it changes nothing."""
    return replace(state, late=state.late + 1)


def put(state: State, record: IssueRecord) -> State:
    return replace(state, issues=state.issues.set(record.number, record))


def spend(state: State, record: IssueRecord) -> State:
    """The record, of which more is spent than before, and the run with it."""
    more = budget.of_past(record) - budget.of_past(state.issues[record.number])
    return replace(put(state, record), spent=state.spent + more)


def done(state: State, key: str) -> State:
    return replace(state, effects=state.effects.delete(key)) if key in state.effects else state


def name(members: tuple[Number, ...]) -> str:
    return ",".join(map(str, members))


def free_slot(state: State, number: Number) -> State:
    record = state.issues[number]
    slot = record.attempt.slot if record.attempt else None
    if slot is None or state.slots.get(slot) != number:
        return state
    return replace(state, slots=state.slots.delete(slot))


def leave(state: State, record: IssueRecord, to: IssueState, at: datetime) -> State:
    """The issue is not active any more: slot, claims, queue place and effects are given back."""
    number, before = record.number, state.issues[record.number].state
    if record.attempt is not None and not before.terminal:
        record = replace(
            record,
            spent=total(record.spent, record.attempt.usage),
            turns=record.turns + record.attempt.turns,
            worked=record.worked + budget.stopped(record.attempt, at).worked,
            attempt=replace(record.attempt, usage=Usage(), worked=timedelta(), works_since=None),
        )
    record = replace(record, state=to, ended_at=at if to.terminal else None)
    state = free_slot(spend(state, record), number)
    own = {f"{kind}:{number}" for kind in OWN}
    for key in state.effects:
        if key in own or key.startswith(f"message:{number}:"):
            state = done(state, key)
    ready = state.ready
    if to is IssueState.READY:
        ready = tuple(sorted((*ready, state.graph.rank[number])))
    elif before is IssueState.READY:
        ready = tuple(rank for rank in ready if rank != state.graph.rank[number])
    state = replace(
        state,
        ready=ready,
        active=without(state.active, number),
        claims=state.claims.drop(number),
        terminal=state.terminal + (to.terminal and not before.terminal),
    )
    state = off_queue(state, number)
    state = changes.closed(breaks.without(state, number), number, landed=to is IssueState.LANDED)
    return block_below(state, number, at) if rules.failure_blocks(to) else state


def in_the_way(state: State, number: Number) -> Number | Far | None:
    """What the issue waits for that will not come by itself: it ended without landing, or is not of this run."""
    outside = (dependency.on for dependency in state.outside.blockers.get(number, ()))
    ended = (on for on in state.graph.dependencies[number] if rules.failure_blocks(state.issues[on].state))
    known = ((on, state.far.get(on)) for on in awaited(state.graph.issues[number]))
    lost = (on for on, record in known if record is not None and rules.far_is_lost(record))
    return next(chain[Number | Far](ended, lost, outside), None)


def give_up(state: State, record: IssueRecord, at: datetime) -> State:
    """A person does not want it any more: it is cancelled, and what was to be reverted stays landed."""
    if not record.reverts:
        return leave(state, record, IssueState.CANCELLED, at)
    record = replace(record, detail="", hunks="", files=(), cancelled_by=None)
    return freed(_landed(state, record, at), record.number)


def land(state: State, rec: ev.Recorded, number: Number, commit: Sha) -> State:
    """The target contains the issue's work, as this commit, or its revert: what waits for it may start, or waits."""
    record = state.issues[number]
    state = replace(state, to_retire=(*state.to_retire, number))
    if record.attempt is not None and record.attempt.reverts:
        return _reverted(state, rec, record.attempt, commit)
    record = replace(record, landed_as=commit, taken_back=None, hunks="", files=())
    return _landed(state, record, rec.at)


def _landed(state: State, record: IssueRecord, at: datetime) -> State:
    state = leave(state, record, IssueState.LANDED, at)
    dependents = state.graph.dependents[record.number]
    unmet = state.unmet.update({dependent: state.unmet[dependent] - 1 for dependent in dependents})
    return release(replace(state, unmet=unmet, landed=state.landed + 1), dependents)


def _reverted(state: State, rec: ev.Recorded, attempt: Attempt, commit: Sha) -> State:
    """Of these landings, those of this run are taken back: what waits for them will not get it by itself."""
    for landing in (one for one in attempt.reverts if one.issue in state.issues):
        number = landing.issue
        if state.issues[number].state is IssueState.LANDED:
            state = not_landed_any_more(state, number)
        back = TakenBack(landing.commit, commit, attempt.offered_by)
        record = replace(state.issues[number], landed_as=None, taken_back=back)
        state = leave(state, record, IssueState.REVERTED, rec.at)
        state = replace(state, reverted=state.reverted + 1)
    return state


def not_landed_any_more(state: State, number: Number) -> State:
    """What waited for the issue, and has not begun, waits again."""
    dependents = state.graph.dependents[number]
    unmet = state.unmet.update({dependent: state.unmet[dependent] + 1 for dependent in dependents})
    state = replace(state, unmet=unmet, landed=state.landed - 1)
    for dependent in dependents:
        record = state.issues[dependent]
        if record.state is IssueState.READY:
            state = off_ready(put(state, replace(record, state=IssueState.WAITING)), dependent)
    return state


def freed(state: State, number: Number) -> State:
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
            state = on_ready(state, candidate) if ready else state
    return state


def on_ready(state: State, number: Number) -> State:
    return replace(state, ready=tuple(sorted((*state.ready, state.graph.rank[number]))))


def off_ready(state: State, number: Number) -> State:
    rank = state.graph.rank[number]
    return replace(state, ready=tuple(other for other in state.ready if other != rank))


def block_below(state: State, number: Number, at: datetime) -> State:
    for dependent in state.graph.below(number):
        record = state.issues[dependent]
        if record.state in (IssueState.WAITING, IssueState.READY):
            record = replace(record, state=IssueState.BLOCKED, blocked_by=number, ended_at=at)
            state = replace(put(state, record), terminal=state.terminal + 1)
    return state


def without_lost_verdicts(state: State) -> State:
    """A gate run that said nothing is forgotten, so that the tree is gated again."""
    gates = state.gates
    for tree, record in state.gates.items():
        if record.result is GateResult.NONE:
            gates = gates.delete(tree)
    return replace(state, gates=gates)
