"""When an agent is given up: a pure verdict over what was seen of it, on a clock that knows no jumps.

What is seen is of two kinds. *Progress* is work that leaves something: files that change, a processor that computes,
much data that moves, a tool call that was not made before, a changed plan. A mere *sign of life* is everything else
that moves: words, lines, a repeated tool call, a little processor time, a call of the model in flight.

An agent without a sign of life for `stall` is given up, unless it has said what it waits for (it is in the middle of
a tool call or of a thought): then it has until `progress`. One that shows signs of life but no progress for that long
is given up too, and so is one that makes the same tool calls again and again. While it waits for a person, its time
stands still.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass

from mawep.agents.base import (
    Activity,
    AgentEvent,
    BreakingChange,
    PlanChanged,
    ProcessStarted,
    QuestionAsked,
    ToolCall,
)
from mawep.core.model import FailureReason

BUSY_SHARE = 0.02
"""Less CPU than this share of one core is the idling of a runtime, not life."""
WORK_SHARE = 0.10
"""Less CPU than this share of one core may be a spinner; this much is work."""
SOME_BYTES, MANY_BYTES = 128.0, 32768.0
"""Bytes a second read and written that are a sign of life, and that are work: a download, a copy."""
LAPSE = 7.5
"""Seconds between two looks that count at most. What is more, nobody watched: a jump of the clock, a frozen machine.

