"""What keeps a run going in the background."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from mawep.adapters.valkey_embedded import EmbeddedServer
from mawep.cli import upkeep
from mawep.cli.upkeep import watch_disk, watch_server
from mawep.clock import SystemClock
from mawep.config import Config, load_config
from mawep.core import events as ev
from mawep.core.model import Issue, Rules
from mawep.core.state import State
from mawep.errors import BusGoneError
from mawep.orchestrator import Orchestrator
from mawep.state.journal import Journal
from tests.support.waiting import eventually


class Nobody:
    """Carries out nothing; the attempts it is asked for never begin."""

    async def perform(self, recorded: ev.Recorded) -> ev.AnyEvent | None:
        return None

    async def answer(self, answered: ev.QuestionAnswered) -> None:
        return

    async def still_blocked(self, state: State) -> bool:
        return False


def configured(tmp_path: Path, floor: float) -> Config:
    file = tmp_path / "mawep.yaml"
    file.write_text(
        f"mawep:\n  orchestrator: {{worktree_base: {tmp_path}/trees}}\n  workspace: {{disk_floor_gb: {floor}}}\n"
        "  agents: {runtime: command, command: [agent]}\n  verify: {commands: ['true']}\n"
    )
    return load_config(file, (), os.environ)


@pytest_asyncio.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Orchestrator]:
    journal = Journal.create(tmp_path / "run" / "journal.db", "run")
    hall = Orchestrator(journal, State(), SystemClock())
    hall.tell(
        ev.RunStarted(
            run="run",
            trace="",
            target_branch="main",
            target="0" * 40,
            issues=(Issue(1, "one"),),
            rules=Rules(),
        )
    )
    running = asyncio.create_task(hall.run(Nobody()))
    yield hall
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    journal.close()


@pytest.mark.parametrize(("floor", "pauses"), [(1e9, True), (0.0, False)])
async def test_disk_floor_is_watched_all_the_time(
    hall: Orchestrator, tmp_path: Path, floor: float, pauses: bool
) -> None:
    await eventually("the run has started", lambda: hall.state.run)
    watching = asyncio.create_task(watch_disk(hall, configured(tmp_path, floor), tmp_path, SystemClock()))
    if pauses:
        paused = await eventually("dispatch is paused", lambda: hall.state.paused)
        assert paused and "disk floor" in paused
    else:
        await asyncio.wait({watching}, timeout=0.2)
        assert hall.state.paused is None
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def test_restarts_of_the_server_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk ends the server each time: somebody has to be told rather than see it start for ever."""
    monkeypatch.setattr(upkeep, "SERVER_POLL", 0.01)
    monkeypatch.setattr(upkeep, "MAX_RESTARTS", 2)
    server = await EmbeddedServer.ensure(tmp_path / "valkey")
    seen: list[int] = []
    serves: Callable[[], bool | Awaitable[bool]] = server.alive

    async def alive_again_and_killed() -> None:
        while True:
            await eventually("another server runs", lambda: server.pid not in seen and server.pid, timeout=60)
            await eventually("it serves", serves, timeout=60)
            seen.append(server.pid)
            with contextlib.suppress(ProcessLookupError):  # slow to answer, it was ended already
                os.kill(server.pid, signal.SIGKILL)

    killer = asyncio.create_task(alive_again_and_killed())
    with pytest.raises(BusGoneError, match="died 3 times"):
        await watch_server(server, (), grace=20, restarted=lambda: None, clock=SystemClock())
    killer.cancel()
    await asyncio.gather(killer, return_exceptions=True)
    await server.stop()


async def test_a_server_that_is_not_back_within_its_grace_stops_the_run_as_a_bus_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "SERVER_POLL", 0.01)
    server = await EmbeddedServer.ensure(tmp_path / "valkey")
    journal = Journal.create(tmp_path / "run" / "journal.db", "run")
    hall = Orchestrator(journal, State(), SystemClock())
    os.kill(server.pid, signal.SIGKILL)
    try:
        await hall.guard(watch_server(server, (), grace=0, restarted=lambda: None, clock=SystemClock()))
        with pytest.raises(BusGoneError, match="gone for longer than its grace"):
            await hall.run(Nobody())
    finally:
        await server.restart()
        await server.stop()
        journal.close()
