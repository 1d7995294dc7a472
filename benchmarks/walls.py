"""What walls cost an agent that starts, and its commits on their way out: `python -m benchmarks.walls [FILES]`."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from mawep.adapters.fences import REQUIRED
from mawep.adapters.git import find_repository
from mawep.adapters.git_objects import Identity
from mawep.adapters.process import PIPE, Supervisor
from mawep.adapters.programs import own_python, visible_programs, with_real
from mawep.adapters.sandbox import Walls
from mawep.clock import SystemClock
from mawep.stages.workspace import Workspaces, WorkspaceSettings

T = TypeVar("T")
ROUNDS = 20
AGENT = Identity("agent-0", "agent-0@mawep.localhost")
FILL = "for d in $(seq 100); do mkdir d$d; for f in $(seq {each}); do echo $d $f > d$d/f$f; done; done; git add ."


class Times:
    """How long each kind of thing took, in milliseconds."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = {}

    async def of(self, what: str, work: Awaitable[T]) -> T:
        """Do it and note how long it took."""
        began = time.perf_counter()
        done = await work
        self.taken.setdefault(what, []).append((time.perf_counter() - began) * 1000)
        return done

    def show(self) -> None:
        """Print median and worst of each."""
        for what, taken in self.taken.items():
            print(f"{what:45} {statistics.median(taken):7.1f} ms   worst {max(taken):7.1f} ms")


def git(place: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    return subprocess.run(
        ["git", *settings, *arguments], cwd=place, check=True, capture_output=True, text=True
    ).stdout.strip()


async def measure(root: Path, files: int, times: Times) -> None:
    """One attempt that begins, commits and is collected, again and again."""
    repo = root / "repo"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    subprocess.run(["sh", "-c", FILL.format(each=max(files // 100, 1))], cwd=repo, check=True)
    git(repo, "commit", "-qm", "all")
    supervisor = await Supervisor.start()
    settings = WorkspaceSettings(base=root / "trees", spares=0, disk_floor_gb=0)
    workspaces = Workspaces(await find_repository(repo), supervisor, settings, SystemClock())
    await workspaces.open()
    workspace = await workspaces.lend(
        name="agent-0-issue-1", branch="feature/1", base=git(repo, "rev-parse", "HEAD"), port_slot=0
    )
    shown = (*visible_programs(os.environ["PATH"], [Path.home()]), *with_real(own_python()))

    async def first_byte(*argv: str) -> None:
        process = await supervisor.spawn(
            argv,
            cwd=workspace.path,
            env={"PATH": os.environ["PATH"], "HOME": str(workspaces.home(workspace))},
            lock=root / "lock",
            status_file=root / "status",
            stdout=PIPE,
        )
        assert process.stdout is not None
        await process.stdout.read(1)
        await process.wait()

    for number in range(ROUNDS):
        own = await times.of("git directory of its own", workspaces.seclude(workspace, REQUIRED, AGENT))
        walls = Walls(
            cwd=workspace.path,
            writable=(workspace.path, workspace.tmp, own.git, workspaces.home(workspace)),
            read_only=(*shown, *own.borrowed, *own.fixed),
            mounts=(own.pointer,),
        ).argv()
        await times.of("a program, start to end, without walls", first_byte("echo", "x"))
        await times.of("a program, start to end, behind walls", first_byte(*walls, "echo", "x"))
        await times.of("collect nothing", workspaces.collect(workspace))
        await first_byte(*walls, "sh", "-c", f"echo > n{number}; git add .; git commit -qm {number}; echo x")
        await times.of("collect a commit", workspaces.collect(workspace))
        await workspaces.commit_for_agent(workspace, "left", AGENT, {})
    await workspaces.discard(workspace)
    await workspaces.close()
    await supervisor.close()


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    times = Times()
    with tempfile.TemporaryDirectory(prefix="mawep-walls-") as root:
        asyncio.run(measure(Path(root).resolve(), files, times))
    times.show()


if __name__ == "__main__":
    main()
