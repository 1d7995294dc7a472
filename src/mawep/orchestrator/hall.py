"""The hall: the one writer. Takes in what happened, journals it, folds it, asks what next, and has it done.

One round: drain what came in, fold it, ask `decide` until it answers nothing, commit all of it with one fsync,
then acknowledge, answer and start effects. Nothing leaves this process before the journal has it.

Accepted: an acknowledgement lost to a crash brings the message again; the fences and the effect keys in the
state make the second copy count as late.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import structlog

from mawep.clock import Clock
from mawep.core import events as ev
from mawep.core.engine import decide, evolve, next_wakeup
from mawep.core.model import IssueState
from mawep.core.schedule import assignments
from mawep.core.state import State
from mawep.errors import InfrastructureError, MawepError
from mawep.state.journal import Journal

log = structlog.get_logger("mawep.orchestrator")

SETTLE_SECONDS = 2.0
"""How long the end of a run waits until those who asked for something have their answer."""
PULSE = 1.0
"""How often this process notices that it runs, in seconds."""
DIRTY_POLL = 1.0
"""How often a checkout that is in the way is looked at again, in seconds."""


class Performer(Protocol):
    """Who carries out intents (see `mawep.orchestrator.effects`)."""

    async def perform(self, recorded: ev.Recorded) -> ev.AnyEvent | None:
        """Carry out one intent; its done event if it has one."""
        ...

    async def answer(self, answered: ev.QuestionAnswered) -> None:
        """Bring a person's answer to the agent that waits for it."""
        ...

    async def still_blocked(self, state: State) -> bool:
        """True while the target's checkout is in the way of the move that waits."""
        ...


@dataclass(frozen=True)
class Incoming:
    """Something that came in: `events` are made from the state as it is when its turn comes.

    `settled` is called after the journal has them, with the state they led to.
    """

    events: Callable[[State], Iterable[ev.AnyEvent]]
    settled: Callable[[State], Coroutine[Any, Any, None]] | None = None


Witness = Callable[[ev.Recorded, State], None]
"""Sees every committed event with the state after it; must not fail and must not block."""


