"""The agents of a run: which of its slots may be taken."""

from __future__ import annotations

from mawep.core import rules
from mawep.core.state import State


def free(state: State) -> list[int]:
    """The slots that an agent may be put in now, lowest first."""
    empty = [slot for slot in range(state.rules.max_agents) if rules.slot_is_free(state, slot)]
    return [slot for taken, slot in enumerate(empty, len(state.slots)) if rules.agent_is_left(state, taken)]
