"""How long a plan takes with so many agents: the real engine on a virtual clock, with estimates as durations.

An estimate is taken as the least that an issue needs: each try lets every issue overrun by a random share,
exponentially distributed with mean `OVERRUN`. Everything else goes well: every gate is green, nothing
conflicts, and landing takes no time but the gate's. An issue without hours of its author's counts what was estimated,
or one hour.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from math import ceil
from statistics import fmean

import msgspec

from mawep.clock import VirtualClock
from mawep.core import events as ev
from mawep.core import graph
from mawep.core.engine import decide, evolve
from mawep.core.model import GateRecord, GateResult, Issue, Number, Rules, Sha
from mawep.core.state import State
from mawep.simulate.agenda import Agenda

OVERRUN = 0.25
"""By how much of its estimate an issue overruns on average."""

NO_LEASE_ENDS = 1e9
"""Seconds; here no worker is ever lost, so none has to give signs of life."""


@dataclass(frozen=True, slots=True)
class Makespan:
    """What to expect of a plan with so many agents.

    `p50_hours` and `p90_hours` are the makespans that half and nine tenths of the tries do not exceed. No try is
    shorter than `lower_bound_hours`: the longest chain, or all hours on all agents. `utilization` is the mean share
    of the agents' time that is spent on issues. `unknown` are the issues whose author said no hours.
    """

    agents: int
    p50_hours: float
    p90_hours: float
    lower_bound_hours: float
    utilization: float
    unknown: tuple[Number, ...]


def makespans(
    issues: Sequence[Issue], rules: Rules, agents: Iterable[int], *, gate_minutes: float, seeds: int
) -> list[Makespan]:
    """What to expect for each number of agents, from `seeds` tries (at least 1).

    The same arguments give the same answer. A try of 200 issues takes about 60 ms.

    Raises:
        UnknownDependencyError: an issue depends on one that is not in the set.
        CycleError: the dependencies go round in a circle.
    """
    plan = graph.build(issues)
    unknown = tuple(issue.number for issue in issues if issue.estimate_hours is None)
    total, longest = sum(map(graph.hours, issues)), max(plan.remaining.values(), default=0.0)
    durations = [_durations(issues, seed) for seed in range(seeds)]
    found = []
    for count in agents:
        own = msgspec.structs.replace(rules, max_agents=count, lease_seconds=NO_LEASE_ENDS)
        hours = [_Try(issues, own, taken, gate_minutes).hours() for taken in durations]
        busy = [
            min(1.0, sum(taken.values()) / (count * took))
            for taken, took in zip(durations, hours, strict=True)
            if took
        ]
        found.append(
            Makespan(
                agents=count,
                p50_hours=_quantile(hours, 0.5),
                p90_hours=_quantile(hours, 0.9),
                lower_bound_hours=max(longest, total / count),
                utilization=fmean(busy) if busy else 0.0,
                unknown=unknown,
            )
        )
    return found


def _durations(issues: Iterable[Issue], seed: int) -> dict[Number, float]:
    """Hours by issue, in one try."""
    rng = random.Random(seed)  # noqa: S311 - nothing secret hangs on it
    return {issue.number: graph.hours(issue) * (1 + rng.expovariate(1 / OVERRUN)) for issue in issues}


def _quantile(values: Iterable[float], share: float) -> float:
    """The smallest of these values that at least that share of them does not exceed."""
    ordered = sorted(values)
    return ordered[ceil(share * len(ordered)) - 1]


class _Try:
    """One run in which everything goes well."""

    def __init__(
        self, issues: Iterable[Issue], rules: Rules, hours: Mapping[Number, float], gate_minutes: float
    ) -> None:
        self._hours, self._gate_seconds = hours, gate_minutes * 60
        self._clock = VirtualClock()
        self._agenda = Agenda(self._clock)
        self._begin = self._clock.now()
        self._state, self._seq = State(), 0
        self._trees: dict[tuple[Sha, tuple[Number, ...]], Sha] = {}
        self._at_once: deque[ev.AnyEvent] = deque(
            [ev.RunStarted("try", "", "main", "start", tuple(issues), rules)]
        )

    def hours(self) -> float:
        """Run to the end and say how long it took."""
        while self._state.ended is None:
            while self._at_once:
                self._append(self._at_once.popleft())
            commands = decide(self._state, self._clock.now())
            for command in commands:
                self._append(command)
            if not commands:
                self._agenda.pop()()
        return (self._clock.now() - self._begin) / timedelta(hours=1)

    def _append(self, event: ev.AnyEvent) -> None:
        self._seq += 1
        rec = ev.Recorded(self._seq, self._clock.now(), event)
        self._state = evolve(self._state, rec)
        self._answer(rec)

    def _answer(self, rec: ev.Recorded) -> None:
        """Let the effect of an intent succeed, at once or after its time."""
        match rec.event:
            case ev.AttemptAssigned(issue=issue):
                ended = ev.TurnEnded(issue, rec.seq, f"head of {issue}", "end_turn")
                self._later(self._hours[issue] * 3600, ended)
            case ev.ImportIntended(issue=issue, attempt=attempt, head=head, base=base):
                self._at_once.append(
                    ev.CandidateImported(issue, attempt, head, self._tree(base, (issue,)), ())
                )
            case ev.GateIntended(tree=tree):
                green = GateRecord(tree, tree, GateResult.GREEN, (), self._gate_seconds, "")
                self._later(self._gate_seconds, ev.GateFinished(green))
            case ev.LandingOpened(base=base, members=members):
                self._at_once.append(ev.LandingComposed(base, self._steps(base, members)))
            case ev.SealIntended(base=base, steps=steps):
                self._at_once.append(ev.LandingSealed(base, steps))
            case ev.MoveIntended(old=old, new=new, steps=steps):
                self._at_once.append(ev.TargetMoved(old, new, steps))
            case ev.RetireIntended(issues=issues):
                self._at_once.append(ev.WorkspacesRetired(issues))
            case _:
                pass

    def _later(self, seconds: float, event: ev.AnyEvent) -> None:
        self._agenda.after(seconds, partial(self._at_once.append, event))

    def _steps(self, base: Sha, members: tuple[Number, ...]) -> tuple[ev.Step, ...]:
        """Merges without a conflict; a commit is called like its tree."""
        trees = (self._tree(base, members[: position + 1]) for position in range(len(members)))
        return tuple(ev.Step(issue, tree, tree) for issue, tree in zip(members, trees, strict=True))

    def _tree(self, base: Sha, members: tuple[Number, ...]) -> Sha:
        """What these issues make of `base`: one name, whether an agent or a landing made it."""
        return self._trees.setdefault((base, members), f"tree {len(self._trees)}")
