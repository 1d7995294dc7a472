"""Wall time, processor time and memory of a command with everything that it starts.

The measuring process is a subreaper: a daemon that leaves its parent, such as the embedded server, is still
waited for here, so the kernel's sum over waited-for children is complete. It is the same sum for both sides.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
SHOWN = 2000


@dataclass(frozen=True)
class Spent:
    """What a command took: seconds of wall and processor time, and the peak resident MiB of its largest process."""

    wall: float
    cpu: float
    rss_mb: float


def become_reaper() -> None:
    """Inherit, from now on, the descendants whose parents are gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this system has no subreapers")


def measure(argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], output: Path) -> Spent:
    """Run `argv` until it and all its descendants are gone; its output goes to the file `output`.

    Raises RuntimeError, with the end of the output, if it exits non-zero.
    """
    before, began = _children(), time.monotonic()
    with output.open("wb") as sink:
        process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    if process.returncode != 0:
        tail = output.read_text(errors="replace")[-SHOWN:]
        raise RuntimeError(f"{argv[0]} exited {process.returncode}:\n{tail}")
    return Spent(wall, _children() - before, usage.ru_maxrss / 1024)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
