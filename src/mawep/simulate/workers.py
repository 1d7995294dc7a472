"""The workers and their bus: turns that run, fall silent, ask and end, and messages that come late or twice."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from mawep.core import events as ev
from mawep.core import touched
from mawep.core.model import FailureReason, Number, Question, Session, Sha, Usage
from mawep.simulate.agenda import Action
from mawep.simulate.scenario import DECLARED, GOOD, PATHS, Ending, Turn
from mawep.simulate.world import Crash, World

Result = ev.TurnEnded | ev.AttemptFailed | ev.AttemptInterrupted | ev.ProviderLimitHit


@dataclass(slots=True)
class Shift:
    """One turn of an attempt, as its worker knows it. `result` is durable: it outlives the worker."""

    issue: Number
    attempt: int
    fence: int
    turn: Turn = GOOD
    base: Sha = ""
    silent: bool = False
    dismissed: bool = False
    asked: bool = False
    result: Result | None = None
    consumed: bool = False


class Workers:
    """Every worker of a run and what travels between them and the hall."""

    def __init__(self, world: World) -> None:
        self._world, self._rng, self._scenario = world, world.rng, world.scenario
        self._lease = world.scenario.rules.lease_seconds
        self._shifts: dict[Number, Shift] = {}
        self._alive: dict[int, Shift] = {}
        self._turns: dict[Number, int] = defaultdict(int)
        self._beating = False
        self._causes = world.truth.causes
        self._merged: dict[tuple[Number, int], Sha] = {}
        self._tokens: dict[tuple[Number, int], int] = defaultdict(int)

    def begin(self, intent: ev.Recorded) -> None:
        """Start what an intent asks of a worker, for the first time or once more."""
        match intent.event:
            case ev.AttemptAssigned() | ev.RepairIntended() | ev.AttemptContinued() as event:
                if isinstance(event, ev.RepairIntended) and event.merge:
                    self._merge(event)
                self._start(self._shift(event.issue, event.attempt, intent.seq))
            case ev.AttemptReclaimed() as event:
                self._reclaim(self._shift(event.issue, event.attempt, intent.seq))
            case ev.StopIntended():
                self._stop(intent.event)
            case ev.MessageSent():
                self._deliver(intent, intent.event)
            case _:
                pass

    def crash(self) -> None:
        """The workers in the orchestrator's process die with it."""
        self._alive.clear()
        self._beating = False

    # --- what the hall asks for

    def _shift(self, issue: Number, attempt: int, fence: int) -> Shift:
        live = self._world.hall.state.issues[issue].attempt
        base = self._merged.get((issue, attempt), live.base if live else "")
        return Shift(issue, attempt, fence, base=base)

    def _merge(self, event: ev.RepairIntended) -> None:
        """The agent goes on from the target as it is; one that is careless does not."""
        if self._rng.random() >= self._scenario.chances.careless:
            self._merged[event.issue, event.attempt] = self._world.repository.target

    def _start(self, shift: Shift) -> None:
        """The next turn of the script begins."""
        script = self._scenario.scripts[shift.issue]
        shift.turn = script[min(self._turns[shift.issue], len(script) - 1)]
        self._turns[shift.issue] += 1
        self._run(shift)

    def _reclaim(self, shift: Shift) -> None:
        """After a crash: tell how the turn ended, or go on with it, or give it up."""
        old = self._shifts.get(shift.issue)
        can_load = self._rng.random() < self._scenario.chances.loadable
        if old is None or old.attempt != shift.attempt or (old.result is None and not can_load):
            self._take_over(shift)
            self._fail(shift, FailureReason.LOST)
        elif old.consumed:
            self._start(shift)
        elif old.result is None:
            shift.turn = old.turn
            self._run(shift)
        else:
            shift.turn = old.turn
            self._take_over(shift)
            self._send(shift, msgspec.structs.replace(old.result, fence=shift.fence))

    def _stop(self, event: ev.StopIntended) -> None:
        """The turn is ended from outside; a worker that is lost does not answer."""
        shift = self._shifts.get(event.issue)
        if shift is None or shift.fence != event.fence:
            shift = Shift(event.issue, 0, event.fence)
        if shift.silent:
            return
        self._live(shift)

        def answer() -> None:
            shift.dismissed = True
            self._live(shift)
            if event.reason is None:
                self._send(shift, ev.AttemptInterrupted(event.issue, event.fence))
            else:
                self._fail(shift, event.reason)

        self._world.agenda.after(self._rng.uniform(1, 10), answer, mortal=True)

    def _deliver(self, intent: ev.Recorded, event: ev.MessageSent) -> None:
        """A person's message goes to the agent, if there is one."""
        done = ev.MessageDelivered(event.issue, event.message)

        def take() -> None:
            shift = self._shifts.get(event.issue)
            if shift is not None and shift.fence in self._alive:
                self._world.hall.conclude(intent, done)

        self._world.agenda.after(self._rng.uniform(1, 60), take, mortal=True)

    # --- turns

    def _run(self, shift: Shift) -> None:
        rng, turn = self._rng, shift.turn
        self._take_over(shift)
        self._later(rng.uniform(1, 8), shift, lambda: self._post(shift, _started(shift)))
        if rng.random() < 0.3:
            self._later(rng.uniform(1, 10), shift, lambda: self._post(shift, _opened(shift)))
        length = rng.uniform(*self._scenario.turn_seconds)
        for _ in range(2):
            self._later(rng.uniform(8, 8 + length), shift, lambda: self._spend(shift, rng.randint(1, 500)))
        self._speak(shift, length)
        if turn.ending is Ending.FALLS_SILENT or rng.random() < self._scenario.chances.lose:
            self._later(rng.uniform(0, length), shift, lambda: self._fall_silent(shift))
        if turn.asks:
            self._later(rng.uniform(8, 8 + length), shift, lambda: self._post(shift, _asks(shift)))
        elif turn.ending is Ending.FALLS_SILENT:
            self._later(rng.uniform(200, 900), shift, lambda: self._finish(shift))
        else:
            self._later(length, shift, lambda: self._finish(shift))

    def _speak(self, shift: Shift, length: float) -> None:
        """In the middle of its turn an agent may ask for paths, announce that it breaks others' work, and be seen."""
        rng, chances = self._rng, self._scenario.chances
        if chances.claim and rng.random() < chances.claim:
            asked = ev.ClaimsTaken(shift.issue, shift.fence, tuple(rng.sample(PATHS, 2)))
            self._later(rng.uniform(1, length), shift, lambda: self._post(shift, asked))
        if chances.announce and rng.random() < chances.announce:
            file, *others = rng.sample(DECLARED, 3)
            change = ev.BreakingChangeAnnounced(shift.issue, shift.fence, file, "other now", tuple(others))
            self._later(rng.uniform(1, length), shift, lambda: self._post(shift, change))

        if chances.touch and rng.random() < chances.touch:
            paths = rng.sample(PATHS, 2)
            self._later(rng.uniform(1, length), shift, lambda: self._touch(shift, paths))

    def _touch(self, shift: Shift, paths: list[str]) -> None:
        """Its worker sees what the agent changes."""
        for event in touched.seen(self._world.hall.state, shift.issue, shift.fence, paths):
            self._post(shift, event)

    def _spend(self, shift: Shift, tokens: int) -> None:
        """The agent consumes, and its worker tells."""
        if shift.result is None and not shift.silent:
            self._tokens[shift.issue, shift.attempt] += tokens
            self._post(shift, ev.UsageSeen((ev.Consumed(shift.issue, shift.fence, self._usage(shift)),)))

    def _usage(self, shift: Shift) -> Usage:
        return Usage(output_tokens=self._tokens[shift.issue, shift.attempt])

    def _later(self, seconds: float, shift: Shift, action: Action) -> None:
        """Something that happens unless the shift is over by then."""
        self._world.agenda.after(seconds, lambda: None if shift.dismissed else action(), mortal=True)

    def _fall_silent(self, shift: Shift) -> None:
        shift.silent = True
        self._alive.pop(shift.fence, None)
        self._causes[shift.issue].add(FailureReason.LOST)

    def _finish(self, shift: Shift) -> None:
        if shift.turn.ending is Ending.FAILS:
            self._fail(shift, shift.turn.reason)
        elif shift.turn.ending is Ending.LIMITED:
            self._send(shift, self._limit(shift))
        else:
            merges = (shift.issue, shift.attempt) in self._merged
            head = self._world.repository.work(shift.base, shift.issue, shift.turn, merges=merges).sha
            usage = self._usage(shift)
            self._send(shift, ev.TurnEnded(shift.issue, shift.fence, head, "end_turn", usage))

    def _limit(self, shift: Shift) -> ev.ProviderLimitHit:
        after, now = shift.turn.reset_after, self._world.clock.now()
        until = None if after is None else now + timedelta(seconds=after)
        why = "5-hour limit reached"
        return ev.ProviderLimitHit(shift.issue, shift.fence, until, why, self._usage(shift))

    def _fail(self, shift: Shift, reason: FailureReason) -> None:
        self._causes[shift.issue].add(reason)
        self._send(shift, ev.AttemptFailed(shift.issue, shift.fence, reason))

    # --- signs of life

    def _take_over(self, shift: Shift) -> None:
        self._shifts[shift.issue] = shift
        self._live(shift)

    def _live(self, shift: Shift) -> None:
        self._alive[shift.fence] = shift
        if not self._beating:
            self._beating = True
            self._world.agenda.after(self._lease / 3, self._beat, mortal=True)

    def _beat(self) -> None:
        self._beating = bool(self._alive)
        if self._beating:
            fences = tuple(self._alive)
            self._world.agenda.after(self._lease / 3, self._beat, mortal=True)
            self._world.agenda.after(self._rng.uniform(0, self._lease / 3), lambda: self._extend(fences))

    def _extend(self, fences: tuple[int, ...]) -> None:
        until = self._world.clock.now() + timedelta(seconds=self._lease)
        self._world.hall.receive(ev.LeasesExtended(fences, until))

    # --- the bus

    def _post(self, shift: Shift, event: ev.AnyEvent) -> None:
        """A message on its way: perhaps late, perhaps twice, once sent safe from a crash."""
        late = self._rng.random() < self._scenario.chances.delay
        self._world.agenda.after(
            self._rng.uniform(0, 300 if late else 0.5), lambda: self._arrive(shift, event)
        )
        if self._rng.random() < self._scenario.chances.duplicate:
            self._world.agenda.after(self._rng.uniform(0, 400), lambda: self._arrive(shift, event))

    def _send(self, shift: Shift, result: Result) -> None:
        """A result travels like any message; its worker gives signs of life until it has arrived."""
        shift.result = result
        self._post(shift, result)

    def _arrive(self, shift: Shift, event: ev.AnyEvent) -> None:
        try:
            self._world.hall.receive(event)
        except Crash:
            self._world.agenda.after(0, lambda: self._arrive(shift, event))  # the mailbox still has it
            raise
        if event is shift.result:
            shift.consumed = True
            self._alive.pop(shift.fence, None)
        elif isinstance(event, ev.QuestionAsked) and not shift.asked:
            shift.asked = True
            self._let_answer(shift, event.question)

    def _let_answer(self, shift: Shift, question: Question) -> None:
        """A person answers, in time, too late or never."""
        wait = shift.turn.answered_after
        if wait is None or wait > self._scenario.rules.input_timeout:
            self._causes[shift.issue].add(FailureReason.INPUT_TIMEOUT)
        if wait is None:
            return

        def answer() -> None:
            self._world.hall.receive(ev.QuestionAnswered(shift.issue, question.id, "euro", "ada"))
            if shift.fence in self._alive:
                self._later(self._rng.uniform(5, 100), shift, lambda: self._finish(shift))

        self._world.agenda.after(wait, answer)


def _started(shift: Shift) -> ev.AttemptStarted:
    return ev.AttemptStarted(shift.issue, shift.fence, 4000 + shift.fence)


def _opened(shift: Shift) -> ev.SessionOpened:
    return ev.SessionOpened(shift.issue, shift.fence, Session(f"s{shift.fence}", loadable=True))


def _asks(shift: Shift) -> ev.QuestionAsked:
    return ev.QuestionAsked(shift.issue, shift.fence, Question(f"q{shift.fence}", "which currency?"))
