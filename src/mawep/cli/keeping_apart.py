"""What it would cost to let nothing run at the same time that is likely to change the same files."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mawep.core.graph import Graph
from mawep.core.model import Rules
from mawep.core.predict.overlap import LIKELY, shared_files
from mawep.simulate.makespan import makespans

TRIES = 20
AFFORDABLE = 2000
"""Issues, or pairs if there are more, times tries that a person waits for."""
GATE_MINUTES = 1.0


@dataclass(frozen=True)
class Apart:
    """How long half of the tries took as they are, and with so many pairs kept apart. Hours are estimates."""

    pairs: int
    hours: float
    apart_hours: float


def cost_of_keeping_apart(plan: Graph, agents: int) -> Apart | None:
    """What the likeliest pairs cost; None when there is none, or too many issues or pairs to try."""
    pairs = [pair for pair in shared_files(plan) if pair.chance >= LIKELY]
    tries = min(TRIES, AFFORDABLE // max(1, len(plan.issues), len(pairs)))
    if not (pairs and tries):
        return None
    # What is kept apart is what declares the same file, so each pair declares one that nobody else knows.
    marks: dict[int, list[str]] = {number: [] for number in plan.issues}
    for pair in pairs:
        for number in (pair.a, pair.b):
            marks[number].append(f"{pair.a} and {pair.b}")
    issues = list(plan.issues.values())
    apart = [msgspec.structs.replace(one, files=(*one.files, *marks[one.number])) for one in issues]
    took = [
        makespans(some, Rules(), [agents], gate_minutes=GATE_MINUTES, seeds=tries)[0].p50_hours
        for some in (issues, apart)
    ]
    return Apart(len(pairs), *(round(hours, 2) for hours in took))
