"""A batch of candidates that wait to land all at once, and a gate that counts its runs and takes its time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from mawep.core import events as ev
from mawep.core.engine import decide
from tests.support.world import Ended, Live, World

FIRST = 101

GATE = """\
set -- issue-*.txt
if [ $# = 1 ]; then
    while [ ! -e "{root}/judge" ]; do sleep 0.02; done
    exit 0
fi
began=$(date +%s.%N)
{take}
code=0
{red}
echo "$began $(date +%s.%N) $code $*" >> "{root}/gated"
exit $code
"""
HELD = 'touch "{root}/held/$$"; while [ -e "{root}/held/$$" ]; do sleep 0.02; done'


class Counted(NamedTuple):
    """One run of the gate on what was composed: when, in seconds, and whether it was green."""

    began: float
    ended: float
    green: bool
    files: tuple[str, ...]


class Batch:
    """So many issues whose candidates are all in the queue before the first batch closes.

    Those of `together` are red when all of them are in one tree with at least one more file; each alone is green.
    The gate takes so many `seconds`; None: until all have begun that are waited for together.
    """

    def __init__(
        self, root: Path, size: int, slots: int, *, together: Iterable[int] = (), seconds: float | None = None
    ) -> None:
        self._root, self._size = root, size
        self._held = root / "held"
        spoil = " && ".join(f"[ -e issue-{FIRST + place}.txt ]" for place in together) or "false"
        self._held.mkdir(parents=True, exist_ok=True)
        gate = root / "gate.sh"
        take = HELD.format(root=root) if seconds is None else f"sleep {seconds}"
        gate.write_text(GATE.format(root=root, take=take, red=f"if {spoil}; then code=1; fi"))
        self.world = World(
            root / "world",
            orchestrator={"max_agents": size},
            agents={"repair_rounds": 0},
            verify={"commands": [f"sh {gate}"], "slots": slots},
            conflict_resolution={"semantic_merge": False},  # what the batch itself takes is counted
            landing={"batch": size},
        )
        self.world.issues({FIRST + place: () for place in range(size)})
        for place in range(size):
            script = f'{self.world.until_let("work")}echo "$MAWEP_ISSUE" > "issue-$MAWEP_ISSUE.txt"\n'
            self.world.agent(FIRST + place, script)

    def run(self, patience: float = 180.0) -> Ended:
        """Let all agents end at once, hold their gates until all have ended, and wait until the run is over."""
        world, size = self.world, self._size
        mawep = world.begin_start()
        mawep.until("all agents work", lambda: len(world.events(ev.AttemptStarted)) == size, patience)
        world.let("work")
        mawep.until(
            "all candidates are there", lambda: len(world.events(ev.CandidateImported)) == size, patience
        )
        (self._root / "judge").touch()
        mawep.until("the run is over", lambda: self._look_after_gates(mawep), patience)
        return mawep.wait(patience)

    def _look_after_gates(self, mawep: Live) -> bool:
        """Let the gates go on when the run does nothing before it has their verdicts; True when it is over."""
        if held := list(self._held.iterdir()):
            state = self.world.state()
            gates = {f"gate:{gate}" for gate in state.gating}
            if (
                gates == set(state.effects)
                and len(held) == len(gates)
                and not decide(state, datetime.now(UTC))
            ):
                for mark in held:
                    mark.unlink()
        return mawep.process.poll() is not None

    @property
    def runs(self) -> list[Counted]:
        """The runs of the gate on what was composed, as they began."""
        lines = (self._root / "gated").read_text().splitlines()
        fields = (line.split() for line in lines)
        return sorted(
            Counted(float(began), float(ended), code == "0", tuple(files))
            for began, ended, code, *files in fields
        )

    @property
    def rounds(self) -> list[list[Counted]]:
        """The runs that were waited for together: one that begins when one of its round has ended is a new round."""
        found: list[list[Counted]] = []
        for run in self.runs:
            if not found or run.began >= min(one.ended for one in found[-1]):
                found.append([])
            found[-1].append(run)
        return found

    @property
    def overhead(self) -> float:
        """Seconds from the moment that all candidates wait until the target is moved, without the gate."""
        journal = self.world.journal()
        queued = max(rec.at for rec in journal if isinstance(rec.event, ev.CandidateQueued))
        moved = max(rec.at for rec in journal if isinstance(rec.event, ev.TargetMoved))
        gated = sum(max(run.ended for run in together) - together[0].began for together in self.rounds)
        return (moved - queued).total_seconds() - gated
