"""Runs many simulated schedules and counts what happened in them: `python -m benchmarks.schedules [SEEDS] [FIRST]`.

A schedule is the real engine under a virtual clock, with crashes, red gates, conflicts and lost workers as its seed has
it; every tenth one has several repositories. An observer that does not know the engine's rules holds each against the
promises in docs/simulation.md. Any that is broken is printed with its seed, and makes the exit code 1.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from mawep.core import events as ev
from mawep.simulate import Run, Violation, simulate, simulate_group

GROUPS = 10
"""One schedule of so many has several repositories."""


def counted(seed: int) -> tuple[Counter[str], str]:
    """What happened in the schedule of a seed, and the promise that it broke, if it did."""
    counts: Counter[str] = Counter({"schedules": 1})
    try:
        runs = list(simulate_group(seed).runs.values()) if seed % GROUPS == 0 else [simulate(seed)]
    except Violation as violation:
        return counts, str(violation)
    for run in runs:
        counts.update(_of_run(run))
    return counts, ""


def _of_run(run: Run) -> Iterator[str]:
    yield "runs"
    yield from ["crashes of the orchestrator"] * run.crashes
    yield from (f"issues {record.state}" for record in run.state.issues.values())
    for rec in run.journal:
        yield "events"
        match rec.event:
            case ev.GateFinished(record=gate):
                yield f"gate runs: {gate.result.lower()}"
            case ev.TargetMoved():
                yield "moves of the target"
            case ev.SealIntended(suspect=int()):
                yield "red batches of which a part landed"
            case ev.LandingComposed(conflicts=conflicts):
                yield from ["conflicts at landing"] * len(conflicts)
            case _:
                pass


def main(seeds: int = 10_000, first: int = 0) -> None:
    """Run them on all processors; print a table and what was broken."""
    began, total, broken = time.monotonic(), Counter[str](), list[str]()
    with ProcessPoolExecutor() as pool:
        for counts, violation in pool.map(counted, range(first, first + seeds), chunksize=50):
            total += counts
            broken += [violation] if violation else []
    print(
        f"Seeds {first} to {first + seeds - 1}, {time.monotonic() - began:.0f} s on {os.cpu_count()} processors\n"
    )
    print("| what | how often |\n|---|---|")
    for what, often in sorted(total.items()):
        print(f"| {what} | {often:,} |")
    print(f"| promises broken | {len(broken)} |")
    print(*broken, sep="\n")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
