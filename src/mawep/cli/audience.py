"""Everybody who watches a run from inside its process: the live view, the metrics, the log, the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import structlog

from mawep.cli.conduct import View
from mawep.cli.outlet import Outlet
from mawep.clock import Clock
from mawep.config import Config
from mawep.coordination import payloads as wire
from mawep.coordination.bus import Bus, Counters
from mawep.core import events as ev
from mawep.core.model import PlanEntry, Usage
from mawep.core.state import State
from mawep.observe.live import BusCounts, Disk, ForgeBudget, ForgeView, Live, LiveFile
from mawep.observe.readmodel import Status
from mawep.observe.status import status_of
from mawep.observe.words import describe, noteworthy
from mawep.orchestrator import Orchestrator
from mawep.orchestrator.hall import Witness
from mawep.state import journal
from mawep.state.runs import RunDirectory
from mawep.trackers.base import Allowance

if TYPE_CHECKING:
    from mawep.gateway.gateway import Made, Visitor
    from mawep.gateway.throttle import Limited
    from mawep.gateway.values import Amount
    from mawep.observe.metrics import Metrics

log = structlog.get_logger("mawep.events")

LOOK_SECONDS = 0.5
"""How often the counters of the bus are read, and the free disk space with them."""


class Audience:
    """Watches one run, as an asynchronous context; `view` is what its conductor is given.

    The run's own log file has every event. `name` is that of its repository, where there are several.
    """

    def __init__(self, config: Config, worktrees: Path, clock: Clock, outlet: Outlet, name: str = "") -> None:
        self._clock = clock
        self._worktrees = worktrees
        self._floor = int(config.workspace.disk_floor_gb * 1e9)
        self._outlet = outlet
        self._name = name
        self._live = Live()
        self._port = config.monitoring.prometheus_port
        self._metrics = _metrics(clock, self._live) if self._port is not None else None
        self._serving = AsyncExitStack()
        self._records: list[ev.Recorded] = []
        self._tasks: list[asyncio.Task[None]] = []
        teller: tuple[Witness, ...] = (self._keep,) if outlet.terminal else outlet.lines(name)
        metrics = (self._metrics.witness,) if self._metrics else ()
        self.view = View(
            witnesses=(self._live.witness, self._log, *teller, *metrics),
            latency=self._metrics.latency if self._metrics else None,
            overhear=self._overhear,
            live=self._live,
            forge=lambda seen: self._live.watched(
                clock.now(), ForgeView(seen.read_at, seen.trouble, seen.next_at, seen.hooked)
            ),
            clashes=lambda clashes: self._live.clash(clock.now(), clashes),
            silence=lambda silence: self._live.silent(clock.now(), silence),
            restarted=lambda: self._live.restarted(clock.now()),
            models=(_Calls(self._metrics),) if self._metrics else (),
            began=self._began,
            forge_left=self.forge_left,
            learned=outlet.logs.mask,
        )

    async def __aenter__(self) -> Audience:
        """Open the port for metrics. Raises UsageError when it cannot be had."""
        if self._metrics is not None and self._port is not None:
            from mawep.observe.endpoint import serve

            await self._serving.enter_async_context(serve(self._metrics.registry, self._port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._serving.aclose()

    def forge_left(self, allowance: Allowance) -> None:
        """The forge, or our own budget, takes that many more requests."""
        budget = ForgeBudget(
            allowance.resource,
            allowance.left,
            allowance.limit,
            allowance.resets_at,
            allowance.waiting_until,
        )
        self._live.forge_left(self._clock.now(), budget)

    def _began(self, directory: RunDirectory, hall: Orchestrator, buses: Sequence[Bus]) -> None:
        with contextlib.suppress(OSError):
            self._outlet.logs.keep(directory.log, run=directory.run)
        if self._metrics is not None:
            self._metrics.begin(hall.state)
            hall.time_rounds(self._metrics.decision_round)
        self._start(LiveFile(directory.live).follow(self._live, self._clock))
        self._start(self._look(buses))
        if self._outlet.terminal is not None:
            self._records[:] = journal.read(directory.journal)
            self._outlet.show(self._name, lambda: self._status(hall.state))

    def _status(self, state: State) -> Status:
        return status_of(state, self._clock.now(), self._live, self._records)

    def _start(self, work: Awaitable[None]) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    async def _look(self, buses: Sequence[Bus]) -> None:
        while True:
            self._live.count(self._clock.now(), _together([bus.counters for bus in buses]))
            with contextlib.suppress(OSError):
                free = shutil.disk_usage(self._worktrees).free
                self._live.room(self._clock.now(), Disk(free=free, floor=self._floor))
            await self._clock.sleep(LOOK_SECONDS)

    def _log(self, recorded: ev.Recorded, state: State) -> None:
        if noteworthy(recorded.event):
            kind, issue = type(recorded.event).__name__, getattr(recorded.event, "issue", None)
            log.info(describe(recorded), kind=kind, seq=recorded.seq, **({"issue": issue} if issue else {}))

    def _keep(self, recorded: ev.Recorded, state: State) -> None:
        self._records.append(recorded)

    def _overhear(self, said: wire.Payload) -> None:
        now, live = self._clock.now(), self._live
        match said:
            case wire.Progress():
                live.progress(
                    *(now, said.issue, said.attempt),
                    agent=said.agent,
                    stage=said.stage,
                    percent=said.percent,
                    plan=[PlanEntry(line.content, line.status) for line in said.plan],
                    activity=said.activity,
                    files=said.files,
                    usage=Usage(**said.usage.model_dump(include=set(Usage.__struct_fields__))),
                    eta_seconds=said.eta_seconds,
                    claimed=said.claimed,
                )
            case wire.Health():
                for one in said.attempts:
                    live.health(
                        *(now, one.issue, one.attempt),
                        pid=one.pid,
                        cpu_seconds=one.cpu_seconds,
                        rss_mb=one.rss_mb,
                        idle_seconds=one.idle_seconds,
                    )
            case wire.Blocker():
                live.blocker(now, said.issue, said.attempt, kind=said.kind, text=said.text)
            case wire.BreakingChange():
                live.breaking_change(
                    *(now, said.issue, said.attempt),
                    file=said.file,
                    change=said.change,
                    affects=said.affects,
                    migration=said.migration,
                    severity=said.severity,
                )


class _Calls:
    """Counts what happens at the model gateway."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def spent(self, visitor: Visitor, total: Amount) -> None:
        """Each call is counted when it is over."""

    def refused(self, visitor: Visitor, trouble: str, why: str) -> None:
        """As is each that was refused."""

    def limited(self, visitor: Visitor, limit: Limited) -> None:
        """It is one that failed."""

    def made(self, call: Made) -> None:
        """Count a call."""
        if call.trouble is not None:
            self._metrics.model_refusal(call.trouble)
        else:
            tokens = call.used.tokens
            used = Usage(tokens.read, tokens.output, call.used.usd)
            self._metrics.model_call(call.api, call.outcome, call.seconds, used)


def _metrics(clock: Clock, live: Live) -> Metrics:
    from mawep.observe.metrics import Metrics

    return Metrics(clock, live)


def _together(counters: Sequence[Counters]) -> BusCounts:
    return BusCounts(**{one.name: sum(getattr(c, one.name) for c in counters) for one in fields(Counters)})