class Orchestrator:
    """Conducts one run to its end, or to a point from which it can be resumed."""

    def __init__(
        self, journal: Journal, state: State, clock: Clock, witnesses: Iterable[Witness] = ()
    ) -> None:
        self.state = state
        self._journal = journal
        self._clock = clock
        self._witnesses = list(witnesses)
        self._inbox: asyncio.Queue[Incoming] = asyncio.Queue()
        self._effects: set[asyncio.Task[None]] = set()
        self._settling: set[asyncio.Task[None]] = set()
        self._noticed_at = clock.boottime()
        self._was_deaf = False
        self._failure: InfrastructureError | None = None
        self._performer: Performer | None = None
        self._timed: Callable[[float], None] = lambda seconds: None

    def time_rounds(self, timed: Callable[[float], None]) -> None:
        """Tell `timed` how many seconds each round took, from the first event to the fsync."""
        self._timed = timed

    def attend(self, witness: Witness) -> None:
        """Let `witness` see every event committed from now on."""
        self._witnesses.append(witness)

    def post(self, incoming: Incoming) -> None:
        """Hand in something that happened; it is taken in the next round."""
        self._inbox.put_nowait(incoming)

    def tell(self, *events: ev.AnyEvent) -> None:
        """Hand in plain events."""
        self.post(Incoming(lambda state: events))

    def fail(self, error: MawepError) -> None:
        """Say that something the run stands on is broken: the run stops, resumable."""
        if not isinstance(error, InfrastructureError):
            error = InfrastructureError(error.what, cause=error.cause, next_step=error.next_step)
        self._failure = self._failure or error
        self.post(Incoming(lambda state: ()))

    async def guard(self, work: Awaitable[None]) -> None:
        """Do something that the run cannot do without: when it breaks, the run stops, resumable."""
        try:
            await work
        except MawepError as error:
            self.fail(error)
        except OSError as error:
            self.fail(InfrastructureError("The machine refused what the run needs", cause=str(error)))
        except Exception as error:
            self.fail(_defect(error))

    async def run(self, performer: Performer, resumed: ev.RunResumed | None = None) -> State:
        """Conduct the run; `resumed` when an earlier process has conducted it before.

        Raises:
            InfrastructureError: something the run stands on is broken; everything known is in the journal.
        """
        self._performer = performer
        self._noticed_at = self._clock.boottime()
        if resumed is not None:
            recorded = self._fold(resumed)
            await self._journal.commit()
            self._show(recorded)
        for recorded in sorted(self.state.effects.values(), key=lambda intent: intent.seq):
            self._start(recorded)
        watches = [
            asyncio.create_task(self.guard(watch)) for watch in (self._watch_checkout(), self._feel_pulse())
        ]
        try:
            await self._round([])
            while not self._over():
                await self._round(await self._next())
            return self.state
        except InfrastructureError as error:
            await self._stop(error)
            raise
        except Exception as error:
            failure = _defect(error)
            await self._stop(failure)
            raise failure from error
        finally:
            if self._settling:
                await asyncio.wait(self._settling, timeout=SETTLE_SECONDS)
            await _ended([*watches, *self._effects, *self._settling])

    # --- one round

    async def _next(self) -> list[Incoming]:
        """Wait for something to come in, or for the next moment at which time itself is news."""
        items = []
        moment = next_wakeup(self.state)
        wait = None if moment is None else max(0.0, (moment - self._clock.now()).total_seconds())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                items.append(await self._inbox.get())
        while not self._inbox.empty():
            items.append(self._inbox.get_nowait())
        return items

    async def _feel_pulse(self) -> None:
        while True:
            await self._clock.sleep(PULSE)
            self._notice_the_time()

    def _notice_the_time(self) -> None:
        """See whether this process was stopped or the machine suspended since the last look."""
        now = self._clock.boottime()
        lost = now - self._noticed_at - PULSE
        self._noticed_at = now
        if lost > self.state.rules.lease_seconds / 3:
            log.warning("this process did not run", seconds=round(lost, 1))
            self._was_deaf = True

    def _excuse(self) -> Iterator[ev.AnyEvent]:
        """While this process did not run no worker could be heard, so none is blamed."""
        self._notice_the_time()
        if self._was_deaf:
            self._was_deaf = False
            fences = tuple(a.fence for n in self.state.active if (a := self.state.issues[n].attempt))
            until = self._clock.now() + timedelta(seconds=self.state.rules.lease_seconds)
            yield ev.LeasesExtended(fences, until)

    async def _round(self, items: list[Incoming]) -> None:
        began = self._clock.awake()
        recorded = [self._fold(event) for event in self._excuse()]
        for item in items:
            recorded.extend(map(self._fold, item.events(self.state)))
        while commands := decide(self.state, self._clock.now()):
            recorded.extend(self._fold(command) for command in commands)
        await self._journal.commit()
        self._timed(self._clock.awake() - began)
        for one in recorded:
            self._start(one)
        for one in recorded:
            self._show(one)
        for item in items:
            if item.settled is not None:
                self._in_background(item.settled(self.state), self._settling)
        if self._failure is not None:
            raise self._failure

    def _fold(self, event: ev.AnyEvent) -> ev.Recorded:
        """Take an event in; one that cannot be folded is not journalled either, or no resume could go past it.

        What is folded is what the journal can hold: a replay leads to the same state.
        """
        event, at = ev.writable(event), self._clock.now()
        state = evolve(self.state, ev.Recorded(self._journal.seq + 1, at, event))
        recorded = self._journal.append(event, at)
        self.state = state
        return recorded

    def _show(self, recorded: ev.Recorded) -> None:
        for witness in self._witnesses:
            witness(recorded, self.state)

    # --- effects

    def _start(self, recorded: ev.Recorded) -> None:
        if isinstance(recorded.event, ev.QuestionAnswered):
            self._in_background(self._performing().answer(recorded.event), self._effects)
        elif isinstance(recorded.event, ev.Intent):
            self._in_background(self._perform(recorded), self._effects)

    async def _perform(self, recorded: ev.Recorded) -> None:
        done = await self._performing().perform(recorded)
        if done is not None:
            self.post(Incoming(lambda state: (done,) if _still_wanted(state, recorded) else ()))

    def _performing(self) -> Performer:
        if self._performer is None:
            raise InfrastructureError("effects were started before the run")
        return self._performer

    def _in_background(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.ensure_future(self.guard(work))
        among.add(task)
        task.add_done_callback(among.discard)
        task.add_done_callback(lambda _: work.close())  # a run that ends at once never began it

    # --- the end

    def _over(self) -> bool:
        state = self.state
        if state.ended is not None:
            return True
        if state.interrupted and not state.queue and state.resting:
            return True
        return self._only_a_checkout_is_missing()

    def _only_a_checkout_is_missing(self) -> bool:
        """True when everything that is left waits for the target's checkout to become clean.

        In an interrupted run an attempt that can wait keeps nobody: it could take hours. A gate that runs beside the
        move is waited for: it would have to begin again.
        """
        state = self.state
        gated = any(gate in state.gating for batch in state.aside for gate in batch.gates)
        if state.move_blocked is None or gated or assignments(state, self._clock.now()):
            return False
        waiting = {IssueState.QUEUED, IssueState.LANDING}
        return all(
            state.issues[number].state in waiting or (state.interrupted and state.can_wait(number))
            for number in state.active
        )

    async def _watch_checkout(self) -> None:
        while True:
            await self._clock.sleep(DIRTY_POLL)
            if self.state.move_blocked is not None and not await self._performing().still_blocked(self.state):
                self.tell(ev.MoveUnblocked())

    async def _stop(self, error: InfrastructureError) -> None:
        """Write down why the run stops, if that can still be written."""
        with contextlib.suppress(MawepError):
            self._fold(ev.RunStopped(error.what))
            await self._journal.commit()


def _still_wanted(state: State, recorded: ev.Recorded) -> bool:
    """True while the intent is open: a batch that was given up leaves effects behind that nobody waits for."""
    return any(open_.seq == recorded.seq for open_ in state.effects.values())


def _defect(error: Exception) -> InfrastructureError:
    """A defect of ours stops the run, loudly; it must not vanish in a task."""
    log.error("a part of the run broke", exc_info=error)
    return InfrastructureError("MAWEP itself broke", cause=repr(error), next_step="please report it")


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
