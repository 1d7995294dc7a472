"""What to land, and who spoils a batch: pure decisions over composed trees and gate verdicts.

The batch is composed whole and gated once. When that is red, every candidate gets a binary code and one group
per bit is gated (those whose code has the bit): the red groups spell the code of a single culprit, whose
complement is then gated and landed. No single culprit explains what was seen: the longest green prefix is
found by halving and landed, and the candidate behind it is the suspect. With N candidates and one
red that takes 2 + ceil(log2 N) gate runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mawep.core import rules
from mawep.core.events import GateIntended, Step
from mawep.core.model import IssueState, Number
from mawep.core.state import Landing, State

Part = tuple[Number, ...]


class Probe(NamedTuple):
    """These parts have to be gated before more can be said."""

    parts: tuple[Part, ...]


class Land(NamedTuple):
    """This part is green and may land; `suspect` is who made the whole red, if that is known."""

    part: Part
    suspect: Number | None = None


class Eject(NamedTuple):
    """This candidate is red on the target as it stands."""

    number: Number


Diagnosis = Probe | Land | Eject


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


def diagnose(whole: Part, green: Callable[[Part], bool | None], slots: int = 1) -> Diagnosis:
    """What follows for the batch `whole` from what is known of its parts, None standing for nothing yet.

    With enough slots for all of them at once, the code groups are asked for together with the whole.
    """
    verdict = green(whole)
    groups = _code_groups(whole)
    if verdict is None:
        return Probe((whole, *groups) if slots > len(groups) > 0 else (whole,))
    if verdict:
        return Land(whole)
    if len(whole) == 1:
        return Eject(whole[0])
    unknown = tuple(group for group in groups if green(group) is None)
    if unknown:
        return Probe(unknown)
    code = sum(1 << bit for bit, group in enumerate(groups) if not green(group))
    if code < len(whole):
        rest = whole[:code] + whole[code + 1 :]
        verdict = green(rest)
        if verdict is None:
            return Probe((rest,))
        if verdict:
            return Land(rest, whole[code])
    return _longest_green_prefix(whole, green)


def _code_groups(whole: Part) -> tuple[Part, ...]:
    """One group for each bit of the candidates' positions."""
    bits = (len(whole) - 1).bit_length()
    return tuple(tuple(n for i, n in enumerate(whole) if i >> bit & 1) for bit in range(bits))


def _longest_green_prefix(whole: Part, green: Callable[[Part], bool | None]) -> Diagnosis:
    good, bad = 0, len(whole)
    while bad - good > 1:
        middle = (good + bad) // 2
        verdict = green(whole[:middle])
        if verdict is None:
            return Probe((whole[:middle],))
        if verdict:
            good = middle
        else:
            bad = middle
    return Land(whole[:good], whole[good]) if good else Eject(whole[0])


def wanted_gates(state: State) -> tuple[GateIntended, ...]:
    """The gate runs on composed parts that the batch needs and that have not been."""
    landing = state.landing
    if landing is None or landing.steps is None or landing.chosen is not None:
        return ()
    diagnosis = diagnose_batch(state, landing)
    if not isinstance(diagnosis, Probe):
        return ()
    found = [(part, composed(landing, part)) for part in diagnosis.parts]
    return tuple(
        GateIntended(steps[-1].tree, steps[-1].commit, _named(part), steps[-1].scopes)
        for part, steps in found
        if steps and steps[-1].gate not in state.gates and steps[-1].gate not in state.gating
    )


def _named(part: Part) -> str:
    return "landing " + ", ".join(f"#{number}" for number in part)


def diagnose_batch(state: State, landing: Landing) -> Diagnosis:
    """`diagnose` for the batch that is composed now."""
    whole = tuple(step.issue for step in landing.steps or ())
    return diagnose(whole, lambda part: may_land(state, landing, part), state.rules.gate_slots)
