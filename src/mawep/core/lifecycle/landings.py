"""What events about landing make of the state."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core import rules
from mawep.core.lifecycle.steps import (
    close_batch,
    done,
    land,
    leave,
    name,
)
from mawep.core.model import IssueState
from mawep.core.state import Landing, State, replace


def landing_opened(state: State, rec: ev.Recorded, event: ev.LandingOpened) -> State:
    issues = state.issues
    for number in event.members:
        issues = issues.set(number, replace(issues[number], state=IssueState.LANDING))
    return replace(
        state,
        issues=issues,
        landing=Landing(event.base, event.members),
        effects=state.effects.set("compose", rec),
    )


def landing_composed(state: State, rec: ev.Recorded, event: ev.LandingComposed) -> State:
    state = done(state, "compose")
    batch = state.landing
    if batch is None or batch.base != event.base:
        return state
    for conflict in event.conflicts:
        if not conflict.with_:
            why = f"does not merge cleanly with {state.target_branch}: {', '.join(conflict.files)}"
            parked = ev.IssueParked(conflict.issue, why, conflict.hunks, conflict.files)
            state = _park(state, rec, parked)
    if not event.steps:
        return close_batch(state, rec)
    return replace(state, landing=replace(batch, steps=event.steps))


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
    if state.landing is None:
        return state
    suspects = () if event.suspect is None else (event.suspect,)
    return replace(
        state,
        landing=replace(state.landing, chosen=event.steps),
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
    return close_batch(_park(state, rec, event), rec)


def _park(state: State, rec: ev.Recorded, parked: ev.IssueParked) -> State:
    record = replace(state.issues[parked.issue], detail=parked.why, hunks=parked.hunks, files=parked.files)
    return leave(state, record, IssueState.PARKED, rec.at)
