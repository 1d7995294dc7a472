"""Many issues over one repository, some of which change the same files, and a few the same line."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from mawep.core import events as ev
from mawep.core.touched import SHARED
from tests.support.world import World

Pair = tuple[int, int]

AT_ONCE = timedelta(seconds=2)
"""What is over sooner nobody can be told of in time: changes are looked for every second."""

AGENT = """\
if [ -s "$MAWEP_FEEDBACK_FILE" ]; then
    git -c user.name=a -c user.email=a@example.invalid merge -q -X ours -m "take the target in" main
else
    {edits}
    {until}
    sleep {half}
    echo "$MAWEP_ISSUE" > "issue-$MAWEP_ISSUE.txt"
    git add -A
    git -c user.name=a -c user.email=a@example.invalid commit -q -m "work on $MAWEP_ISSUE"
    sleep {half}
fi
"""
GATE = "! grep -rn '^<<<<<<<' src && for file in src/*.py; do python3 -B \"$file\" || exit 1; done"


@dataclass(frozen=True)
class Plan:
    """Issues by place, from 1. Those of a group change one file in a part of their own, those of a clash one line."""

    size: int
    groups: tuple[tuple[int, ...], ...]
    clashes: tuple[Pair, ...]

    @property
    def sharing(self) -> frozenset[Pair]:
        """The pairs that change a common file."""
        return frozenset(pair for group in self.groups for pair in combinations(sorted(group), 2))


SIXTEEN = Plan(
    16,
    ((1, 2, 3, 4, 5), (6, 7, 8, 9, 10), (11, 12, 13, 14, 15), (1, 6, 11, 16)),
    ((2, 3), (7, 8), (12, 13), (1, 16)),
)
"""36 of 120 pairs share a file, 30 %; four of them conflict."""
EIGHT = Plan(8, ((1, 2, 3, 4), (5, 6, 7)), ((1, 2), (5, 6)))
"""9 of 28 pairs share a file, 32 %; two of them conflict."""


class Crowd:
    """A run of such issues. `seed` deals out their numbers and how long each takes, around `seconds`.

    `declared`: they declare the files that they change. `named` says whose files the text of each names: its `own`,
    those of some `other`, or `none`. `held`: agents that have made their edits wait for `let("go")`.
    `merging`: work that does not land goes back to its agent, which takes the target in.
    """

    def __init__(
        self,
        root: Path,
        plan: Plan,
        *,
        policy: str,
        declared: bool = False,
        named: str = "none",
        seed: int = 0,
        seconds: float = 0.0,
        held: bool = False,
        merging: bool = False,
        **config: Any,
    ) -> None:
        rng = random.Random(seed)
        dealt = rng.sample(range(101, 101 + plan.size), plan.size) if seed else range(101, 101 + plan.size)
        self.number = dict(zip(range(1, plan.size + 1), dealt, strict=True))
        self.plan = plan
        conflicts = {"on_claim_conflict": policy, "semantic_merge": merging}
        settings = {"conflict_resolution": conflicts, **config}
        self.world = World(
            root, {self._file(n): self._module(n) for n in range(len(plan.groups))}, **settings
        )
        texts = self._texts(named, rng)
        for place, number in sorted(self.number.items(), key=lambda one: one[1]):
            files = self.files(place)
            self.world.issue(number, files=files if declared else (), text=texts[place])
            half = seconds * rng.uniform(0.5, 1.5) / 2
            until = World.until_let("go") if held else ""
            self.world.agent(number, AGENT.format(edits=self._edits(place), until=until, half=f"{half:.2f}"))

    def files(self, place: int) -> list[str]:
        """The shared files that the issue at a place changes."""
        return [self._file(n) for n, group in enumerate(self.plan.groups) if place in group]

    def pairs(self, places: Iterable[Pair]) -> set[Pair]:
        """Pairs of places as pairs of issues, the smaller number first."""
        return {self._pair(self.number[a], self.number[b]) for a, b in places}

    def lost(self) -> list[int]:
        """The issues whose work is neither on the target nor, unlanded, whole on their branch."""
        state = self.world.state()
        missing = []
        for place, number in self.number.items():
            record = state.issues[number]
            where = "main" if record.landed_as else record.attempt.branch if record.attempt else "main"
            shown = [self.world.git("show", f"{where}:{file}") for file in self.files(place)]
            if not all(f"return {number}" in text for text in shown):
                missing.append(number)
        return missing

    # --- what came of it, from the journal

    @property
    def seconds(self) -> float:
        """From the first assignment to the last landing, or the end of the last attempt."""
        times = [
            rec.at for rec in self.world.journal() if isinstance(rec.event, ev.AttemptAssigned | ev.RunEnded)
        ]
        return (times[-1] - times[0]).total_seconds()

    @property
    def conflicts(self) -> int:
        """How often a candidate did not merge when it was to land."""
        return sum(len(event.conflicts) for event in self.world.events(ev.LandingComposed))

    @property
    def at_once(self) -> set[Pair]:
        """The pairs that share a file and were worked on at the same time, for `AT_ONCE` or longer."""
        spans = self._spans()
        sharing = {pair for pair in self.pairs(self.plan.sharing) if set(pair) <= set(spans)}
        return {
            (a, b)
            for a, b in sharing
            if min(spans[a][1], spans[b][1]) - max(spans[a][0], spans[b][0]) >= AT_ONCE
        }

    @property
    def told(self) -> set[Pair]:
        """Those of them of which both were told while both were at work."""
        spans, told = self._spans(), set[Pair]()
        for rec in self.world.journal():
            if isinstance(rec.event, ev.MessageSent) and rec.event.lead == SHARED:
                told.add((rec.event.issue, int(rec.event.text.split()[0].removeprefix("#"))))
        return {
            (a, b)
            for a, b in self.at_once
            if {(a, b), (b, a)} <= told and self._told_at(a, b) < min(spans[a][1], spans[b][1])
        }

    def _told_at(self, a: int, b: int) -> datetime:
        return next(
            rec.at
            for rec in self.world.journal()
            if isinstance(rec.event, ev.MessageSent)
            and rec.event.issue == a
            and rec.event.text.startswith(f"#{b} ")
        )

    def _spans(self) -> dict[int, tuple[datetime, datetime]]:
        """When the first turn of each issue was given out and ended."""
        begun: dict[int, datetime] = {}
        spans: dict[int, tuple[datetime, datetime]] = {}
        for rec in self.world.journal():
            if isinstance(rec.event, ev.AttemptAssigned):
                begun.setdefault(rec.event.issue, rec.at)
            elif isinstance(rec.event, ev.TurnEnded):
                spans.setdefault(rec.event.issue, (begun[rec.event.issue], rec.at))
        return spans

    # --- what there is at the beginning

    def _texts(self, named: str, rng: random.Random) -> dict[int, str]:
        """What each issue says of files: an agent does not read it, the prediction does."""
        places = list(self.number)
        said = dict(zip(places, places if named == "own" else rng.sample(places, len(places)), strict=True))
        return {
            place: "" if named == "none" else "".join(f"Change {file}.\n" for file in self.files(said[place]))
            for place in places
        }

    @staticmethod
    def _file(group: int) -> str:
        return f"src/part_{group}.py"

    def _module(self, group: int) -> str:
        parts = [
            f"\n\ndef step_{self.number[place]}():\n    first = {place}\n    second = first\n    return 0\n"
            for place in self.plan.groups[group]
        ]
        return "LIMIT = 10\n" + "".join(parts)

    def _edits(self, place: int) -> str:
        number, commands = self.number[place], []
        for group, members in enumerate(self.plan.groups):
            if place in members:
                within = f"/^def step_{number}()/,/return/"
                commands.append(f'sed -i "{within}s/return .*/return {number}/" {self._file(group)}')
            if any(place in pair and set(pair) <= set(members) for pair in self.plan.clashes):
                commands.append(f'sed -i "s/^LIMIT = .*/LIMIT = {number}/" {self._file(group)}')
        return "\n    ".join(commands)

    @staticmethod
    def _pair(a: int, b: int) -> Pair:
        return (a, b) if a < b else (b, a)
