"""After a crash: end the git children of a dead owner and take away the lock files they left.

Needs /proc; on systems without it nothing is found and nothing is done.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from mawep.adapters.git import Sha
from mawep.adapters.git_process import MARK, repository_mark, start_time
from mawep.errors import InfrastructureError

POLL = 0.01


async def end_orphans(common_dir: Path, *, grace: float = 5.0) -> tuple[int, ...]:
    """End every git process that a dead MAWEP started for this repository; return their pids.

    They get SIGTERM, which lets git remove its lock files, and SIGKILL after `grace` seconds.
    Raises InfrastructureError when one survives even that.
    """
    ended: set[int] = set()
    started = time.monotonic()
    while alive := set(_orphans(common_dir)):
        waited = time.monotonic() - started
        if waited > 2 * grace:
            raise InfrastructureError(
                f"git processes of a dead owner do not end: {', '.join(map(str, sorted(alive)))}",
                next_step="look at them with ps, then resume again",
            )
        for pid in alive if waited > grace else alive - ended:
            _signal(pid, signal.SIGKILL if waited > grace else signal.SIGTERM)
        ended |= alive
        await asyncio.sleep(POLL)
    return tuple(sorted(ended))


async def remove_stale_lock(lock: Path, *, intended_at: float, content: Sha | None = None) -> bool:
    """Remove the lock file that our dead git child left at `lock`; True when there is none any more.

    The caller journalled that the child was to make it: `intended_at` (seconds since 1970) is when, `content` the
    object name it was to write, None for an index. A lock that is older, holds something else, belongs to
    someone else or is held by a live git is not ours and stays: False.
    """
    try:
        status = lock.lstat()
        text = lock.read_bytes()
    except FileNotFoundError:
        return True
    if status.st_uid != os.getuid() or status.st_mtime < intended_at - 1:
        return False
    if content is not None and text.strip() not in {b"", content.encode()}:
        return False
    if _held(lock):
        return False
    lock.unlink(missing_ok=True)
    return True


def _orphans(common_dir: Path) -> Iterator[int]:
    """Live processes marked with this repository whose owner is gone."""
    mark = f"{MARK}={repository_mark(common_dir)}:"
    for pid in _processes():
        for entry in _null_separated(pid, "environ"):
            if entry.startswith(mark):
                owner, _, started = entry.removeprefix(mark).partition(":")
                if start_time(int(owner)) != started and start_time(pid):
                    yield pid


def _held(lock: Path) -> bool:
    """True when a process has the file open, or a git works in the repository or checkout it lies in."""
    home = os.path.realpath(lock.parent)
    for pid in _processes():
        process = Path(f"/proc/{pid}")
        try:
            if any(os.path.samefile(fd, lock) for fd in (process / "fd").iterdir() if fd.exists()):
                return True
            if (process / "comm").read_text().startswith("git") and home.startswith(
                os.path.realpath(process / "cwd")
            ):
                return True
        except OSError:
            continue
    return False


def _processes() -> Iterator[int]:
    """Processes of this user, this one excepted."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if name.isdigit() and int(name) != os.getpid():
            try:
                if Path("/proc", name).stat().st_uid == os.getuid():
                    yield int(name)
            except OSError:
                continue


def _null_separated(pid: int, file: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes().decode("utf-8", "surrogateescape").split("\0")
    except OSError:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