Where one looks more often, less counts.
"""
PERIODS = (1, 2, 3)
"""A loop is one tool call, or two or three in turn, again and again."""
LENIENCE = 5
"""A loop may go on so many times longer while its answers differ or a core is half busy: it waits for something."""
KNOWN_CALLS, KNOWN_THINGS = 1000, 10_000
"""Tool calls that are known to be over, and different things that are known to have been done before."""


@dataclass(frozen=True)
class Patience:
    """Seconds: `stall` without a sign of life, `progress` without progress, `turn` for a whole turn.

    `loop`: tool calls that repeat themselves, with no file changing in between; 0 is any number.
    """

    stall: float
    turn: float
    progress: float = math.inf
    loop: int = 0


@dataclass(frozen=True)
class Look:
    """What happened in `seconds`: processor time, bytes read and written, whether the agent stands stopped.

    `calls`: requests to its model that are in flight, as the gateway knows them.
    """

    seconds: float
    cpu: float = 0.0
    io: float = 0.0
    stopped: bool = False
    calls: int = 0


@dataclass(frozen=True)
class Verdict:
    """Why an agent is given up."""

    reason: FailureReason
    what: str
    detail: str = ""


class Watchdog:
    """Of one turn. Every method takes `now`, seconds of a clock that may jump: only plausible steps count."""

    def __init__(self, patience: Patience, now: float, lapse: float = LAPSE) -> None:
        """`lapse`: how many seconds between two looks count at most."""
        self._patience = patience
        self._lapse = lapse
        self._raw = now
        self._time = 0.0
        self._life = 0.0
        self._progress = 0.0
        self._worked = 0.0
        self._waits_for: set[str] = set()
        self._open: set[str] = set()
        self._thinking = False
        self._stopped = False
        self._known: set[int] = set()
        self._over: deque[str] = deque(maxlen=KNOWN_CALLS)
        self._loop = Loop(patience.loop)

    # --- what is seen

    def heard(self, event: AgentEvent, now: float) -> None:
        """The agent said something."""
        self._pass(now)
        self._life = self._time
        self._thinking = isinstance(event, Activity) and event.kind == "thinking"
        match event:
            case QuestionAsked(question):
                self._waits_for.add(question.id)
            case ToolCall():
                self._heard_of_tool(event)
            case PlanChanged(entries):
                self._is_new(("plan", entries))
            case ProcessStarted() | BreakingChange():
                self._progress = self._time
            case _:
                pass

    def looked(self, look: Look, now: float) -> None:
        """This was seen of its processes and of its model."""
        self._pass(now)
        self._stopped = look.stopped
        seconds = max(look.seconds, 0.001)
        cpu, flow = look.cpu / seconds, look.io / seconds
        self._loop.passed(look.cpu, look.seconds)
        if look.calls or cpu > BUSY_SHARE or flow > SOME_BYTES:
            self._life = self._time
        if cpu > WORK_SHARE or flow > MANY_BYTES:
            self._progress = self._time

    def files_changed(self, age: float, now: float) -> None:
        """A file of its was changed `age` seconds ago."""
        self._pass(now)
        self._life = max(self._life, self._time - age)
        self._progress = max(self._progress, self._time - age)
        if self._time - age >= self._loop.began:
            self._loop.broken()

    def answered(self, question: str | None, now: float) -> None:
        """A person answered; None: whatever it had asked."""
        self._pass(now)
        self._waits_for = self._waits_for - {question} if question is not None else set()
        self._life = self._progress = self._time

    # --- what follows

    def verdict(self, now: float) -> Verdict | None:
        """Why it is to be given up; None while it is not."""
        self._pass(now)
        if self._waits_for:
            return None
        if self._worked >= self._patience.turn:
            return Verdict(
                FailureReason.TIMEOUT, f"the turn took longer than {_minutes(self._patience.turn)}"
            )
        return self._stalled()

    def in_doubt(self, now: float) -> bool:
        """True when it matters whether files change: half of some patience is used up."""
        self._pass(now)
        return not self._waits_for and (
            self._time - self._life >= self._patience.stall / 2
            or self._time - self._progress >= self._longest / 2
            or self._loop.doubtful
        )

    def due(self, now: float) -> float:
        """Seconds until there may be a verdict, if nothing more is seen."""
        self._pass(now)
        if self._waits_for:
            return math.inf
        silence = self._longest if self._excused else self._patience.stall
        return min(
            self._life + silence - self._time,
            self._progress + self._longest - self._time,
            self._patience.turn - self._worked,
        )

    def idle(self, now: float) -> float:
        """For how long there was no sign of life."""
        self._pass(now)
        return 0.0 if self._waits_for else self._time - self._life

    @property
    def _longest(self) -> float:
        return max(self._patience.progress, self._patience.stall)

    @property
    def _excused(self) -> bool:
        """It has said why it is silent, and somebody is there to go on."""
        return (bool(self._open) or self._thinking) and not self._stopped

    def _stalled(self) -> Verdict | None:
        stall = FailureReason.STALLED
        if self._time - self._progress >= self._longest:
            return Verdict(
                stall,
                f"no progress for {_minutes(self._longest)}",
                "it showed signs of life, but no file changed, the processor had nothing to do, and it did nothing new",
            )
        if self._time - self._life >= self._patience.stall and not self._excused:
            nothing = "no protocol event, no CPU time, no file written"
            why = "its process is stopped (SIGSTOP)" if self._stopped else nothing
            return Verdict(stall, f"no sign of life for {_minutes(self._patience.stall)}", why)
        if self._loop.endless:
            return Verdict(
                stall,
                f"the same tool calls {self._loop.length} times, and no file changed",
                f"again and again: {self._loop.title}",
            )
        return None

    def _pass(self, now: float) -> None:
        step = min(max(now - self._raw, 0.0), self._lapse)
        self._raw = now
        self._time += step
        if self._waits_for:  # its time stands still
            self._life += step
            self._progress += step
        else:
            self._worked += step

    def _heard_of_tool(self, call: ToolCall) -> None:
        if call.status not in ("completed", "failed"):
            self._open.add(call.id)
            return
        self._open.discard(call.id)
        if call.id in self._over:  # a second word on what is over
            return
        self._over.append(call.id)
        key = hash((call.kind, call.title, call.paths, call.input))
        edit = hash((key, call.diff_paths, call.output)) if call.diff_paths else key
        if self._is_new(edit) and call.diff_paths:
            self._loop.broken()
        self._loop.called(call.title, key, hash(call.output), self._time)

    def _is_new(self, thing: Hashable) -> bool:
        """Progress is what was not done before."""
        known = hash(thing)
        if known in self._known:
            return False
        if len(self._known) < KNOWN_THINGS:
            self._known.add(known)
        self._progress = self._time
        return True


class Loop:
    """Notices that tool calls repeat themselves, up to three in turn."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._calls: deque[int] = deque(maxlen=max(PERIODS))
        self._runs = dict.fromkeys(PERIODS, 0)
        self._answers: set[int] = set()
        self._cpu = 0.0
        self._seconds = 0.0
        self.began = math.inf
        self.title = ""

    @property
    def length(self) -> int:
        """How many calls the loop has had; 0 when there is none."""
        return max((run + period for period, run in self._runs.items() if run), default=0)

    @property
    def doubtful(self) -> bool:
        """True when half of the limit is used up."""
        return bool(self._limit) and self.length >= self._limit / 2

    @property
    def endless(self) -> bool:
        """True when it has gone on for too long."""
        new = len(self._answers) > max(PERIODS) or self._cpu >= 0.5 * self._seconds > 0
        return bool(self._limit) and self.length >= self._limit * (LENIENCE if new else 1)

    def called(self, title: str, key: int, answer: int, at: float) -> None:
        """One more call is over."""
        for period in PERIODS:
            same = len(self._calls) >= period and self._calls[-period] == key
            self._runs[period] = self._runs[period] + 1 if same else 0
        self._calls.append(key)
        self.title = title
        if not self.length:
            self.began = at
            self._answers, self._cpu, self._seconds = set(), 0.0, 0.0
        if len(self._answers) <= max(PERIODS):
            self._answers.add(answer)

    def passed(self, cpu: float, seconds: float) -> None:
        """Meanwhile so much processor time was used."""
        self._cpu += cpu
        self._seconds += seconds

    def broken(self) -> None:
        """Something changed: from the beginning."""
        self._calls.clear()
        self._runs = dict.fromkeys(PERIODS, 0)
        self._answers, self._cpu, self._seconds = set(), 0.0, 0.0


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} minutes"
