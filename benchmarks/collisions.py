"""What keeping agents apart is worth: `python -m benchmarks.collisions [seconds] [orders]`.

Real runs of `mawep start`: sixteen issues by scripted agents over one repository, five at a time, each at work for
about `seconds` (6 by default). 36 of the 120 pairs change a common file, four the same line; what does not merge
goes back to its agent. Each way is run in the same `orders` (3) of the issues. What the issues say of files is all that
can be predicted from: nothing, which leaves first come, first served; the files that they change; or, dealt out at
random, those of others.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tests.support.crowd import GATE, SIXTEEN, Crowd

AGENTS, PATIENCE = 5, 600.0


class Way(NamedTuple):
    """One way of keeping agents apart."""

    name: str
    settings: dict[str, Any]


WAYS = (
    Way("`refuse`, files declared", {"policy": "refuse", "declared": True}),
    Way("`warn`, files declared", {"policy": "warn", "declared": True}),
    Way("`off`, predicted", {"policy": "off", "named": "own"}),
    Way("`off`, first come, first served", {"policy": "off"}),
    Way("`off`, predictions shuffled", {"policy": "off", "named": "other"}),
)


class Came(NamedTuple):
    """What came of one run."""

    seconds: float
    landed: int
    lost: int
    conflicts: int
    repairs: int
    at_once: int
    told: int


def tried(way: Way, order: int, seconds: float) -> Came:
    """Run it once."""
    with tempfile.TemporaryDirectory() as place:
        config = {"orchestrator": {"max_agents": AGENTS}, "verify": {"commands": [GATE]}}
        crowd = Crowd(
            Path(place), SIXTEEN, seed=order, seconds=seconds, merging=True, **config, **way.settings
        )
        ended = crowd.world.start(timeout=PATIENCE)
        issues = crowd.world.state().issues.values()
        return Came(
            crowd.seconds,
            sum(state == "landed" for state in ended.states.values()),
            len(crowd.lost()),
            crowd.conflicts,
            sum(record.attempt.repairs for record in issues if record.attempt),
            len(crowd.at_once),
            len(crowd.told),
        )


def main(seconds: float = 6.0, orders: float = 3) -> None:
    """Run all ways and print a table of medians."""
    print("| | makespan | landed | lost | conflicts at landing | repair rounds | pairs at once | both told |")
    print("|---|---|---|---|---|---|---|---|")
    for way in WAYS:
        came = [tried(way, order, seconds) for order in range(1, int(orders) + 1)]
        took, *counts = (median(values) for values in zip(*came, strict=True))
        print(f"| {way.name} | {took:.0f} s | {' | '.join(f'{one:g}' for one in counts)} |", flush=True)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
