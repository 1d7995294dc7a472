"""What to land: when a batch closes, who is in it, and which gate runs it needs. Pure decisions over a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mawep.core import rules, ways
from mawep.core.culprits import Diagnosis, Part, Probe, diagnose
from mawep.core.events import GateIntended, Step
from mawep.core.model import IssueState
from mawep.core.state import Landing, State


def should_open(state: State) -> bool:
    """A batch closes when the queue is full, nothing else is about to finish, or waiting idles a slot."""
    if not state.queue:
        return False
    if len(state.queue) >= state.rules.batch or state.suspects:
        return True
    finishing = any(
        state.issues[n].state is IssueState.VERIFYING and not state.can_wait(n) for n in state.active
    )
    starving = state.dispatching and not state.ready and len(state.slots) < state.rules.max_agents
    return not finishing or (starving and any(state.graph.dependents[n] for n in state.queue))


def next_members(state: State) -> Part:
    """Who goes into the next batch: a known suspect alone, else the queue in its order."""
    return state.suspects[:1] or state.queue[: state.rules.batch]


def composed(landing: Landing, part: Part) -> tuple[Step, ...] | None:
    """The composition of a part of the batch; None when it is not there yet."""
    if landing.steps is not None and part == tuple(step.issue for step in landing.steps):
        return landing.steps
    return landing.parts.get(part)


def may_land(state: State, landing: Landing, part: Part) -> bool | None:
    """What the gate says of a part, None: nothing yet; a part that does not merge by itself may not land."""
    steps = composed(landing, part)
    if steps is None:
        return None
    if not steps:
        return False
    record = state.gates.get(steps[-1].gate)
    return None if record is None else rules.tree_may_land(record)


def diagnose_batch(state: State, landing: Landing) -> Diagnosis:
    """What follows for the batch that is composed now."""
    whole = tuple(step.issue for step in landing.steps or ())
    known = {part: may_land(state, landing, part) for part in (whole, *landing.parts)}
    return diagnose(whole, known, state.rules.gate_slots)


def wanted_gates(state: State) -> tuple[list[GateIntended], list[GateIntended]]:
    """The gate runs that the batch needs and that have not been: now, and only if one of those is red."""
    landing = state.landing
    if landing is None or landing.steps is None or landing.chosen is not None:
        return [], []
    if landing.conflict is not None:
        return _gates_of_ways(state, landing)
    found = diagnose_batch(state, landing)
    if not isinstance(found, Probe):
        return [], []
    now, early = (list(_gates(state, landing, parts)) for parts in found)
    return now, early


def _gates_of_ways(state: State, landing: Landing) -> tuple[list[GateIntended], list[GateIntended]]:
    """One after the other; those that may not be needed take slots that would idle."""
    wanted = [
        GateIntended(
            step.tree, step.commit, f"landing #{step.issue}, {place} of {len(landing.ways)} ways", step.scopes
        )
        for place, step in enumerate(landing.ways, 1)
        if step in ways.untried(state, landing)
    ]
    needed = 0 if ways.under_way(state, landing) else 1
    return wanted[:needed], wanted[needed:]


def _gates(state: State, landing: Landing, parts: Iterable[Part]) -> Iterator[GateIntended]:
    for part in parts:
        steps = composed(landing, part)
        if steps and steps[-1].gate not in state.gates and steps[-1].gate not in state.gating:
            named = "landing " + ", ".join(f"#{number}" for number in part)
            yield GateIntended(steps[-1].tree, steps[-1].commit, named, steps[-1].scopes)
