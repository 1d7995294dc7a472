"""The orchestrator's loop, alone with its journal: decide, commit, carry out; and die and come back anywhere."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from mawep.clock import VirtualClock
from mawep.core import events as ev
from mawep.core import news
from mawep.core.engine import decide, evolve, next_wakeup, replay
from mawep.core.model import Routed
from mawep.core.state import State
from mawep.simulate.agenda import Action, Agenda
from mawep.simulate.effects import Effects
from mawep.simulate.forge import Forge
from mawep.simulate.observer import Observer, Violation
from mawep.simulate.repository import Repository
from mawep.simulate.scenario import RUNTIMES, Scenario, scenario
from mawep.simulate.workers import Workers
from mawep.simulate.world import Crash, World

MOST_EVENTS = 6000
MOST_TIME = timedelta(days=20)
MOST_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Run:
    """A run that broke no invariant: its journal, its last state, and how often the hall died."""

    seed: int
    journal: tuple[ev.Recorded, ...]
    state: State
    crashes: int


class Hall:
    """One orchestrator process after another on one journal."""

    def __init__(
        self,
        plan: Scenario,
        clock: VirtualClock | None = None,
        watch: Callable[[State], None] = lambda state: None,
    ) -> None:
        """`watch` sees every state that the journal has."""
        self.state = State()
        self.journal: list[ev.Recorded] = []
        self._committed = self._steps = self.crashes = 0
        self._plan, self._clock, self._watch = plan, clock or VirtualClock(), watch
        self._limit = self._clock.now() + MOST_TIME
        self._agenda, self._repository = Agenda(self._clock), Repository(plan)
        self._rng = random.Random(plan.seed)  # noqa: S311 - nothing secret hangs on it
        world = World(plan, self._repository, self._agenda, self._clock, self._rng, self)
        self.observer = Observer(world)
        self._workers, self._effects = Workers(world), Effects(world, self.observer.moved)
        self._forge = Forge(world, self.observer.merged)

    def run(self) -> Run:
        """Run to the end.

        Raises:
            Violation: an invariant does not hold.
        """
        self.arrange()
        next_: Action = self.start
        while True:
            try:
                next_()
            except Crash:
                self.crashes += 1
                next_ = self.come_back
                continue
            except Violation:
                raise
            except Exception as error:
                raise self.observer.failed(error) from error
            if self.state.stopped or (self.state.interrupted and self.state.resting and not self.state.ended):
                next_ = self.come_back
            elif self.state.ended and self._agenda.next() is None:
                return self.over()
            else:
                next_ = self.go_on

    def over(self) -> Run:
        """Nobody will do anything to the run any more."""
        self.observer.crashed(self.journal, self.state)
        self.observer.ended(self.state)
        return Run(self._plan.seed, tuple(self.journal), self.state, self.crashes)

    # --- what the world tells

    def receive(self, event: ev.AnyEvent) -> None:
        """Journal something that happened, and decide."""
        self._append(event)
        self._settle()

    def conclude(self, intent: ev.Recorded, event: ev.AnyEvent) -> None:
        """The same for the end of an effect; what answers an intent that is out of date is dropped."""
        self._step()
        if any(known.seq == intent.seq for known in self.state.effects.values()):
            self.receive(event)

    def tell(self, event: ev.AnyEvent) -> None:
        """Post something from another run: it is taken in the order in which it was posted, while this one goes on."""
        self._agenda.after(0, lambda: self.receive(event) if self.state.running else None, mortal=True)

    def _hear(self, said: ev.AnyEvent) -> None:
        """The tracker says something, if anybody is there to listen."""
        if self.state.running:
            if isinstance(said, ev.DependencyAdded):
                for event in news.dependency(self.state, said.issue, said.on, said.source):
                    self._append(event)
            else:
                self._append(said)
            self._settle()

    # --- the loop

    def start(self) -> None:
        """The run begins."""
        plan = self._plan
        started = ev.RunStarted(
            run=f"{plan.seed:032x}",
            trace="",
            target_branch="main",
            target=self._repository.target,
            issues=plan.issues,
            rules=plan.rules,
            runtime=RUNTIMES[0],
            routed={str(number): Routed(name, "chance") for number, name in plan.runtimes.items()},
        )
        self.receive(started)

    def arrange(self) -> None:
        """Put on the agenda what happens by itself."""
        agenda, plan = self._agenda, self._plan
        for position, at in enumerate(plan.pushes, 1):
            agenda.after(at, partial(self._effects.push, -position))
        for begin, end in plan.dirty:
            agenda.after(begin, partial(setattr, self._effects, "dirty", True))
            agenda.after(end, partial(setattr, self._effects, "dirty", False))
        for at, deed in plan.deeds:
            agenda.after(at, partial(self.receive, deed))
        for at, news_ in plan.outside:
            agenda.after(at, partial(self._hear, news_))

    def _moments(self) -> tuple[datetime | None, datetime | None]:
        """When something happens, and when the core asked to be woken."""
        return self._agenda.next(), next_wakeup(self.state) if self.state.running else None

    def next(self) -> datetime | None:
        """When it goes on; None: never."""
        return min((moment for moment in self._moments() if moment is not None), default=None)

    def go_on(self) -> None:
        """What comes next: something on the agenda, or the moment that the core asked to be woken at."""
        happens, wakeup = self._moments()
        if happens is None and wakeup is None:
            self.observer.overrun("nothing will ever happen again")
        if happens is None or (wakeup is not None and wakeup < happens):
            self._clock.advance_to(wakeup or self._clock.now())
            self._settle()
        else:
            self._agenda.pop()()
        if self._clock.now() > self._limit:
            self.observer.overrun(f"it is {self._clock.now()}")

    def _settle(self) -> None:
        """Decide until there is nothing to decide, commit, and only then let effects begin."""
        for _ in range(MOST_ROUNDS):
            now = self._clock.now()
            commands = decide(self.state, now)
            self.observer.decided(commands, decide(self.state, now))
            if not commands:
                break
            for command in commands:
                self._append(command)
        else:
            self.observer.overrun(f"always something more to decide: {commands}")
        self.observer.rest(self.state, now)
        self._commit()

    def _append(self, event: ev.AnyEvent) -> None:
        self._step()
        before, rec = self.state, ev.Recorded(len(self.journal) + 1, self._clock.now(), event)
        self.journal.append(rec)
        self.state = evolve(before, rec)
        self.observer.see(before, rec, self.state)
        if rec.seq > MOST_EVENTS:
            self.observer.overrun(f"{rec.seq} events")

    def _commit(self) -> None:
        self._step()
        fresh = self.journal[self._committed :]
        self._committed = len(self.journal)
        for rec in fresh:
            if isinstance(rec.event, ev.Intent):
                self._begin(rec)
        self._watch(self.state)

    def _begin(self, intent: ev.Recorded) -> None:
        self._step()
        self._workers.begin(intent)
        self._effects.begin(intent)
        self._forge.begin(intent)

    # --- death and return

    def _step(self) -> None:
        """One more place to die at."""
        self._steps += 1
        if self._steps in self._plan.crashes:
            raise Crash

    def come_back(self) -> None:
        """Another process takes the run over, after a while."""
        self.fall()
        self._clock.advance(self._rng.uniform(0, 300))
        self.rise()

    def fall(self) -> None:
        """The process is gone, and with it what it had not committed."""
        self.observer.crashed(self.journal, self.state)
        del self.journal[self._committed :]
        self.observer.rewind(self.journal)
        self.state = replay(self.journal)
        self._agenda.crash()
        self._workers.crash()
        self._forge.crash()

    def rise(self) -> None:
        """A process takes the run over; effects without an answer are driven again."""
        if not self.state.run:
            self.start()
            return
        self._append(ev.RunResumed("another process", rerun=self._plan.willing or self._rng.random() < 0.8))
        self._commit()
        for intent in sorted(self.state.effects.values(), key=lambda intent: intent.seq):
            self._begin(intent)
        self._forge.watch()
        self._settle()


def simulate(seed: int) -> Run:
    """Run the scenario of a seed to its end; the same seed gives the same journal.

    Raises:
        Violation: an invariant does not hold.
    """
    return Hall(scenario(seed)).run()
