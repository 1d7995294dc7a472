"""What an issue depends on in other repositories, for people and documents."""

from __future__ import annotations

from mawep.core.far import awaited
from mawep.core.model import Number
from mawep.core.state import State
from mawep.observe.readmodel import FarStatus


def far_status(state: State, number: Number) -> tuple[FarStatus, ...]:
    """What an issue depends on in other repositories, each once."""
    sources = {edge.on: edge.source for edge in reversed(state.graph.issues[number].far)}
    known = ((on, state.far.get(on)) for on in awaited(state.graph.issues[number]))
    return tuple(
        FarStatus(str(on), record.state if record else None, record.why if record else "", sources[on])
        for on, record in known
    )
