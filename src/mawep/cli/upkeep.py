"""What keeps a run going in the background: the server brought back, the disk watched, spares made."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path

import structlog

from mawep.adapters.runtime_directory import clear_runtime_directory
from mawep.adapters.valkey_embedded import EmbeddedServer
from mawep.clock import Clock
from mawep.config import Config
from mawep.coordination.bus import Bus
from mawep.core import events as ev
from mawep.core.state import State
from mawep.errors import BusGoneError, MawepError
from mawep.orchestrator import Orchestrator
from mawep.stages.workspace import Workspaces
from mawep.state.runs import list_runs

log = structlog.get_logger("mawep.run")

SERVER_POLL = 0.5
DISK_POLL = 5.0
MAX_RESTARTS = 5
"""Restarts of the embedded server within one run before the run stops: something keeps killing it."""


class Refiller:
    """Keeps spares at the newest target, one refill at a time."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces
        self._task: asyncio.Task[None] | None = None

    def witness(self, recorded: ev.Recorded, state: State) -> None:
        """Look whether this event took a spare, made the spares old, or will make them so in a moment."""
        if self._task is not None and not self._task.done():
            return
        event = recorded.event
        if isinstance(event, ev.AttemptStarted | ev.TargetMoved | ev.PullRequestMerged | ev.RunResumed):
            open_issues = len(state.graph.issues) - state.terminal
            self._begin(self._workspaces.refill(state.target, at_most=open_issues))
        elif isinstance(event, ev.LandingSealed) and any(
            state.graph.dependents[s.issue] for s in event.steps
        ):
            self._begin(self._workspaces.advance(event.steps[-1].commit))

    def _begin(self, work: Awaitable[None]) -> None:
        self._task = asyncio.create_task(self._guarded(work))

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except MawepError as error:  # the attempt that needs a worktree will say it again, and count
            log.warning("no spare could be made", cause=str(error))

    async def close(self) -> None:
        """Leave off."""
        if self._task is not None:
            await ended(self._task)


@contextlib.asynccontextmanager
async def shared_server(data_dir: Path) -> AsyncIterator[EmbeddedServer]:
    """The repository's embedded server, shared by its runs; the last one to leave turns it off."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    users = os.open(data_dir / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_SH)
        server = await EmbeddedServer.ensure(data_dir)
        try:
            yield server
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                await server.stop()
    finally:
        os.close(users)


async def watch_server(
    server: EmbeddedServer,
    buses: Iterable[Bus],
    *,
    grace: float,
    restarted: Callable[[], None],
    clock: Clock,
) -> None:
    """Bring the embedded server back when it dies, loudly, and send again what it had not confirmed.

    Raises:
        BusGoneError: it keeps dying, or is not back within its grace (seconds).
    """
    restarts = 0
    while True:
        await clock.sleep(SERVER_POLL)
        if await server.alive():
            continue
        restarts += 1
        log.error("the embedded server died and is started again", restarts=restarts)
        restarted()
        if restarts > MAX_RESTARTS:
            raise BusGoneError(
                f"The embedded server died {restarts} times",
                cause=f"see {server.data_dir / 'server.log'}",
                next_step="`mawep resume` when it stays up",
            )
        try:
            async with asyncio.timeout(grace):
                await server.restart()
        except TimeoutError as error:  # it is an OSError too, and would be taken for the machine's fault
            raise BusGoneError(
                "The message bus is gone for longer than its grace",
                cause=f"the embedded server was not back within {grace:g} s",
                next_step="`mawep resume`",
            ) from error
        for bus in buses:
            await bus.resend()


async def watch_disk(hall: Orchestrator, config: Config, common_dir: Path, clock: Clock) -> None:
    """Start nothing new while there is too little room: a full disk ends the server and spoils gates."""
    floor = config.workspace.disk_floor_gb * 1e9
    places = (common_dir, _existing(config.worktree_base(common_dir, os.environ)))
    paused = ""
    while True:
        free = min(shutil.disk_usage(place).free for place in places)
        if free < floor and not hall.state.paused:
            paused = f"the disk floor: {free / 1e9:.1f} GB are free, {floor / 1e9:g} GB are wanted"
            log.warning("paused", by=paused)
            hall.tell(ev.DispatchPaused(paused))
        elif free >= floor and paused and hall.state.paused == paused:
            hall.tell(ev.DispatchUnpaused("the disk floor"))
            paused = ""
        await clock.sleep(DISK_POLL)


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above it that exists."""
    return path if path.exists() else _existing(path.parent)


async def ended(task: asyncio.Task[None]) -> None:
    """End a background task and wait until it is gone."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def clear_dead_sockets(common_dir: Path) -> None:
    """Take away what runs listened on whose processes are dead."""
    for summary in list_runs(common_dir):
        if not summary.alive:
            clear_runtime_directory(summary.directory.path)
