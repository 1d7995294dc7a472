"""The lock that a supervised program holds: is it free, who holds it, wait until it is."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from mawep.errors import InfrastructureError

POLL_SECONDS = 0.02


def lock_is_free(path: Path) -> bool:
    """True when no program holds the lock at `path`. A path that does not exist is free."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


async def until_free(path: Path, timeout: float) -> None:
    """Wait until no program holds the lock at `path`.

    Raises InfrastructureError naming the lock and its holders after `timeout` seconds.
    """
    try:
        async with asyncio.timeout(timeout):
            while not lock_is_free(path):  # noqa: ASYNC110 - a lock calls nobody
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        named = (
            ", ".join(f"{pid} ({_name(pid)})" for pid in lock_holders(path)) or "a process of another user"
        )
        raise InfrastructureError(
            f"the lock {path} is still held after {timeout:g} s",
            cause=f"held by process {named}",
            next_step="wait until that process has ended, then resume",
        ) from None


def lock_holders(path: Path) -> list[int]:
    """Pids of the visible processes that hold the lock at `path`; empty where there is no /proc.

    Looks at open descriptors: /proc/locks names the process that *took* the lock, which may be dead while
    those that inherited it hold it still, and its device numbers are not always those of stat().
    """
    try:
        wanted = path.stat()
    except FileNotFoundError:
        return []
    key = (wanted.st_dev, wanted.st_ino)
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _holds(entry, key)]


def _holds(process: Path, key: tuple[int, int]) -> bool:
    try:
        for descriptor in (process / "fd").iterdir():
            seen = descriptor.stat()
            if (seen.st_dev, seen.st_ino) == key:
                return "FLOCK" in (process / "fdinfo" / descriptor.name).read_text()
    except OSError:  # it ended meanwhile, or belongs to somebody else
        return False
    return False


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "ended"
