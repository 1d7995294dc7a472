"""What a worker says: facts to the orchestrator's mailbox, status to whoever listens."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import structlog

from mawep.adapters.family import vitals_of
from mawep.agents.base import BreakingChange
from mawep.clock import Clock
from mawep.coordination import channels, outages
from mawep.coordination import payloads as wire
from mawep.coordination.bus import Bus
from mawep.core.model import Question
from mawep.errors import BusGoneError
from mawep.stages.attempt import Progress
from mawep.worker.desk import Desk, usage_of

log = structlog.get_logger("mawep.worker")

HEALTH_SECONDS = 5.0
REPORT_SECONDS = 0.25
"""Progress of one attempt is published at most this often."""


class Reports:
    """The worker's voice."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._background: set[asyncio.Task[None]] = set()
        self._due: set[tuple[int, int]] = set()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def close(self) -> None:
        """Leave off in the middle of a sentence."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def started(self, desk: Desk, pid: int, *, resumed: bool) -> None:
        """Say that the agent's process runs."""
        await self.tell(
            desk,
            wire.AttemptStarted(
                issue=desk.issue.number,
                attempt=desk.work.attempt,
                agent=desk.work.agent,
                pid=pid,
                resumed=resumed,
                worktree=str(desk.at.path),
            ),
        )

    def progressed(self, desk: Desk, progress: Progress) -> None:
        """Say how far it is, but not too often. The last thing is said too: an agent may think long after it."""
        wait = desk.reported + REPORT_SECONDS - self._clock.awake()
        if wait <= 0:
            self._say_progress(desk, progress)
        elif desk.key not in self._due:
            self._due.add(desk.key)
            self._in_background(self._say_progress_in(wait, desk, progress))

    async def _say_progress_in(self, seconds: float, desk: Desk, progress: Progress) -> None:
        try:
            await self._clock.sleep(seconds)
        finally:
            self._due.discard(desk.key)
        if desk.turn is not None and desk.turn.progress is progress:
            self._say_progress(desk, progress)

    def _say_progress(self, desk: Desk, progress: Progress) -> None:
        now = desk.reported = self._clock.awake()
        payload = wire.Progress(
            issue=desk.issue.number,
            attempt=desk.work.attempt,
            agent=desk.work.agent,
            percent=progress.percent,
            stage=progress.stage,
            plan=[wire.PlanLine(content=entry.content, status=entry.status) for entry in progress.plan],
            activity=progress.activity,
            files=list(progress.files),
            usage=usage_of(desk),
            eta_seconds=progress.eta(now),
            claimed=progress.claimed,
        )
        self._in_background(self.publish(channels.PROGRESS_UPDATES, payload, desk.fence))

    async def asked(self, desk: Desk, question: Question) -> None:
        """Say that the agent waits for a person."""
        await self.tell(
            desk,
            wire.Question(
                issue=desk.issue.number,
                attempt=desk.work.attempt,
                question_id=question.id,
                text=question.text,
                options=list(question.options),
            ),
        )
        blocker = wire.Blocker(
            issue=desk.issue.number, attempt=desk.work.attempt, kind="question", text=question.text
        )
        await self.publish(channels.BLOCKERS, blocker, desk.fence)

    async def blocked(self, desk: Desk, text: str) -> None:
        """Say what the agent says keeps it from going on."""
        blocker = wire.Blocker(issue=desk.issue.number, attempt=desk.work.attempt, kind="agent", text=text)
        await self.publish(channels.BLOCKERS, blocker, desk.fence)

    async def announced(self, desk: Desk, change: BreakingChange) -> None:
        """Say what the agent changes for others: to the orchestrator, which tells them."""
        payload = wire.BreakingChange(
            issue=desk.issue.number,
            attempt=desk.work.attempt,
            file=change.file,
            change=change.change,
            affects=list(change.affects),
            migration=change.migration,
            severity="high",
        )
        await self.tell(desk, payload)

    async def tell(self, desk: Desk, payload: wire.Payload) -> None:
        """A fact about a desk, for the orchestrator, under the fence of the desk's turn."""
        await self.send(channels.direct(channels.ORCHESTRATOR), payload, desk.fence)

    async def send(self, channel: str, payload: wire.Payload, fence: int | None) -> None:
        """Put it into a mailbox; while the bus is gone it waits in the outbox."""
        await outages.tell(self._bus, channel, payload, self._clock, fence=fence)

    async def publish(self, channel: str, payload: wire.Payload, fence: int | None) -> None:
        """Say it to whoever listens; lost if the bus is gone, as the next one says it better."""
        try:
            await self._bus.send(channel, payload, fence=fence)
        except BusGoneError as error:
            log.warning("status not published", channel=channel, cause=error.cause)


def health_of(worker: str, desks: Iterable[Desk], boottime: float) -> wire.Health:
    """What the worker can say of its attempts now."""
    return wire.Health(worker=worker, attempts=[_health(desk) for desk in desks], at_boottime=boottime)


def _health(desk: Desk) -> wire.AttemptHealth:
    pid = desk.session.pid if desk.session else 0
    vitals = (desk.turn.vitals if desk.turn else None) or vitals_of(pid)
    return wire.AttemptHealth(
        issue=desk.issue.number,
        attempt=desk.work.attempt,
        fence=desk.fence,
        pid=pid,
        cpu_seconds=vitals.cpu_seconds if vitals else 0.0,
        rss_mb=vitals.rss_mb if vitals else 0.0,
        idle_seconds=desk.turn.idle_seconds if desk.turn else 0.0,
        usage=usage_of(desk),
    )
