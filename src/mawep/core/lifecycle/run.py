"""What events about the run as a whole make of the state."""

from __future__ import annotations

from datetime import timedelta

from immutables import Map

from mawep.core import events as ev
from mawep.core import graph, rules
from mawep.core.claims import ClaimTable
from mawep.core.far import awaited
from mawep.core.lifecycle.steps import (
    close_batch,
    release,
    without_lost_verdicts,
)
from mawep.core.model import IssueState
from mawep.core.state import IssueRecord, Progress, State, replace


def run_started(state: State, rec: ev.Recorded, event: ev.RunStarted) -> State:
    plan = graph.build(event.issues)
    state = State(
        run=event.run,
        trace=event.trace,
        target_branch=event.target_branch,
        target=event.target,
        first_target=event.target,
        rules=event.rules,
        settings=event.settings,
        gate=event.gate,
        digests=Map(event.digests),
        branches=Map({int(number): branch for number, branch in event.branches.items()}),
        suffixed=frozenset(event.suffixed),
        runtime=event.runtime,
        routed=Map({int(number): routed for number, routed in event.routed.items()}),
        graph=plan,
        issues=Map({n: IssueRecord(n, IssueState.WAITING) for n in plan.issues}),
        claims=ClaimTable(exclusive=event.rules.on_claim_conflict == "refuse"),
        unmet=Map({n: len(needed) + len(awaited(plan.issues[n])) for n, needed in plan.dependencies.items()}),
        started_at=rec.at,
    )
    return release(state, plan.issues)


def run_resumed(state: State, rec: ev.Recorded, event: ev.RunResumed) -> State:
    """Turns that were running have lost their worker; what had no verdict is gated again."""
    if event.gate not in {"", state.gate}:
        state = _gated_anew(state, rec, event.gate)
    if event.lanes is not None and not {scope.name for scope in state.rules.scopes} <= set(event.lanes):
        state = _without_lanes(state, rec)
    issues, kept = state.issues, state.rules
    for number in state.active:
        attempt = issues[number].attempt
        if attempt is None:
            continue
        if attempt.progress in (Progress.RUNNING, Progress.ORPHANED):
            # Nobody knows when its agent died: minutes count from when it runs again.
            attempt = replace(attempt, progress=Progress.ORPHANED, works_since=None)
        elif attempt.progress is Progress.STOPPING:  # the worker is told again, and has time to answer
            attempt = replace(attempt, lease_until=rec.at + timedelta(seconds=state.rules.lease_seconds))
        issues = issues.set(number, replace(issues[number], attempt=attempt))
    effects = state.effects
    for key in state.effects:
        if key.startswith("turn:"):
            effects = effects.delete(key)
    return replace(
        without_lost_verdicts(state),
        issues=issues,
        effects=effects,
        rerun=event.rerun,
        rules=kept if event.budget is None else replace(kept, budget=event.budget),
        warned=state.warned if event.budget in (None, kept.budget) else frozenset(),
        interrupted=0,
        stopped=None,
        paused=None,
        move_blocked=None,
        allowed=0,
    )


def _gated_anew(state: State, rec: ev.Recorded, gate: str) -> State:
    """What another gate said is forgotten, and what is about to land on its word."""
    return _closed(replace(state, gate=gate, gates=Map()), rec)


def _without_lanes(state: State, rec: ev.Recorded) -> State:
    """From now on a verdict holds for the tree that was gated, whatever the gate reads of it."""
    return _closed(replace(state, rules=replace(state.rules, lanes=False), aside=()), rec)


def _closed(state: State, rec: ev.Recorded) -> State:
    """What is about to land is composed again; a move that began is completed."""
    return state if state.landing is None or state.landing.moving else close_batch(state, rec)


def paused(state: State, rec: ev.Recorded, event: ev.DispatchPaused) -> State:
    return replace(state, paused=event.by)


def unpaused(state: State, rec: ev.Recorded, event: ev.DispatchUnpaused) -> State:
    return replace(state, paused=None)


def interrupted(state: State, rec: ev.Recorded, event: ev.Interrupted) -> State:
    return replace(state, interrupted=max(state.interrupted, event.level))


def run_stopped(state: State, rec: ev.Recorded, event: ev.RunStopped) -> State:
    return replace(state, stopped=event.what)


def run_ended(state: State, rec: ev.Recorded, event: ev.RunEnded) -> State:
    return replace(state, ended=event.outcome, ended_at=rec.at)


def target_advanced(state: State, rec: ev.Recorded, event: ev.TargetAdvanced) -> State:
    """While a move of ours is under way, only its own result says where the target is."""
    batch = state.landing
    if (batch is not None and batch.moving) or not rules.merge_is_free(state):
        return state
    state = replace(state, target=event.sha)
    return state if batch is None or rules.target_is_unmoved(state, batch.base) else close_batch(state, rec)
