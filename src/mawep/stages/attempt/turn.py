"""One turn of an agent: watched, measured, bounded. What it says is a claim; git and the gate come later."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mawep.adapters.disk import bytes_on_disk
from mawep.adapters.family import Vitals
from mawep.agents.base import (
    AgentEvent,
    AgentFailed,
    AgentSession,
    BreakingChange,
    MessageText,
    Output,
    PermissionDecided,
    PlanChanged,
    ProcessStarted,
    ProgressClaimed,
    QuestionAsked,
    StopReason,
    ToolCall,
    TurnEnded,
    UsageReported,
)
from mawep.clock import Clock
from mawep.core.model import FailureReason, PlanEntry, Question, Usage
from mawep.stages.attempt.observer import Files, Processes
from mawep.stages.attempt.watchdog import LAPSE, Patience, Watchdog

SHORTEST_LOOK, LONGEST_LOOK = 0.05, 5.0
"""Bounds of the time between two looks at an agent's processes, in seconds."""

LATE_LOOK = 0.5
"""By how many seconds a look may be late on a busy machine, and the time until then count all the same."""

DISK_SHARE = 0.02
"""Measuring what an attempt holds on the disk may take this share of the time."""

DISK_SECONDS = 5.0
"""The least time between two measurements."""

_DONE_SHARE = {"completed": 1.0, "in_progress": 0.5}
_STARTED, _PER_FILE, _WITHOUT_PLAN = 10.0, 10.0, 60.0


@dataclass(frozen=True)
class Limits:
    """Seconds: `stall` without any sign of life, `progress` without progress, `turn` for a whole turn.

    `loop`: tool calls that repeat themselves; 0 is any number. At any time: `processes`, `memory` they hold resident
    together and `disk` for worktree and TMPDIR, in bytes.
    """

    stall: float
    turn: float
    processes: float = math.inf
    memory: float = math.inf
    disk: float = math.inf
    progress: float = math.inf
    loop: int = 0

    @property
    def patience(self) -> Patience:
        """What the watchdog has to know."""
        return Patience(self.stall, self.turn, self.progress, self.loop)


@dataclass(frozen=True)
class TurnOutcome:
    """How a turn ended, in the agent's words."""

    stop: StopReason
    text: str
    usage: Usage


@dataclass
class Progress:
    """What is known of a turn while it runs. `percent` never goes backwards; None is unknown.

    `claimed`: the percentage is the agent's own word, beyond what its plan and its files say.
    """

    stage: str = "starting"
    percent: float | None = None
    plan: tuple[PlanEntry, ...] = ()
    activity: str = ""
    files: dict[str, None] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    began: float = 0.0
    claimed: bool = False

    def eta(self, now: float) -> float | None:
        """Seconds left if it goes on as fast as so far; None while the agent's own plan says too little."""
        if not self.plan or not self.percent or self.percent < _STARTED:
            return None
        return (now - self.began) * (100.0 - self.percent) / self.percent

    def see(self, event: AgentEvent) -> None:
        """Take an event into account."""
        match event:
            case PlanChanged(entries):
                self.plan = entries
                done = sum(_DONE_SHARE.get(entry.status, 0.0) for entry in entries)
                self._advance(100.0 * done / len(entries) if entries else 0.0)
            case ToolCall():
                self.activity = event.title
                self.files.update(dict.fromkeys(event.diff_paths))
                if not self.plan:
                    self._advance(min(_STARTED + _PER_FILE * len(self.files), _WITHOUT_PLAN))
            case MessageText(text) | Output(text):
                self.activity = text.strip().splitlines()[-1][:200] if text.strip() else self.activity
            case ProgressClaimed(text, percent):
                self.activity = text.strip()
                if percent is not None and percent > (self.percent or 0.0):
                    self._advance(percent)
                    self.claimed = True
            case UsageReported(usage):
                self.usage = usage
            case PermissionDecided(title, paths, allowed, why) if not allowed:
                self.activity = f"refused {title} {', '.join(paths)}: {why}"
            case PermissionDecided(writes=writes):
                self.files.update(dict.fromkeys(writes))
            case _:
                pass

    def _advance(self, percent: float) -> None:
        reached = min(percent, 99.0)
        if reached > (self.percent or 0.0):
            self.claimed = False
        self.percent = max(self.percent or 0.0, reached)


@dataclass(frozen=True)
class Ears:
    """Who wants to hear of a turn while it runs."""

    started: Callable[[int], Awaitable[None]]
    progressed: Callable[[Progress], None]
    asked: Callable[[Question], Awaitable[None]]
    announced: Callable[[BreakingChange], Awaitable[None]]


