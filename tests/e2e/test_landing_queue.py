"""The landing queue with a gate that counts: few rounds, few runs, and nothing lands that was not seen green."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support import promises
from tests.support.counting_gate import FIRST, Batch

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("slots", "together", "rounds", "runs"),
    [(4, (), 1, 4), (2, (5,), 3, 5), (4, (5,), 2, 5), (4, (2, 5), 4, 8)],
    ids=["all-green", "one-red-two-slots", "one-red-four-slots", "red-together"],
)
def test_eight_candidates_land_in_few_rounds(
    tmp_path: Path, slots: int, together: tuple[int, ...], rounds: int, runs: int
) -> None:
    batch = Batch(tmp_path, 8, slots, together=together)
    ended = batch.run()
    states = ended.states
    kept_out = {number for number, state in states.items() if state != "landed"}
    assert len(kept_out) == bool(together), ended.said
    assert kept_out <= {FIRST + place for place in together}
    assert all(states[number] == "parked" for number in kept_out)
    assert len(batch.rounds) <= rounds, batch.runs
    assert len(batch.runs) <= runs, batch.runs
    landed = tuple(sorted(path.name for path in batch.world.repo.glob("issue-*.txt")))
    assert landed in {run.files for run in batch.runs if run.green}
    gated = [event.gate for event in batch.world.events(ev.GateIntended)]
    assert len(gated) == len(set(gated)), "a tree was gated twice"
    promises.kept(batch.world, [number for number in states if number not in kept_out])
