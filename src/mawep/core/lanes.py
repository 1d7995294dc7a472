"""Lanes: candidates that cannot affect one another do not wait for one another's gates. Pure decisions over a run.

One batch is composed and landed at a time. One that only waits for gates can be set aside for another lane's; when a
verdict has come it is composed again, on the target as it is then, and what its scopes read is there as it was. That
nothing lands ungated does not hang on this: a verdict is known by what its scopes read. What does is who waits.
"""

from __future__ import annotations

from collections.abc import Iterable

from mawep.core.model import Number
from mawep.core.state import Landing, State

Lane = frozenset[str]
"""The scopes that a change affects."""


def lane_of(state: State, numbers: Iterable[Number]) -> Lane:
    """What the candidates of these issues affect."""
    every = frozenset(scope.name for scope in state.rules.scopes)
    found: Lane = frozenset()
    for number in numbers:
        attempt = state.issues[number].attempt
        affected = attempt.scopes if attempt is not None else None
        found |= every if affected is None else frozenset(affected)
    return found


def told(state: State) -> tuple[Number, ...]:
    """The first batch set aside that something came for; nobody, when all still wait."""
    waiting = (one.members for one in state.aside if not all(gate in state.gating for gate in one.gates))
    return next(waiting, ())


def free_members(state: State) -> tuple[Number, ...]:
    """Who can land beside what is under way: the first that none of it and nobody ahead can affect, and who go with it.

    Nobody overtakes whom it could affect, so that no lane waits for ever. A suspect goes alone.
    """
    held = {number for batch in state.aside for number in batch.members}
    held |= set(state.landing.members if state.landing else ())
    taken = lane_of(state, held)
    group, reach = list[Number](), Lane()
    for number in dict.fromkeys((*state.suspects, *state.queue)):
        lane = lane_of(state, [number])
        if number in held:
            continue
        if not lane.isdisjoint(taken) or (group and lane.isdisjoint(reach)):
            taken |= lane
            continue
        group.append(number)
        reach |= lane
        if number in state.suspects or len(group) == state.rules.batch:
            break
    return tuple(group)


def awaited(state: State, batch: Landing) -> tuple[str, ...]:
    """The gates that the batch waits for, all of them under way."""
    composed = [batch.steps or (), *(steps or () for steps in batch.parts.values())]
    gates = [*(steps[-1].gate for steps in composed if steps), *(way.gate for way in batch.ways)]
    return tuple(gate for gate in dict.fromkeys(gates) if gate in state.gating)
