"""After a crash: wait for or end the git children of a dead owner, and take away the lock files they left.

Both read /proc; on systems without it no process is found.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_process import MARK, repository_mark, start_time
from mawep.adapters.git_worktrees import list_worktrees
from mawep.errors import InfrastructureError

POLL = 0.01
TOLERANCE = 0.2
"""How far the kernel's clock for processes and that for files may be apart, in seconds."""


async def end_orphans(common_dir: Path, *, patience: float = 5.0) -> tuple[int, ...]:
    """Wait until no git process that a dead MAWEP started for this repository lives; return their pids.

    They may finish by themselves for `patience` seconds, get SIGTERM then, which lets git remove its lock
    files, and SIGKILL after as long again. Raises InfrastructureError when one survives even that. Between two looks
    half of a period passes at most: whoever stood still for longer has sent no signal meanwhile.
    """
    seen: set[int] = set()
    periods, last = 0.0, time.monotonic()
    while alive := set(_orphans(common_dir)):
        seen |= alive
        now = time.monotonic()
        periods, last = periods + min((now - last) / patience, 0.5), now
        if periods > 3:
            raise InfrastructureError(
                f"git processes of a dead owner do not end: {', '.join(map(str, sorted(alive)))}",
                next_step="look at them with ps, then resume again",
            )
        if periods > 1:
            for pid in alive:
                _signal(pid, signal.SIGTERM if periods <= 2 else signal.SIGKILL)
        await asyncio.sleep(POLL)
    return tuple(sorted(seen))


def remove_stale_lock(
    repository: Repository, lock: Path, *, intended_at: float, content: Sha | None = None
) -> bool:
    """Remove the lock file that our dead git child left at `lock`; True when none is there any more.

    Call it after `end_orphans`, with what the caller journalled before it started that child: `intended_at`,
    in seconds since 1970, and `content`, the object name it was to write (None for an index). A lock that is
    older, says something else, is someone else's, or may be held by a live git, stays: False. Updating a ref
    makes `<ref>.lock`, and `HEAD.lock` if HEAD is on it; moving a checkout makes `index.lock`.

    A git that started after the lock was made does not hold it. Ours and the agents' run all the time.
    """
    try:
        status = lock.lstat()
        written = lock.read_bytes().strip()
    except FileNotFoundError:
        return True
    if status.st_uid != os.getuid() or status.st_mtime < intended_at - 1:
        return False
    if content is not None and written not in {b"", content.encode()}:
        return False
    age = time.time() - status.st_mtime
    if any(_lived_for(pid) + TOLERANCE > age and _works_in(pid, repository) for pid in _processes()):
        return False
    lock.unlink(missing_ok=True)
    return True


def _orphans(common_dir: Path) -> Iterator[int]:
    """Live processes marked with this repository whose owner is gone."""
    mark = f"{MARK}={repository_mark(common_dir)}:"
    for pid in _processes():
        entries = _read(pid, "environ").split("\0")
        owner = next((entry.removeprefix(mark) for entry in entries if entry.startswith(mark)), None)
        if owner is not None and start_time(pid) and not _lives(owner):
            yield pid


def _lives(owner: str) -> bool:
    """True when the process `<pid>:<start time>` is still that process."""
    pid, _, started = owner.partition(":")
    return pid.isdigit() and start_time(int(pid)) == started


def _lived_for(pid: int) -> float:
    """How long ago the process started, in seconds; 0 when it is gone."""
    ticks = start_time(pid)
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def _works_in(pid: int, repository: Repository) -> bool:
    """True when the process is a git that runs in one of the repository's directories or was told of it."""
    if not _read(pid, "comm").startswith("git"):
        return False
    told = _read(pid, "cmdline") + _read(pid, "environ")
    try:
        place = Path(os.path.realpath(f"/proc/{pid}/cwd", strict=True))
    except OSError:
        # Gone since, or not ours to look at: then only what it was told can say.
        place = Path("/")
    homes = [repository.common_dir, *(tree.path for tree in list_worktrees(repository))]
    return str(repository.common_dir) in told or any(place.is_relative_to(home) for home in homes)


def _processes() -> Iterator[int]:
    """Every process except this one."""
    proc = Path("/proc")
    for entry in proc.iterdir() if proc.is_dir() else ():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            yield int(entry.name)


def _read(pid: int, file: str) -> str:
    """A file of /proc, empty when the process is gone or another user's."""
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="surrogateescape")
    except OSError:
        return ""


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
