"""What to land: when a batch closes, who is in it, and which gate runs it needs. Pure decisions over a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mawep.core import lanes, rules, ways
from mawep.core.culprits import Diagnosis, Part, Probe, diagnose
from mawep.core.events import GateIntended, LandingSetAside, Step
from mawep.core.model import IssueState
from mawep.core.state import Landing, State


def opening(state: State) -> Part:
    """Who lands next, if it is time: one set aside that a verdict came for, a suspect alone, else from the queue."""
    if state.rules.lanes:
        return lanes.told(state) or _in_time(state, lanes.free_members(state))
    return _in_time(state, state.suspects[:1] or state.queue[: state.rules.batch])


def _in_time(state: State, members: Part) -> Part:
    """A batch closes when it is full, nothing else is about to finish, or waiting idles a slot."""
    if not members or len(members) >= state.rules.batch or members[0] in state.suspects:
        return members
    starving = state.dispatching and not state.ready and len(state.slots) < state.rules.max_agents
    starved = starving and any(state.graph.dependents[number] for number in members)
    return members if starved or not _finishing(state, members) else ()


def _finishing(state: State, members: Part) -> bool:
    """True while an attempt is about to finish that could land with these."""
    about = [
        n for n in state.active if state.issues[n].state is IssueState.VERIFYING and not state.can_wait(n)
    ]
    if not state.rules.lanes:
        return bool(about)
    return not lanes.lane_of(state, members).isdisjoint(lanes.lane_of(state, about))


def set_aside(state: State, batch: Landing) -> LandingSetAside | None:
    """What makes way for another lane: a batch that nothing can be done for before a gate that runs has ended."""
    if not state.rules.lanes or batch.chosen is not None or None in batch.parts.values():
        return None
    wanted, _ = wanted_gates(state)
    if wanted and len(state.gating) < state.rules.gate_slots:
        return None
    gates = lanes.awaited(state, batch)
    return LandingSetAside(batch.members, gates) if gates and opening(state) else None


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
        _gate(step, f"landing #{step.issue}, {place} of {len(landing.ways)} ways")
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
            yield _gate(steps[-1], named)


def _gate(step: Step, why: str) -> GateIntended:
    return GateIntended(step.tree, step.commit, why, step.scopes, step.reads)
