"""Which of several ways to merge one candidate lands: the gate says, the best first."""

from __future__ import annotations

from mawep.core import rules
from mawep.core.events import Step
from mawep.core.model import GateRecord
from mawep.core.state import Landing, State


def chosen(state: State, batch: Landing) -> Step | None:
    """The best way that is green; None while a better one is being gated, so that speed decides nothing."""
    for step in batch.ways:
        if step.gate in state.gating:
            return None
        record = state.gates.get(step.gate)
        if record is not None and rules.tree_may_land(record):
            return step
    return None


def red(state: State, batch: Landing) -> tuple[GateRecord, ...] | None:
    """The verdicts, when all are there and none lets its way land."""
    found = tuple(state.gates[step.gate] for step in batch.ways if step.gate in state.gates)
    over = len(found) == len(batch.ways) and not any(map(rules.tree_may_land, found))
    return found if over else None


def untried(state: State, batch: Landing) -> tuple[Step, ...]:
    """The ways that are still to be gated, the best first; none when one is green."""
    records = [state.gates.get(step.gate) for step in batch.ways]
    if any(record is not None and rules.tree_may_land(record) for record in records):
        return ()
    return tuple(
        step for step in batch.ways if step.gate not in state.gates and step.gate not in state.gating
    )


def under_way(state: State, batch: Landing) -> bool:
    """True while one of them is being gated."""
    return any(step.gate in state.gating for step in batch.ways)
