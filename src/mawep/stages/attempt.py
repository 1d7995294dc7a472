"""One turn of an agent: watched, measured, bounded. What it says is a claim; git and the gate come later."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mawep.adapters.disk import bytes_on_disk
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
    QuestionAsked,
    StopReason,
    ToolCall,
    TurnEnded,
    UsageReported,
)
from mawep.clock import Clock
from mawep.core.model import FailureReason, PlanEntry, Question, Usage

BUSY_SHARE = 0.02
"""Less CPU than this share of one core is the idling of a runtime, not work."""

DISK_SHARE = 0.02
"""Measuring what an attempt holds on the disk may take this share of the time."""

DISK_SECONDS = 5.0
"""The least time between two measurements."""

SCAN_LIMIT = 50_000
"""Directory entries looked at for a sign of file activity."""

_DONE_SHARE = {"completed": 1.0, "in_progress": 0.5}
_STARTED, _PER_FILE, _WITHOUT_PLAN = 10.0, 10.0, 60.0


@dataclass(frozen=True)
class Limits:
    """Seconds: `stall` without any sign of life, `turn` for a whole turn.

    At any time: `processes`, `memory` they hold resident together and `disk` for worktree and TMPDIR, in bytes.
    """

    stall: float
    turn: float
    processes: float = math.inf
    memory: float = math.inf
    disk: float = math.inf


@dataclass(frozen=True)
class TurnOutcome:
    """How a turn ended, in the agent's words."""

    stop: StopReason
    text: str
    usage: Usage


@dataclass(frozen=True)
class Vitals:
    """What the process tree of an attempt consumes."""

    cpu_seconds: float
    rss_mb: float
    processes: int


@dataclass
class Progress:
    """What is known of a turn while it runs. `percent` never goes backwards; None is unknown."""

    stage: str = "starting"
    percent: float | None = None
    plan: tuple[PlanEntry, ...] = ()
    activity: str = ""
    files: dict[str, None] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    began: float = 0.0

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
            case UsageReported(usage):
                self.usage = usage
            case PermissionDecided(title, paths, allowed, why) if not allowed:
                self.activity = f"refused {title} {', '.join(paths)}: {why}"
            case _:
                pass

    def _advance(self, percent: float) -> None:
        self.percent = max(self.percent or 0.0, min(percent, 99.0))


@dataclass(frozen=True)
class Ears:
    """Who wants to hear of a turn while it runs."""

    started: Callable[[int], Awaitable[None]]
    progressed: Callable[[Progress], None]
    asked: Callable[[Question], Awaitable[None]]
    announced: Callable[[BreakingChange], Awaitable[None]]


