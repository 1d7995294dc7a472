"""How often issues that change the same file are worked on at the same time, with and without predictions.

Run it with `python -m benchmarks.order_of_work REPO [LANDINGS]`. The newest landings of a repository are taken for
issues, 40 at a time, and the real engine gives them to five agents under a virtual clock: as it predicts, without
predictions, and with predictions dealt out at random. What they truly changed says who shared a file. Everything
that is known of them beforehand is older than all of them.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import combinations
from pathlib import Path

from benchmarks.core_decisions import NOW, answers
from benchmarks.prediction import NEWEST, site
from mawep.adapters.git import find_repository
from mawep.core import events as ev
from mawep.core.engine import decide, evolve
from mawep.core.model import Issue, Likely, Rules
from mawep.core.predict.past import Landing
from mawep.core.state import State

ISSUES, AGENTS, SEEDS = 40, 5, 10
Span = tuple[float, float]


class Run:
    """A run in which everything goes well; an issue takes its hours."""

    def __init__(self, issues: Sequence[Issue], hours: Mapping[int, float]) -> None:
        self._hours = hours
        self._state, self._seq, self._now = State(), 0, 0.0
        self._ahead: list[tuple[float, int, ev.AnyEvent]] = []
        self.spans: dict[int, Span] = {}
        rules = Rules(max_agents=AGENTS, lease_seconds=1e9)
        self._fold(ev.RunStarted("run", "", "main", "0" * 40, tuple(issues), rules))

    def hours(self) -> float:
        """Land everything; gives the makespan."""
        while self._state.ended is None:
            commands = decide(self._state, NOW + timedelta(hours=self._now))
            for command in commands:
                self._fold(command)
            if not commands:
                self._now, _, event = heapq.heappop(self._ahead)
                self._fold(event)
        return self._now

    def _fold(self, event: ev.AnyEvent) -> None:
        self._seq += 1
        at = NOW + timedelta(hours=self._now)
        self._state = evolve(self._state, ev.Recorded(self._seq, at, event))
        takes = self._hours[event.issue] if isinstance(event, ev.AttemptAssigned) else 0.0
        if isinstance(event, ev.AttemptAssigned):
            self.spans[event.issue] = (self._now, self._now + takes)
        for place, answer in enumerate(answers(self._seq, event)):
            later = takes if isinstance(answer, ev.TurnEnded) else 0.0
            heapq.heappush(self._ahead, (self._now + later, 10 * self._seq + place, answer))


def together(spans: Mapping[int, Span], landings: Mapping[int, Landing]) -> int:
    """Pairs that shared a file and were worked on at the same time."""
    return sum(
        spans[a][0] < spans[b][1] and spans[b][0] < spans[a][1]
        for a, b in combinations(spans, 2)
        if not set(landings[a].files).isdisjoint(landings[b].files)
    )


def tried(landings: Sequence[Landing], likely: Sequence[tuple[Likely, ...]], seed: int) -> tuple[int, float]:
    """One run: how many pairs shared a file at the same time, and its makespan."""
    rng = random.Random(seed)
    order = rng.sample(range(len(landings)), len(landings))
    hours = {number: rng.uniform(0.5, 1.5) for number in range(1, len(landings) + 1)}
    issues = [
        Issue(number, landings[place].title, estimate_hours=1.0, predicted=likely[place])
        for number, place in enumerate(order, 1)
    ]
    run = Run(issues, hours)
    took = run.hours()
    return together(run.spans, {number: landings[place] for number, place in enumerate(order, 1)}), took


async def main(path: Path, newest: int) -> None:
    """Run, count, print."""
    found = await site(await find_repository(path), newest)
    likely = [found.predictor.likely(Issue(n, one.title)) for n, one in enumerate(found.tested)]
    dealt = random.Random(1).sample(likely, len(likely))
    nothing: list[tuple[Likely, ...]] = [() for _ in likely]
    groups = [slice(start, start + ISSUES) for start in range(0, len(likely) - ISSUES + 1, ISSUES)]
    print(f"{path.name}: {len(groups)} times {ISSUES} issues, {AGENTS} agents, {SEEDS} orders of each")
    for name, used in (("without", nothing), ("at random", dealt), ("predicted", likely)):
        results = [tried(found.tested[some], used[some], seed) for some in groups for seed in range(SEEDS)]
        pairs, hours = (sum(values) / len(results) for values in zip(*results, strict=True))
        print(f"{name:<10} {pairs:.1f} pairs share a file at the same time, makespan {hours:.2f} hours")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else NEWEST))
