"""How fast the core plans 10,000 issues with 30,000 edges, and how fast it decides from there on.

Run it with `python -m benchmarks.core_decisions`. It lands every issue, answering each intent at once, and
measures each call of `decide` and `evolve` by itself, in processor time. It prints the figures, and its exit
code is 1 when the plan took a second or more, or more than one decision in 1,000 a millisecond or more.
"""

from __future__ import annotations

import random
import sys
import time
from collections import deque
from datetime import UTC, datetime

from mawep.core import events as ev
from mawep.core.engine import decide, evolve
from mawep.core.model import Budget, Dependency, GateRecord, GateResult, Issue, Rules
from mawep.core.state import State

ISSUES, EDGES, AGENTS = 10_000, 30_000, 50
PLAN_BAR, DECISION_BAR = 1.0, 0.001
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def issues() -> tuple[Issue, ...]:
    """Issues of which every edge leads to an earlier one."""
    rng = random.Random(1)
    needed: dict[int, set[int]] = {number: set() for number in range(1, ISSUES + 1)}
    edges = 0
    while edges < EDGES:
        on, number = sorted(rng.sample(range(1, ISSUES + 1), 2))
        if on not in needed[number]:
            needed[number].add(on)
            edges += 1
    return tuple(
        Issue(
            number=number,
            title=f"issue {number}",
            estimate_hours=rng.choice((0.5, 1.0, 2.0)),
            depends_on=tuple(map(Dependency, sorted(on))),
            files=(f"src/part{number % 977}/module{number}.py",),
        )
        for number, on in needed.items()
    )


class Bench:
    """A run whose every effect succeeds at once, with a stopwatch on the core."""

    def __init__(self) -> None:
        self.state = State()
        self.seq = 0
        self.ahead: deque[ev.AnyEvent] = deque()
        self.decisions: list[float] = []
        self.folds: list[float] = []

    def fold(self, event: ev.AnyEvent) -> float:
        """Journal one event and answer it; gives the seconds that `evolve` took."""
        self.seq += 1
        begin = time.thread_time()
        self.state = evolve(self.state, ev.Recorded(self.seq, NOW, event))
        took = time.thread_time() - begin
        self.ahead += answers(self.seq, event)
        return took

    def run(self) -> None:
        """Land everything."""
        self.decide()
        while self.ahead:
            self.folds.append(self.fold(self.ahead.popleft()))
            self.decide()

    def decide(self) -> None:
        begin = time.thread_time()
        commands = decide(self.state, NOW)
        self.decisions.append(time.thread_time() - begin)
        for command in commands:
            self.folds.append(self.fold(command))
        if commands and not self.ahead:
            self.decide()


def answers(seq: int, event: ev.AnyEvent) -> list[ev.AnyEvent]:
    """What an event leads to when all goes well."""
    match event:
        case ev.AttemptAssigned(issue=issue):
            return [ev.AttemptStarted(issue, seq, 1), ev.TurnEnded(issue, seq, f"h{issue}", "end_turn")]
        case ev.ImportIntended(issue=issue, attempt=attempt):
            return [ev.CandidateImported(issue, attempt, f"c{issue}", f"t{issue}", ())]
        case ev.GateIntended(tree=tree):
            return [ev.GateFinished(GateRecord(tree, tree, GateResult.GREEN, (), 1.0, ""))]
        case ev.LandingOpened(base=base, members=members):
            steps = tuple(ev.Step(n, f"m{seq}-{n}", f"u{seq}-{n}") for n in members)
            return [ev.LandingComposed(base, steps)]
        case ev.SealIntended(base=base, steps=steps):
            return [ev.LandingSealed(base, steps)]
        case ev.MoveIntended(old=old, new=new, steps=steps):
            return [ev.TargetMoved(old, new, steps)]
        case ev.RetireIntended(issues=retired):
            return [ev.WorkspacesRetired(retired)]
        case _:
            return []


def shown(name: str, seconds: list[float]) -> str:
    """Count, mean, p99.9 and worst, for people."""
    ordered = sorted(seconds)
    mean, high, worst = (1000 * x for x in (sum(ordered) / len(ordered), high_of(seconds), ordered[-1]))
    return f"{name:<10} {len(ordered):,} times: mean {mean:.3f} ms, p99.9 {high:.3f} ms, worst {worst:.3f} ms"


def high_of(seconds: list[float]) -> float:
    """What 999 of 1,000 do not exceed; the rest is the garbage collector's."""
    return sorted(seconds)[int(len(seconds) * 0.999)]


def main() -> int:
    """Measure, print, judge."""
    bench = Bench()
    rules = Rules(max_agents=AGENTS, budget=Budget(run_tokens=10**9))
    started = ev.RunStarted("run", "", "main", "0" * 40, issues(), rules)
    plan = bench.fold(started)
    bench.run()
    print(f"plan       {ISSUES:,} issues, {EDGES:,} edges: {plan:.3f} s")
    print(shown("decide", bench.decisions))
    print(shown("evolve", bench.folds))
    print(f"landed     {bench.state.landed:,} with {AGENTS} agents in {bench.seq:,} events")
    if bench.state.ended != "landed":
        raise AssertionError(f"the run ended as {bench.state.ended}")
    within = plan < PLAN_BAR and high_of(bench.decisions) < DECISION_BAR
    print("within the bar" if within else "over the bar")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
