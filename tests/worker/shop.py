"""A worker in a repository of its own, and what its orchestrator hears of it."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
import pytest_asyncio

from mawep.adapters.git import Repository, find_repository
from mawep.adapters.process import Supervisor
from mawep.adapters.valkey import Connection
from mawep.agents.base import Runtime
from mawep.agents.registry import RUNTIMES
from mawep.clock import SystemClock
from mawep.coordination import channels
from mawep.coordination import payloads as wire
from mawep.coordination.bus import Bus, forget_run
from mawep.coordination.identity import Identity, Keyring
from mawep.coordination.inbox import Received
from mawep.coordination.leases import Leases
from mawep.core.model import Issue
from mawep.errors import BusGoneError
from mawep.gateway.gateway import Gateway
from mawep.stages.attempt import Limits
from mawep.stages.workspace import Workspaces, WorkspaceSettings
from mawep.worker import Driving, Worker, WorkerSettings
from tests.support.leaks import MARK
from tests.support.repos import git, head, make_repository, write
from tests.support.servers import embedded_server
from tests.support.waiting import eventually

P = TypeVar("P", bound=wire.Payload)

WORKER = "worker-0"
HEARD = (channels.direct(channels.ORCHESTRATOR), channels.RESULTS, *channels.CAPPED)
PATIENCE = 100.0
"""Seconds; the machine may be busy."""


@dataclass
class Shop:
    """The worker, its repository, and the orchestrator's side of the bus."""

    root: Path
    run: str
    repository: Repository
    supervisor: Supervisor
    connection: Connection
    keyring: Keyring
    workspaces: Workspaces
    bus: Bus
    heard: list[Received] = field(default_factory=list)
    limits: Limits = field(default_factory=lambda: Limits(stall=100, turn=100))
    ttl: float = 30.0
    worker: Worker | None = None
    working: asyncio.Task[None] | None = None
    runtime: str = "command"
    gateway: Gateway | None = None
    behind: Mapping[str, str] = field(default_factory=dict)
    """The walls of agents: `sandbox` and `network`."""

    @property
    def checkout(self) -> Path:
        return self.root / "repo"

    @property
    def directory(self) -> Path:
        return self.root / "run"

    def agent(self, number: int, script: str) -> None:
        """Say what the program that works on this issue does."""
        write(self.root / "agents" / f"{number}.sh", script + "\n")

    def scripted(self, number: int, *steps: Mapping[str, Any], on_repair: Sequence[Any] = ()) -> None:
        """Say what the scripted agent on this issue does."""
        script = json.dumps({"steps": steps, "on_repair": on_repair})
        write(self.root / "agents" / f"{number}.yaml", script)

    def leases(self) -> Leases:
        return Leases(self.connection, self.run, self.ttl, SystemClock())

    def open(self, runtime: str | Runtime = "command", *, forge: bool = False) -> None:
        """Let a worker begin, as a new process would."""
        name = WORKER
        agents = self.root / "agents"
        command = ("sh", "-c", f". {shlex.quote(str(agents))}/$MAWEP_ISSUE.sh")
        drivings = {
            name: Driving(
                RUNTIMES[name](),
                (str(agents),) if name == "scripted" else command,
                (MARK,),
                **self.behind,
            )
            for name in ("command", "scripted", "acp")
        }
        self.runtime = runtime if isinstance(runtime, str) else runtime.name
        if not isinstance(runtime, str):
            drivings[self.runtime] = Driving(runtime, command, (MARK,))
        self.worker = Worker(
            WorkerSettings(
                name=name,
                run=self.run,
                directory=self.directory,
                runtimes=drivings,
                limits=self.limits,
                shown=(agents,) if self.behind else (),
                gateway=self.gateway,
                forge=forge,
            ),
            bus=Bus(self.connection, self.run, self._identity(name), self.keyring, SystemClock()),
            leases=self.leases(),
            workspaces=self.workspaces,
            repository=self.repository,
            supervisor=self.supervisor,
            clock=SystemClock(),
        )
        self.working = asyncio.create_task(self.worker.run())

    async def close(self) -> None:
        """End the worker, as Ctrl-C does."""
        if self.working is not None:
            self.working.cancel()
            await asyncio.gather(self.working, return_exceptions=True)
            self.working = None

    def _identity(self, name: str) -> Identity:
        return Identity.load_or_create(self.directory / "keys", name)

    # --- what it is told

    def work(self, number: int, **changes: Any) -> wire.Assignment:
        issue = Issue(number, f"Thing {number}", body="Do it.", labels=("bug",))
        usual: dict[str, Any] = {
            "issue": msgspec.to_builtins(issue),
            "attempt": 1,
            "agent": "agent-0",
            "branch": f"defect/{number}-thing",
            "base": head(self.checkout, "main"),
            "worktree": f"agent-0-issue-{number}",
            "runtime": self.runtime,
            "prompt": "the prompt",
            "title": issue.title,
            "claims_of_others": ["locked/**"],
            "own_claims": [],
            "protected": [".github/**"],
            "trailers": {"Mawep-Issue": str(number)},
            "port_slot": 0,
        }
        return wire.Assignment(**{**usual, **changes})

    async def tell(self, payload: wire.Payload, fence: int | None = None) -> None:
        await self.bus.send(channels.direct(WORKER), payload, fence=fence)

    async def assign(self, number: int, fence: int = 1, **changes: Any) -> None:
        await self.tell(self.work(number, **changes), fence)

    async def repair(self, number: int, fence: int, feedback: str = "correct it", **changes: Any) -> None:
        work = self.work(number, **changes)
        await self.tell(wire.Repair(issue=number, attempt=1, feedback=feedback, round=1, work=work), fence)

    async def stop(self, number: int, fence: int = 1, reason: str | None = None) -> None:
        work = self.work(number)
        await self.tell(wire.Stop(issue=number, attempt=1, reason=reason, detail="enough", work=work), fence)

    async def obeyed(self) -> None:
        """Until the worker has taken in everything that it was told."""

        async def acknowledged() -> bool:
            await self.bus.resend()
            return self.bus.unacknowledged == 0

        probe: Callable[[], bool | Awaitable[bool]] = acknowledged
        await eventually("the worker has heard everything", probe, PATIENCE)

    # --- what it says

    async def listen(self) -> None:
        after: dict[str, str] = {}
        while True:
            with suppress(BusGoneError):  # who stood still for a while hears on
                async for item in self.bus.read(HEARD, after):
                    if isinstance(item, Received):
                        after[item.channel] = item.stream_id
                        self.heard.append(item)

    def said(self, kind: type[P], number: int, fence: int | None = None) -> list[P]:
        """Every payload of that kind about the issue, under that fence if one is given."""
        return [
            item.payload
            for item in self.heard
            if isinstance(item.payload, kind)
            and getattr(item.payload, "issue", number) == number
            and fence in (None, item.envelope.fence)
        ]

    async def hears(self, kind: type[P], number: int, fence: int | None = None) -> P:
        what = f"the worker says {kind.__name__} of #{number}"
        return (await eventually(what, lambda: self.said(kind, number, fence), PATIENCE))[0]

    async def result(self, number: int, fence: int = 1) -> wire.TurnResult:
        return await self.hears(wire.TurnResult, number, fence)

    async def leased(self, number: int) -> None:
        async def held() -> bool:
            return await self.leases().holder(f"{number}/1") is not None

        probe: Callable[[], bool | Awaitable[bool]] = held
        await eventually(f"#{number} is leased", probe, PATIENCE)

    # --- what it made

    def file(self, name: str) -> Path:
        return self.root / name

    async def appears(self, name: str) -> str:
        path = self.file(name)
        return await eventually(
            f"{name} is written", lambda: path.read_text().strip() if path.exists() else "", PATIENCE
        )

    def show(self, revision: str) -> str:
        return git(self.checkout, "show", revision)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of an embedded server, one per test process."""
    directory = Path(tempfile.mkdtemp(dir="/tmp", prefix="mw-"))
    try:
        with embedded_server(directory) as url:
            yield url
    finally:
        shutil.rmtree(directory)


@pytest_asyncio.fixture
async def shop(tmp_path: Path, server: str, clean_repository: Callable[..., None]) -> AsyncIterator[Shop]:
    """A repository, a bus and an orchestrator that listens; the worker begins with `open`."""
    checkout = make_repository(tmp_path / "repo", {"a.txt": "a\n", ".gitignore": "*.log\n"})
    base = tmp_path / "trees"
    clean_repository(checkout, keep=("refs/mawep/", f"{base}/agent-"))
    run = f"r{os.getpid()}-{tmp_path.name}"[-60:]
    repository = await find_repository(checkout)
    supervisor = await Supervisor.start()
    connection = await Connection.connect(server)
    workspaces = Workspaces(
        repository, supervisor, WorkspaceSettings(base=base, spares=0, disk_floor_gb=0), SystemClock()
    )
    await workspaces.open()
    keys = tmp_path / "run" / "keys"
    for name in (channels.ORCHESTRATOR, WORKER):
        Identity.load_or_create(keys, name)
    keyring = Keyring(directory=keys)
    orchestrator = Identity.load_or_create(keys, channels.ORCHESTRATOR)
    bus = Bus(connection, run, orchestrator, keyring, SystemClock())
    made = Shop(tmp_path, run, repository, supervisor, connection, keyring, workspaces, bus)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        await made.close()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await workspaces.close()
        await forget_run(connection, run)
        await connection.close()
        await supervisor.close()


def lives(pid: int) -> bool:
    """True while the process runs."""
    return Path(f"/proc/{pid}").exists()


def hold_lock(path: Path) -> subprocess.Popen[bytes]:
    """A process that holds the lock file until it is told to go on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    program = (
        "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.readline()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    return process
