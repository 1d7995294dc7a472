"""`python -m benchmarks.worktrees`: how long an attempt waits for its worktree, beside `git worktree add`.

A repository is made of as many files as a large one has (27,000 of about 1.4 kB), with a line of 50 commits on top that
touch 400 of them. Each turn makes one worktree with git and hands one over from a warm spare, at the same commit and 50
commits behind, and gives it back, so that all meet the same load. Times are milliseconds, medians and the worst.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.homes import own_home
from mawep.adapters.git import find_repository
from mawep.adapters.process import Supervisor
from mawep.clock import SystemClock
from mawep.core.model import Sha
from mawep.stages.workspace import Workspaces, WorkspaceSettings

FILES, BEHIND, TOUCHED, TURNS = 27_000, 50, 8, 5
LINES = 40
ADDED, WARM, OLD, BACK = (
    "git worktree add",
    "handed over, spare at the commit",
    f"handed over, spare {BEHIND} commits behind",
    "given back",
)
BARS = {WARM: 150.0, OLD: 400.0, BACK: 20.0}


def history(files: int) -> Iterator[str]:
    """What `git fast-import` makes the repository from; the last but 50 commits are on `old`, all are on `main`."""
    who = "committer A Person <person@example.org> 1750000000 +0000\n"
    yield f"commit refs/heads/main\n{who}data 5\nfirst"
    for number in range(files):
        yield from _file(number, 0)
    yield "\nreset refs/heads/old\nfrom refs/heads/main\n"
    for change in range(1, BEHIND + 1):
        yield f"\ncommit refs/heads/main\n{who}data 6\nchange"
        for place in range(TOUCHED):
            yield from _file((change * TOUCHED + place) * 61 % files, change)


def _file(number: int, change: int) -> Iterator[str]:
    text = "".join(f"line {line} of file {number}, change {change}\n" for line in range(LINES))
    yield f"\nM 100644 inline d{number % 300}/s{number % 7}/file{number}.txt\ndata {len(text)}\n{text}"


def make(path: Path, files: int) -> tuple[Sha, Sha]:
    """Make the repository; the commits of `old` and `main`."""
    _git(path.parent, "init", "--quiet", "--initial-branch=main", str(path))
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=path, input="".join(history(files)).encode(), check=True
    )
    return _git(path, "rev-parse", "old"), _git(path, "rev-parse", "main")


def _git(path: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=path, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@asynccontextmanager
async def workspaces_in(root: Path, path: Path) -> AsyncIterator[Workspaces]:
    """Workspaces with two spares, which nothing has to be set up in."""
    supervisor = await Supervisor.start()
    repository = await find_repository(path)
    settings = WorkspaceSettings(base=root / "worktrees", spares=2, disk_floor_gb=0.5)
    workspaces = Workspaces(repository, supervisor, settings, SystemClock())
    try:
        async with repository.resident():
            await workspaces.open()
            try:
                yield workspaces
            finally:
                await workspaces.close()
    finally:
        await supervisor.close()


async def _timed(work: Awaitable[object]) -> float:
    began = time.monotonic()
    await work
    return 1000 * (time.monotonic() - began)


async def measure(root: Path, turns: int, files: int) -> dict[str, list[float]]:
    """Milliseconds of every turn, by what was done."""
    path, took = root / "repo", defaultdict[str, list[float]](list)
    old, new = make(path, files)
    async with workspaces_in(root, path) as workspaces:
        for turn in range(turns):
            add = ("worktree", "add", "--quiet", "--detach", str(root / f"added-{turn}"), old)
            took[ADDED].append(await _timed(asyncio.to_thread(_git, path, *add)))
            _git(path, "worktree", "remove", "--force", str(root / f"added-{turn}"))
            await workspaces.refill(old)
            for what, base in ((WARM, old), (OLD, new)):
                name = f"agent-0-issue-{len(took[what]) + 1}{what[-1]}"
                took[what].append(
                    await _timed(workspaces.lend(name=name, branch=f"feature/{name}", base=base, port_slot=0))
                )
                lent = workspaces.find(name)
                assert lent is not None and _git(lent.path, "rev-parse", "HEAD") == base
                assert _git(lent.path, "status", "--porcelain") == ""
                took[BACK].append(await _timed(workspaces.discard(lent)))
    return took


def main() -> int:
    """Measure, print, and say with the exit code whether every bar is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--files", type=int, default=FILES)
    options = parser.parse_args()
    with own_home() as root:
        took = asyncio.run(measure(root, options.turns, options.files))
    missed = 0
    for what in (ADDED, WARM, OLD, BACK):
        middle, bar = statistics.median(took[what]), BARS.get(what)
        missed += bar is not None and middle > bar
        limit = f" (at most {bar:.0f})" if bar else ""
        print(f"{what:42} {middle:8.1f} ms{limit}, worst {max(took[what]):.1f}, {len(took[what])} times")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
