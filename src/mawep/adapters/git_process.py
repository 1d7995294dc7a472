"""Runs one git process: its own session, no terminal, ended and awaited when its caller is cancelled."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MARK = "MAWEP_GIT"
"""Environment variable by which a later process finds the git children of a dead owner."""

PARALLEL = 8
"""Git processes that run at the same time; further ones wait for a place."""

GRACE = 2.0
"""Seconds a cancelled git has to remove its lock files before it is killed."""


@dataclass(frozen=True)
class Completed:
    """A git process that ended: exit code (negative: the signal), and both outputs."""

    code: int
    stdout: bytes
    stderr: bytes


class _Child:
    """One git process, started in a pool thread and ended from the event loop."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: bytes | None) -> None:
        self._argv = argv
        self._env = env
        self._cwd = cwd
        self._input = stdin
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._unwanted = False

    def run(self) -> Completed:
        """Block until the process has ended."""
        with self._guard:
            if self._unwanted:
                return Completed(-signal.SIGTERM, b"", b"never started")
            self._process = process = subprocess.Popen(
                self._argv,
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL if self._input is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        stdout, stderr = process.communicate(self._input)
        return Completed(process.returncode, stdout, stderr)

    def signal(self, number: signal.Signals) -> None:
        """Send `number` to the process group; one that never started stays that way."""
        with self._guard:
            self._unwanted = True
            # The pool thread may reap it between the two calls; the pid cannot come round again that fast.
            if self._process is not None and self._process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)


async def execute(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, stdin: bytes | None = None
) -> Completed:
    """Run `argv` to its end and return what it said; a cancelled caller leaves no process behind.

    Raises OSError when the program or `cwd` does not exist.
    """
    child = _Child(argv, env, cwd, stdin)
    running = asyncio.get_running_loop().run_in_executor(_pool(), child.run)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await _end(child, running)
        raise


async def _end(child: _Child, running: asyncio.Future[Completed]) -> None:
    """End the process whatever happens to the caller meanwhile; SIGTERM lets git remove its lock files."""
    child.signal(signal.SIGTERM)
    killer = asyncio.get_running_loop().call_later(GRACE, child.signal, signal.SIGKILL)
    try:
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:
                child.signal(signal.SIGKILL)
    finally:
        killer.cancel()
    running.exception()  # seen: the caller's cancellation is what is told


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(PARALLEL, thread_name_prefix="git")


@cache
def owner_mark(common_dir: Path) -> str:
    """Value of `MAWEP_GIT` for git children of this process: `<hash of common dir>:<pid>:<start time>`."""
    pid = os.getpid()
    return f"{repository_mark(common_dir)}:{pid}:{start_time(pid)}"


def repository_mark(common_dir: Path) -> str:
    """The part of the mark that names the repository."""
    return hashlib.sha256(os.fsencode(common_dir)).hexdigest()[:16]


def start_time(pid: int) -> str:
    """When that process started, in kernel ticks; empty when it is gone or the system has no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    after_name = stat.rpartition(")")[2].split()
    return "" if after_name[0] in {"Z", "X"} else after_name[19]
