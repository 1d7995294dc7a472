"""Several runs in one process that dies and comes back, tied together as the hub does it: with an oracle over all."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from mawep.clock import VirtualClock
from mawep.core import events as ev
from mawep.core import group
from mawep.core.far import awaited
from mawep.core.model import Far, FarDependency, IssueState
from mawep.core.state import State
from mawep.simulate.hall import Hall, Run
from mawep.simulate.observer import Invariant, Violation
from mawep.simulate.scenario import Scenario, scenario
from mawep.simulate.world import Crash

NAMES = ("acme/api", "acme/web", "acme/docs")
MOST_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Together:
    """Runs that broke no invariant, by repository, and how often their process was begun."""

    seed: int
    runs: dict[str, Run]
    processes: int


def simulate_group(seed: int) -> Together:
    """Run the scenarios of a seed to their end, two or three together; the same seed gives the same journals.

    Raises:
        Violation: an invariant does not hold.
    """
    return _Group(seed, *plans(seed)).run()


def plans(seed: int) -> tuple[int, dict[str, Scenario]]:
    """How many agents a group has, and the scenario of each member, with dependencies between them."""
    rng = random.Random(f"group {seed}")  # noqa: S311 - nothing secret hangs on it
    agents, names = rng.randint(1, 5), NAMES[: rng.randint(2, 3)]
    # Far apart from one another and from the seeds of runs that stand alone, and without chance of their own.
    members = {name: scenario(1_000_003 * (position + 1) + seed) for position, name in enumerate(names)}
    density = rng.choice((0.05, 0.15, 0.4))
    return agents, {name: _joined(name, members, agents, density, rng) for name in names}


def _joined(
    name: str, members: dict[str, Scenario], agents: int, density: float, rng: random.Random
) -> Scenario:
    """Edges go to issues that come earlier in the list of their repository, so that there is no circle."""
    plan = members[name]
    issues = []
    for position, issue in enumerate(plan.issues):
        earlier = (
            Far(other, needed.number)
            for other, there in members.items()
            for needed in there.issues[:position]
            if other != name
        )
        far = tuple(FarDependency(on) for on in earlier if rng.random() < density)
        issues.append(msgspec.structs.replace(issue, far=far))
    rules = msgspec.structs.replace(plan.rules, max_agents=agents, shared=True)
    if all(member.willing for member in members.values()):  # none of them can see that it closes a circle
        outside = tuple(one for one in plan.outside if not isinstance(one[1], ev.DependencyAdded))
        plan = replace(plan, outside=outside)
    else:
        plan = replace(plan, willing=False)
    return replace(plan, issues=tuple(issues), rules=rules)


class _Group:
    """One process after another that conducts all members which have not ended."""

    def __init__(self, seed: int, agents: int, members: dict[str, Scenario]) -> None:
        self._seed, self._agents, self._plans = seed, agents, members
        self._clock = VirtualClock()
        self._halls = {
            name: Hall(plan, self._clock, partial(self._saw, name)) for name, plan in members.items()
        }
        self._group = group.group_of(agents, members)
        self._checked = dict.fromkeys(members, 0)
        self._processes = 0

    def run(self) -> Together:
        """Run to the end."""
        for hall in self._halls.values():
            hall.arrange()
        self._try(self._open)
        for _ in range(MOST_STEPS):
            if self._is_over():
                self._judge_end()
                return Together(
                    self._seed, {name: hall.over() for name, hall in self._halls.items()}, self._processes
                )
            self._try(self._step)
        raise Violation(self._seed, Invariant.ENDS, f"more than {MOST_STEPS} steps")

    def _try(self, step: Callable[[], None]) -> None:
        """Take a step; where the process dies of it, another one begins."""
        while True:
            try:
                return step()
            except Crash:
                step = self._open
            except Violation as found:  # a member's seed alone would not show it again
                raise Violation(self._seed, found.invariant, found.detail) from found

    # --- one process

    def _open(self) -> None:
        """A new process: who has ended is left alone, unless there is something to do for it again."""
        self._processes += 1
        for hall in self._halls.values():
            hall.fall()
        while news := self._missed():
            for name, event in news:
                self._halls[name].receive(event)
        self._group = group.group_of(self._agents, self._halls)
        for name, hall in self._halls.items():
            if not hall.state.run:
                hall.start()
            self._group = group.seen(self._group, name, hall.state, self._clock.now())
            if hall.state.ended is not None:
                self._group = group.left(self._group, name)
        self._level()

    def _step(self) -> None:
        """Whatever happens next in one of the runs, and what follows for the others."""
        ahead = [(at, name) for name in self._conducted() if (at := self._halls[name].next()) is not None]
        if not ahead:
            stand = {name: hall.state.ended for name, hall in self._halls.items()}
            self._require(all(stand.values()), Invariant.ENDS, f"nothing will ever happen again: {stand}")
            self._open()  # a person sees that one of them can go on
            return
        _, name = min(ahead)
        self._halls[name].go_on()
        self._interrupt()
        for name in self._conducted():
            self._leave(name)
        self._level()
        self._judge()
        if self._nobody_is_left() or self._somebody_is_back():
            self._clock.advance(60)
            self._open()

    def _conducted(self) -> Iterator[str]:
        """Runs that go on, and those that have ended, to which people may still do something."""
        for name, member in self._group.members.items():
            ended = self._halls[name].state.ended is not None
            if (member.admitted and not member.left) or ended:
                yield name

    def _saw(self, name: str, state: State) -> None:
        if self._processes:
            self._group = group.seen(self._group, name, state, self._clock.now())

    def _level(self) -> None:
        while name := group.admissible(self._group):
            self._group = group.admit(self._group, name)
            self._halls[name].rise()
        news = group.news(self._group)
        self._group = group.told(self._group, news)
        for name, event in news:
            self._halls[name].tell(event)

    def _interrupt(self) -> None:
        """Ctrl-C reaches all of a process."""
        levels = (hall.state.interrupted for hall in self._halls.values() if hall.state.running)
        level = max(levels, default=0)
        if level:
            self._group = group.interrupted(self._group)
        for name in self._conducted():
            hall = self._halls[name]
            if hall.state.running and hall.state.interrupted < level:
                hall.receive(ev.Interrupted(level))

    def _leave(self, name: str) -> None:
        hall = self._halls[name]
        if self._group.members[name].left:
            return
        if hall.state.ended is not None:
            self._group = group.left(self._group, name)
        elif hall.state.stopped or (hall.state.interrupted and hall.state.resting):
            self._group = group.left(self._group, name)
            hall.fall()

    # --- the end

    def _nobody_is_left(self) -> bool:
        unended = [name for name, hall in self._halls.items() if hall.state.ended is None]
        waiting = all(self._group.members[name].left or self._group.interrupted for name in unended)
        return bool(unended) and waiting and not any(map(self._goes_on, unended))

    def _goes_on(self, name: str) -> bool:
        member = self._group.members[name]
        return member.admitted and not member.left

    def _somebody_is_back(self) -> bool:
        """A person reopened an issue of a run that had ended, or can do so with those that wait for it."""
        return any(
            member.left and self._halls[name].state.running and not self._halls[name].state.interrupted
            for name, member in self._group.members.items()
        )

    def _is_over(self) -> bool:
        if any(hall.state.ended is None or hall.next() is not None for hall in self._halls.values()):
            return False
        return not self._missed()

    def _missed(self) -> list[group.News]:
        """What runs that have ended were not told of the others."""
        known = group.group_of(self._agents, self._halls)
        for name, hall in self._halls.items():
            if hall.state.run:
                known = group.seen(known, name, hall.state, self._clock.now())
        return [(name, event) for name, event in group.news(known) if self._halls[name].state.ended]

    # --- the oracle

    def _judge(self) -> None:
        at_work = {
            name: len(self._halls[name].observer.book.slots)
            for name, member in self._group.members.items()
            if member.admitted and not member.left
        }
        self._require(sum(at_work.values()) <= self._agents, Invariant.AGENTS_SHARED, at_work)
        for name, hall in self._halls.items():
            since = min(self._checked[name], len(hall.journal))
            for rec in hall.journal[since:]:
                if isinstance(rec.event, ev.AttemptAssigned):
                    self._judge_start(name, rec.event)
            self._checked[name] = len(hall.journal)

    def _judge_start(self, name: str, event: ev.AttemptAssigned) -> None:
        for on in awaited(self._halls[name].state.graph.issues[event.issue]):
            there = self._halls[on.repository].state.issues[on.number].state
            self._require(there is IssueState.LANDED, Invariant.FAR_FIRST, f"{on} is {there}: {event}")

    def _judge_end(self) -> None:
        for name, hall in self._halls.items():
            for number, record in hall.state.issues.items():
                if record.state is IssueState.BLOCKED:
                    here, issue = hall.state.issues, hall.state.graph.issues[number]
                    near = [here[dependency.on].state for dependency in issue.depends_on]
                    far = [self._halls[on.repository].state.issues[on.number].state for on in awaited(issue)]
                    lost = any(state is not IssueState.LANDED for state in (*near, *far))
                    kept = lost or number in hall.state.outside.blockers
                    self._require(kept, Invariant.FAR_SETTLED, f"{name}#{number} is blocked")

    def _require(self, holds: bool, invariant: Invariant, detail: object) -> None:
        if not holds:
            raise Violation(self._seed, invariant, str(detail))