class Turn:
    """One prompt and what follows. `progress` can be read at any time. `scratch` is the attempt's TMPDIR."""

    def __init__(
        self,
        session: AgentSession,
        worktree: Path,
        limits: Limits,
        clock: Clock,
        ears: Ears,
        *,
        scratch: Path,
    ) -> None:
        self._session = session
        self._worktree = worktree
        self._scratch = scratch
        self._measure_at = clock.awake() + DISK_SECONDS
        self._limits = limits
        self._clock = clock
        self._ears = ears
        self._last_sign = clock.awake()
        self._last_cpu = 0.0
        self._waiting_for_person = False
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

    def answered(self) -> None:
        """A person answered; the agent's time runs again."""
        self._waiting_for_person = False
        self._last_sign = self._clock.awake()

    @property
    def idle_seconds(self) -> float:
        """How long there was no sign of life."""
        return 0.0 if self._waiting_for_person else self._clock.awake() - self._last_sign

    async def _talk(self, prompt: str) -> TurnOutcome:
        async for event in self._session.prompt(prompt):
            self._last_sign = self._clock.awake()
            self.progress.see(event)
            match event:
                case ProcessStarted(pid):
                    await self._ears.started(pid)
                    continue
                case QuestionAsked(question):
                    self._waiting_for_person = True
                    await self._ears.asked(question)
                case BreakingChange():
                    await self._ears.announced(event)
                case TurnEnded(stop, text):
                    return self._ended(stop, text)
                case _:
                    pass
            self._ears.progressed(self.progress)
        raise AgentFailed("the agent ended its turn without saying so", cause="its event stream broke off")

    def _ended(self, stop: StopReason, text: str) -> TurnOutcome:
        if stop == "refusal":
            raise AgentFailed("the agent refused", reason=FailureReason.AGENT_REFUSED, detail=text)
        if stop != "end_turn":
            raise AgentFailed(f"the agent stopped early: {stop}", detail=text)
        return TurnOutcome(stop, text, self.progress.usage)

    async def _watch(self) -> AgentFailed:
        """Wait until the agent is out of time or shows no sign of life, and say so."""
        limits = self._limits
        pause = min(max(limits.stall / 10, 0.05), 5.0)
        worked = 0.0
        while True:
            before = self._clock.awake()
            await self._clock.sleep(pause)
            vitals = vitals_of(self._session.pid)
            if excess := self._excess(vitals) or await self._excess_on_disk():
                return AgentFailed("the attempt takes more than it may", cause=excess)
            if self._waiting_for_person:
                continue
            worked += self._clock.awake() - before
            if worked >= limits.turn:
                return AgentFailed(
                    f"the turn took longer than {limits.turn / 60:g} minutes", reason=FailureReason.TIMEOUT
                )
            self._look_at_processor(vitals, pause)
            if self.idle_seconds >= limits.stall and not await asyncio.to_thread(self._files_changed):
                return AgentFailed(
                    f"no sign of life for {limits.stall / 60:g} minutes",
                    reason=FailureReason.STALLED,
                    detail="no protocol event, no CPU time, no file written",
                )

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
        used = await asyncio.to_thread(bytes_on_disk, self._worktree, self._scratch)
        took = self._clock.awake() - began
        self._measure_at = began + max(DISK_SECONDS, took / DISK_SHARE)
        if used <= self._limits.disk:
            return ""
        return f"{used / 1e9:.1f} GB on the disk, the limit is {self._limits.disk / 1e9:g}"

    def _look_at_processor(self, vitals: Vitals | None, seconds: float) -> None:
        if vitals is None:
            return
        if vitals.cpu_seconds - self._last_cpu > BUSY_SHARE * seconds:
            self._last_sign = self._clock.awake()
        self._last_cpu = vitals.cpu_seconds

    def _files_changed(self) -> bool:
        """True when a file in the worktree was written within the stall time; looked at only in doubt."""
        newest = newest_change(self._worktree)
        age = self._clock.now().timestamp() - newest
        if age < self._limits.stall:
            self._last_sign = self._clock.awake() - max(age, 0.0)
            return True
        return False


def vitals_of(pid: int) -> Vitals | None:
    """What the program `pid` and everything under its shim consume; None when it is gone."""
    if not pid:
        return None
    try:
        shim = psutil.Process(pid).parent()
        family = shim.children(recursive=True) if shim else []
    except psutil.Error:
        return None
    cpu, rss = 0.0, 0
    for member in family:
        with contextlib.suppress(psutil.Error):
            times = member.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
            rss += member.memory_info().rss
    return Vitals(round(cpu, 2), round(rss / 2**20, 1), len(family))


def newest_change(root: Path) -> float:
    """The newest modification time below `root`, in seconds of the epoch; looks at a bounded number of entries."""
    newest, seen = 0.0, 0
    for directory, _, files in os.walk(root):
        for name in (".", *files):
            with contextlib.suppress(OSError):
                newest = max(newest, os.lstat(os.path.join(directory, name)).st_mtime)  # noqa: PTH118
        seen += 1 + len(files)
        if seen > SCAN_LIMIT:
            break
    return newest
