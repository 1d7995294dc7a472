"""What events about imports and gates make of the state."""

from __future__ import annotations

from typing import cast

from mawep.core import events as ev
from mawep.core.lifecycle.pulls import proposed
from mawep.core.lifecycle.steps import (
    done,
    free_slot,
    put,
)
from mawep.core.model import IssueState
from mawep.core.state import Attempt, IssueRecord, Progress, State, replace


def import_intended(state: State, rec: ev.Recorded, event: ev.ImportIntended) -> State:
    record = state.issues[event.issue]
    if record.attempt is None:
        return state
    state = put(state, replace(record, attempt=replace(record.attempt, progress=Progress.IMPORTING)))
    return replace(state, effects=state.effects.set(f"import:{event.issue}", rec))


def imported(state: State, rec: ev.Recorded, event: ev.CandidateImported) -> State:
    record = state.issues[event.issue]
    if not _importing(record, event.attempt):
        return done(state, f"import:{event.issue}")
    live = cast(Attempt, record.attempt)
    attempt = replace(
        live,
        progress=Progress.IMPORTED,
        commit=event.commit,
        tree=event.tree,
        files=event.files,
        scopes=event.scopes,
        reads=event.reads,
        resolved=tuple(dict.fromkeys((*live.resolved, *event.resolved))),
    )
    return done(put(state, replace(record, attempt=attempt)), f"import:{event.issue}")


def import_refused(state: State, rec: ev.Recorded, event: ev.ImportRefused) -> State:
    record = state.issues[event.issue]
    if not _importing(record, event.attempt):
        return done(state, f"import:{event.issue}")
    attempt = replace(
        cast(Attempt, record.attempt),
        progress=Progress.REFUSED,
        refusal=(event.reason, event.detail, event.repairable),
    )
    return done(put(state, replace(record, attempt=attempt)), f"import:{event.issue}")


def _importing(record: IssueRecord, attempt: int) -> bool:
    live = record.attempt
    return live is not None and live.number == attempt and live.progress is Progress.IMPORTING


def gate(state: State, rec: ev.Recorded, event: ev.GateIntended) -> State:
    return replace(
        state,
        gating=state.gating.set(event.gate, event.why),
        effects=state.effects.set(f"gate:{event.gate}", rec),
    )


def gated(state: State, rec: ev.Recorded, event: ev.GateFinished) -> State:
    name = event.record.gate
    gating = state.gating.delete(name) if name in state.gating else state.gating
    return done(replace(state, gating=gating, gates=state.gates.set(name, event.record)), f"gate:{name}")


def queued(state: State, rec: ev.Recorded, event: ev.CandidateQueued) -> State:
    record = state.issues[event.issue]
    if record.attempt is None:
        return state
    attempt = replace(record.attempt, progress=Progress.QUEUED)
    state = free_slot(
        put(state, replace(record, state=IssueState.QUEUED, attempt=attempt, returned=None, suspected="")),
        event.issue,
    )
    if state.rules.mode == "pull_request":
        return proposed(state, event.issue)
    return replace(state, queue=(*state.queue, event.issue))
