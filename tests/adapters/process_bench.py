"""A supervisor with a directory of its own, and programs whose every descendant can be found again."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from mawep.adapters.process import Process, Supervisor, clean_environment
from tests.support.waiting import eventually

MARK = "PROCESS_BENCH"
TREE = """
import os, signal, sys, time
def leave(name):
    with open(name + ".new", "w") as file: file.write(str(os.getpid()))
    os.rename(name + ".new", name)
    while True: time.sleep(1000)
if os.fork() == 0: leave("child")
if os.fork() == 0: os.setsid(); leave("setsid")
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    os.closerange(0, 100)      # keeps neither the lock nor a pipe
    leave("daemon")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[1:] == ["leaves"]:
    while not all(map(os.path.exists, ("child", "setsid", "daemon"))): time.sleep(0.005)
else:
    leave("main")
"""
"""A program with a child, a grandchild in another session and a daemon; `leaves` makes itself exit with 0."""


def tree_command(*arguments: str) -> list[str]:
    """The command that grows the tree in its working directory."""
    return [sys.executable, "-I", "-S", "-c", TREE, *arguments]


def marked(mark: str) -> list[int]:
    """Pids of all programs that carry this mark in their environment; no zombies among them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}\0".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # ended meanwhile
            continue
    return found


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def fork_server(owner: int | None = None) -> psutil.Process:
    """The fork server of the process `owner`, else of this one."""
    (server,) = [child for child in psutil.Process(owner).children() if child.name() == "mawep-forks"]
    return server


def shim_of(process: Process) -> psutil.Process:
    shim = psutil.Process(process.pid).parent()
    assert shim is not None and shim.name() == "mawep-shim"
    return shim


@dataclass
class Bench:
    """Spawns programs that are told apart by `name`: their lock and status file are called after it."""

    home: Path
    supervisor: Supervisor
    mark: str = field(default_factory=lambda: secrets.token_hex(8))

    def lock(self, name: str = "program") -> Path:
        return self.home / f"{name}.lock"

    def status_file(self, name: str = "program") -> Path:
        return self.home / f"{name}.status"

    async def spawn(self, *argv: str, name: str = "program", **options: Any) -> Process:
        settings = {
            "cwd": self.home,
            "env": clean_environment(home=self.home, extra={MARK: self.mark}),
            "lock": self.lock(name),
            "status_file": self.status_file(name),
            **options,
        }
        return await self.supervisor.spawn(argv, **settings)

    async def grow_tree(self, **options: Any) -> Process:
        """A program with descendants of all kinds, all of which are there."""
        process = await self.spawn(*tree_command(), **options)
        await tree_is_grown(self.home)
        return process

    def alive(self) -> list[int]:
        """Pids of all programs spawned here and of their descendants."""
        return marked(self.mark)


async def tree_is_grown(home: Path) -> None:
    names = ("main", "child", "setsid", "daemon")
    await eventually("the tree is grown", lambda: all((home / name).exists() for name in names))


@asynccontextmanager
async def open_bench(home: Path) -> AsyncIterator[Bench]:
    """A bench whose supervisor is closed at the end."""
    supervisor = await Supervisor.start()
    try:
        yield Bench(home, supervisor)
    finally:
        await supervisor.close()


OWNER = """
import asyncio, json, os, signal, sys, time
from pathlib import Path
from mawep.adapters.process import Supervisor

async def main():
    wishes = json.loads(sys.argv[1])
    home = Path(wishes["home"])
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    supervisor = await Supervisor.start()

    async def spawn(argv, name="program"):
        return await supervisor.spawn(
            argv, cwd=home, env=wishes["env"], lock=home / f"{name}.lock", status_file=home / f"{name}.status",
            token=wishes["token"], deadline=deadline,
        )

    deadline = time.clock_gettime(time.CLOCK_BOOTTIME) + wishes["lasts"] if "lasts" in wishes else None
    if "dies_after" in wishes:
        spawning = asyncio.create_task(spawn(wishes["argv"]))
        for _ in range(wishes["dies_after"]):
            await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGKILL)
    process = await spawn(wishes["argv"])
    print(json.dumps({"pid": process.pid}), flush=True)
    await interrupted.wait()
    status = await (await spawn(["true"], "after")).wait()
    print(json.dumps({"after": status.code}), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
"""A MAWEP of its own: spawns what it is told to, then waits to be killed; after a SIGINT it spawns once more."""


@dataclass
class Owner:
    """A process that owns a supervisor, in a process group of its own, as a shell would start it."""

    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def says(self) -> dict[str, int]:
        """The next line it prints."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            said: dict[str, int] = json.loads(await self.process.stdout.readline())
        return said

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def open_owner(home: Path, mark: str, argv: Sequence[str], **wishes: Any) -> AsyncIterator[Owner]:
    """An owner that spawns `argv` in `home`, and is killed at the end if it still lives."""
    env = clean_environment(home=home, extra={MARK: mark})
    wishes = {"home": str(home), "argv": argv, "env": env, "token": "", **wishes}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, json.dumps(wishes)),
        stdout=asyncio.subprocess.PIPE,
        process_group=0,
    )
    owner = Owner(process)
    try:
        yield owner
    finally:
        await owner.kill()
