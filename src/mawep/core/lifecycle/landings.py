"""What events about landing make of the state."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core import returning, rules
from mawep.core.lifecycle.steps import (
    close_batch,
    done,
    land,
    leave,
    name,
    off_queue,
    put,
)
from mawep.core.model import IssueState
from mawep.core.state import Aside, Landing, State, replace


def landing_opened(state: State, rec: ev.Recorded, event: ev.LandingOpened) -> State:
    issues = state.issues
    for number in event.members:
        issues = issues.set(number, replace(issues[number], state=IssueState.LANDING))
    return replace(
        state,
        issues=issues,
        landing=Landing(event.base, event.members),
        aside=tuple(one for one in state.aside if set(one.members).isdisjoint(event.members)),
        effects=state.effects.set("compose", rec),
    )


def landing_composed(state: State, rec: ev.Recorded, event: ev.LandingComposed) -> State:
    state = done(state, "compose")
    batch = state.landing
    if batch is None or batch.base != event.base:
        return state
    if event.alone and not event.parks:
        return replace(state, landing=replace(batch, steps=(), conflict=event.alone, ways=event.ways))
    for conflict in event.conflicts:
        if conflict.with_:
            continue
        if event.parks:
            state = _off(state, rec, returning.unmerged(state, conflict))
        else:
            state = replace(state, suspects=(*state.suspects, conflict.issue))
    if not event.steps:
        return close_batch(state, rec)
    return replace(state, landing=replace(batch, steps=event.steps))


def set_apart(state: State, rec: ev.Recorded, event: ev.CandidateSetApart) -> State:
    return close_batch(replace(state, suspects=(*state.suspects, event.issue)), rec)


def set_aside(state: State, rec: ev.Recorded, event: ev.LandingSetAside) -> State:
    state = close_batch(state, rec)
    members = tuple(number for number in event.members if number in state.queue)
    return replace(state, aside=(*state.aside, Aside(members, event.gates))) if members else state


def probe(state: State, rec: ev.Recorded, event: ev.ProbeIntended) -> State:
    if state.landing is None:
        return state
    landing = replace(state.landing, parts=state.landing.parts.set(event.members, None))
    return replace(state, landing=landing, effects=state.effects.set(f"probe:{name(event.members)}", rec))


def probed(state: State, rec: ev.Recorded, event: ev.ProbeComposed) -> State:
    state = done(state, f"probe:{name(event.members)}")
    if state.landing is None or state.landing.base != event.base:
        return state
    landing = replace(state.landing, parts=state.landing.parts.set(event.members, event.steps))
    return replace(state, landing=landing)


def seal(state: State, rec: ev.Recorded, event: ev.SealIntended) -> State:
    batch = state.landing
    if batch is None:
        return state
    suspects = () if event.suspect is None else (event.suspect,)
    for number in suspects:
        red, green = (tuple(step.issue for step in steps) for steps in (batch.steps or (), event.steps))
        record = replace(state.issues[number], suspected=returning.suspicion(red, green))
        state = put(state, record)
    return replace(
        state,
        landing=replace(batch, chosen=event.steps),
        suspects=(*state.suspects, *suspects),
        effects=state.effects.set("seal", rec),
    )


def sealed(state: State, rec: ev.Recorded, event: ev.LandingSealed) -> State:
    state = done(state, "seal")
    if state.landing is None or state.landing.base != event.base:
        return state
    return replace(state, landing=replace(state.landing, sealed=event.steps))


def move(state: State, rec: ev.Recorded, event: ev.MoveIntended) -> State:
    if state.landing is None:
        return state
    return replace(state, landing=replace(state.landing, moving=True), effects=state.effects.set("move", rec))


def moved(state: State, rec: ev.Recorded, event: ev.TargetMoved) -> State:
    state = done(state, "move")
    for step in event.steps:
        if rules.not_landed_yet(state.issues[step.issue]):
            state = land(state, rec, step.issue, step.commit)
    return close_batch(replace(state, target=event.new, move_blocked=None), rec)


def move_blocked(state: State, rec: ev.Recorded, event: ev.MoveBlocked) -> State:
    state = done(state, "move")
    landing = replace(state.landing, moving=False) if state.landing else None
    return replace(state, landing=landing, move_blocked=event)


def move_unblocked(state: State, rec: ev.Recorded, event: ev.MoveUnblocked) -> State:
    return replace(state, move_blocked=None)


def move_lost(state: State, rec: ev.Recorded, event: ev.MoveLost) -> State:
    return close_batch(done(replace(state, target=event.actual), "move"), rec)


def parked(state: State, rec: ev.Recorded, event: ev.IssueParked) -> State:
    return _out_of_batch(state, rec, event)


def returned(state: State, rec: ev.Recorded, event: ev.CandidateReturned) -> State:
    state = done(state, f"update:{event.issue}")
    waits = state.issues[event.issue].state in (IssueState.QUEUED, IssueState.LANDING)
    return _out_of_batch(state, rec, event) if waits else state


def _out_of_batch(state: State, rec: ev.Recorded, event: ev.CandidateReturned | ev.IssueParked) -> State:
    """The batch that it is in is over; what waits for a slot or a forge is in none."""
    composed = state.issues[event.issue].state is IssueState.LANDING
    state = _off(state, rec, event)
    return close_batch(state, rec) if composed else state


def _off(state: State, rec: ev.Recorded, event: ev.CandidateReturned | ev.IssueParked) -> State:
    """It does not land as it is: it goes back to its agent, or waits for a person."""
    record = state.issues[event.issue]
    if isinstance(event, ev.IssueParked):
        record = replace(record, detail=event.why, hunks=event.hunks, files=event.files)
        return leave(state, record, IssueState.PARKED, rec.at)
    return off_queue(put(state, replace(record, state=IssueState.QUEUED, returned=event)), event.issue)