class Turn:
    """One prompt and what follows. `progress` and `vitals` can be read at any time. `scratch` is the attempt's TMPDIR.

    `held` is what else of the disk it holds. `calls` says how many requests to its model are in flight, where
    somebody knows.
    """

    def __init__(
        self,
        session: AgentSession,
        worktree: Path,
        limits: Limits,
        clock: Clock,
        ears: Ears,
        *,
        scratch: Path,
        held: Sequence[Path] = (),
        calls: Callable[[], int] = int,
    ) -> None:
        self._session = session
        self._worktree = worktree
        self._scratch = scratch
        self._held = held
        self._measure_at = clock.awake() + DISK_SECONDS
        self._limits = limits
        self._clock = clock
        self._ears = ears
        self._pause = min(max(limits.stall / 10, SHORTEST_LOOK), LONGEST_LOOK)
        self._watchdog = Watchdog(limits.patience, clock.awake(), min(1.5 * self._pause + LATE_LOOK, LAPSE))
        self._processes = Processes(calls)
        self._files = Files((worktree, scratch), clock.awake())
        self.vitals: Vitals | None = None
        self.progress = Progress(began=clock.awake())

    async def run(self, prompt: str) -> TurnOutcome:
        """Prompt the agent and see the turn through.

        Raises:
            AgentFailed: it failed, refused, stalled, or ran out of time; its session is not usable any more.
        """
        self.progress.stage = "working"
        talking = asyncio.create_task(self._talk(prompt))
        watching = asyncio.create_task(self._watch())
        try:
            done, _ = await asyncio.wait({talking, watching}, return_when=asyncio.FIRST_COMPLETED)
            if talking in done:
                return talking.result()
            raise watching.result()
        finally:
            for task in (talking, watching):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task

    async def hear(self, event: AgentEvent) -> None:
        """Take in what the agent says, by its session or in another way (a tool of ours that it calls)."""
        self._watchdog.heard(event, self._clock.awake())
        self.progress.see(event)
        match event:
            case ProcessStarted(pid):
                await self._ears.started(pid)
                return
            case QuestionAsked(question):
                await self._ears.asked(question)
            case BreakingChange():
                await self._ears.announced(event)
            case _:
                pass
        self._ears.progressed(self.progress)

    def changed(self, files: Iterable[str]) -> None:
        """These files of its worktree were seen to change."""
        self.progress.files.update(dict.fromkeys(files))
        self._ears.progressed(self.progress)

    def answered(self, question_id: str | None = None) -> None:
        """A person answered (None: everything that it asked); the agent's time runs again."""
        self._watchdog.answered(question_id, self._clock.awake())

    @property
    def idle_seconds(self) -> float:
        """How long there was no sign of life."""
        return self._watchdog.idle(self._clock.awake())

    async def _talk(self, prompt: str) -> TurnOutcome:
        async for event in self._session.prompt(prompt):
            if isinstance(event, TurnEnded):
                return self._ended(event.stop, event.text)
            await self.hear(event)
        raise AgentFailed("the agent ended its turn without saying so", cause="its event stream broke off")

    def _ended(self, stop: StopReason, text: str) -> TurnOutcome:
        if stop == "refusal":
            raise AgentFailed("the agent refused", reason=FailureReason.AGENT_REFUSED, detail=text)
        if stop != "end_turn":
            raise AgentFailed(f"the agent stopped early: {stop}", detail=text)
        return TurnOutcome(stop, text, self.progress.usage)

    async def _watch(self) -> AgentFailed:
        """Wait until the agent is out of time or shows no sign of life, and say so."""
        clock, watchdog = self._clock, self._watchdog
        while True:
            before = clock.awake()
            await clock.sleep(min(self._pause, max(watchdog.due(before), SHORTEST_LOOK)))
            self.vitals, look = self._processes.look(self._session.pid, clock.awake() - before)
            if excess := self._excess(self.vitals) or await self._excess_on_disk():
                return AgentFailed("the attempt takes more than it may", cause=excess)
            watchdog.looked(look, clock.awake())
            if watchdog.in_doubt(clock.awake()) and clock.awake() >= self._files.rest_until:
                await self._look_at_files()
            verdict = watchdog.verdict(clock.awake())
            if verdict is not None and verdict.reason is FailureReason.STALLED:
                await self._look_at_files()
                verdict = watchdog.verdict(clock.awake())
            if verdict is not None:
                return AgentFailed(verdict.what, reason=verdict.reason, detail=verdict.detail)

    async def _look_at_files(self) -> None:
        age = await asyncio.to_thread(self._files.look, self._clock.awake)
        if age is not None:
            self._watchdog.files_changed(age, self._clock.awake())

    def _excess(self, vitals: Vitals | None) -> str:
        """Which limit its processes are over, '' when none."""
        if vitals is None:
            return ""
        if vitals.processes > self._limits.processes:
            return f"{vitals.processes} processes, the limit is {self._limits.processes:g}"
        if vitals.rss_mb * 2**20 > self._limits.memory:
            return f"{vitals.rss_mb:.0f} MiB of memory, the limit is {self._limits.memory / 2**20:.0f}"
        return ""

    async def _excess_on_disk(self) -> str:
        """How far it is over its limit on the disk, '' when it is not; measured now and then."""
        began = self._clock.awake()
        if began < self._measure_at or math.isinf(self._limits.disk):
            return ""
        used = await asyncio.to_thread(bytes_on_disk, self._worktree, self._scratch, *self._held)
        took = self._clock.awake() - began
        self._measure_at = began + max(DISK_SECONDS, took / DISK_SHARE)
        if used <= self._limits.disk:
            return ""
        return f"{used / 1e9:.1f} GB on the disk, the limit is {self._limits.disk / 1e9:g}"
