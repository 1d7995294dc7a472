"""What lanes save a mono-repo: `python -m benchmarks.lanes [seconds] [slots]`.

Real runs of `mawep start` on two parts: the gate of one takes `seconds` (8 by default), that of the other an eighth of
it, and there are so many slots (2). Two candidates of the slow part are ready; two of the quick one come when the gate
of the first two together has begun. The same with everything gated for each tree, with scopes, and with lanes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.support.world import World

from mawep.core import events as ev

FIRST, LATER = (1, 2), (3, 4)


def run(root: Path, kind: str, seconds: float, slots: int) -> tuple[float, float, int]:
    """Seconds from the later two being made until they, and until all, have landed; and the number of gate runs."""
    takes = {"api": seconds, "web": seconds / 8}
    commands = {part: f"touch {root}/began-$(ls {part} | wc -l); sleep {takes[part]}" for part in takes}
    scopes = [{"name": part, "paths": [part], "commands": [command]} for part, command in commands.items()]
    verify = {"commands": list(commands.values())} if kind == "whole" else {"commands": [], "scopes": scopes}
    world = World(
        root,
        {"api/first": "1\n", "web/first": "1\n"},
        orchestrator={"max_agents": 4},
        verify={**verify, "slots": slots},
        landing={"lanes": kind == "lanes"},
    )
    world.issues(dict.fromkeys((*FIRST, *LATER), ()))
    for part, numbers, sign in (("api", FIRST, "go"), ("web", LATER, "later")):
        for number in numbers:
            world.agent(number, f'{world.until_let(sign)}echo "$MAWEP_ISSUE" > "{part}/$MAWEP_ISSUE"\n')
    mawep = world.begin_start()
    mawep.until("all agents work", lambda: len(world.events(ev.AttemptStarted)) == len((*FIRST, *LATER)))
    world.let("go")
    mawep.until("what the first two made is gated together", (root / "began-3").exists, 20 * seconds)
    world.let("later")
    ended = mawep.wait(60 * seconds)
    assert set(ended.states.values()) == {"landed"}, ended.said
    journal = world.journal()
    ready = max(rec.at for rec in journal if isinstance(rec.event, ev.CandidateImported))
    moved = {
        step.issue: rec.at
        for rec in journal
        if isinstance(rec.event, ev.TargetMoved)
        for step in rec.event.steps
    }
    later, last = max(moved[number] for number in LATER), max(moved.values())
    gates = sum(isinstance(rec.event, ev.GateFinished) for rec in journal)
    return (later - ready).total_seconds(), (last - ready).total_seconds(), gates


def main(seconds: float = 8.0, slots: float = 2) -> None:
    """Measure and print a table."""
    print("| gate | the later two have landed after | all have landed after | gate runs |")
    print("|---|---|---|---|")
    for kind in ("whole", "scopes", "lanes"):
        with tempfile.TemporaryDirectory() as place:
            later, last, gates = run(Path(place), kind, seconds, int(slots))
            print(f"| {kind} | {later:.1f} s | {last:.1f} s | {gates} |", flush=True)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
