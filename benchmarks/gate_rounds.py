"""How many rounds and runs of the gate a batch takes to land: `python -m benchmarks.gate_rounds [seconds]`.

Real runs of `mawep start` with a gate that counts its runs and sleeps `seconds` (2 by default) in each. All candidates
wait before the first batch closes; rounds are counted until everything has landed that can. Overhead is what passes
between the last candidate's arrival and the last move of the target, without the gate.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.support.counting_gate import Batch


class Case(NamedTuple):
    """A batch: of how many, with how many slots, and who of it is red together with the rest."""

    size: int
    slots: int
    together: tuple[int, ...] = ()

    @property
    def told(self) -> str:
        """What is wrong with it."""
        return {0: "all green", 1: "one red"}.get(len(self.together), "red only together")


CASES = (
    Case(8, 1),
    Case(8, 4),
    Case(8, 1, (5,)),
    Case(8, 2, (5,)),
    Case(8, 4, (5,)),
    Case(8, 4, (2, 5)),
    Case(32, 4, (21,)),
)


def main(seconds: float = 2.0) -> None:
    """Measure and print a table."""
    print("| batch | slots | what | rounds | runs | landed | overhead |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        with tempfile.TemporaryDirectory() as place:
            batch = Batch(Path(place), case.size, case.slots, together=case.together, seconds=seconds)
            landed = sum(state == "landed" for state in batch.run(600.0).states.values())
            told = f"{case.size} | {case.slots} | {case.told} | {len(batch.rounds)} | {len(batch.runs)} | {landed}"
            print(f"| {told} | {batch.overhead:.2f} s |", flush=True)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
