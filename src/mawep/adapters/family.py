"""The processes of one attempt, read from the kernel: what all that its shim looks after consumes.

A look costs a few small reads for each process, whatever else runs on the machine. Where the kernel does not
list a process's children (macOS), psutil looks through all processes instead.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import psutil

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Vitals:
    """What the process tree of an attempt consumes.

    `io_bytes` is what they have read and written so far, None if it was not asked for; `stopped` is true when the
    program itself was stopped by a signal.
    """

    cpu_seconds: float
    rss_mb: float
    processes: int
    io_bytes: int | None = None
    stopped: bool = False


class _Stat(NamedTuple):
    """Of /proc/PID/stat: times in ticks, own and of children that were waited for; memory in pages."""

    state: str
    parent: int
    own: int
    waited: int
    threads: int
    pages: int


def vitals_of(pid: int, *, io: bool = False) -> Vitals | None:
    """What the program `pid` and everything under its shim consume; None when it is gone. `io` costs a little more."""
    if not pid:
        return None
    program = _stat(pid)
    if program is None:
        return _by_psutil(pid)
    shim = _stat(program.parent)
    if shim is None:
        return None
    ticks, pages, read_and_written = shim.waited, 0, 0
    family = list(_descendants(program.parent, shim.threads))
    for member, stat in family:
        ticks += stat.own + stat.waited
        pages += stat.pages
        read_and_written += _io(member) if io else 0
    return Vitals(
        cpu_seconds=round(ticks / _TICKS, 2),
        rss_mb=round(pages * _PAGE / 2**20, 1),
        processes=len(family),
        io_bytes=read_and_written if io else None,
        stopped=program.state in "Tt",
    )


def _descendants(pid: int, threads: int) -> Iterator[tuple[int, _Stat]]:
    ahead = [(pid, threads)]
    seen = {pid}
    while ahead:
        for child in _children(*ahead.pop()):
            stat = _stat(child)
            if stat is not None and child not in seen:
                seen.add(child)
                ahead.append((child, stat.threads))
                yield child, stat


def _children(pid: int, threads: int) -> Iterator[int]:
    """Every thread has children of its own."""
    tasks = [str(pid)]
    with contextlib.suppress(OSError):
        tasks = os.listdir(f"/proc/{pid}/task") if threads > 1 else tasks  # noqa: PTH208
    for task in tasks:
        for child in _read(f"/proc/{pid}/task/{task}/children").split():
            yield int(child)


def _stat(pid: int) -> _Stat | None:
    _, _, fields = _read(f"/proc/{pid}/stat").rpartition(b") ")  # a program's name may hold anything
    if not fields:
        return None
    state, parent, *rest = fields.split()
    numbers = [int(field) for field in rest[9:22]]
    user, system, waited_user, waited_system, _, _, threads, *_, pages = numbers[:7] + numbers[10:11]
    return _Stat(state.decode(), int(parent), user + system, waited_user + waited_system, threads, pages)


def _io(pid: int) -> int:
    """Bytes that went through its reads and writes, those of children that it waited for included."""
    fields = _read(f"/proc/{pid}/io").split()
    return int(fields[1]) + int(fields[3]) if len(fields) > 3 else 0


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _by_psutil(pid: int) -> Vitals | None:
    try:
        program = psutil.Process(pid)
        shim = program.parent()
        family = shim.children(recursive=True) if shim else []
        stopped = program.status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return None
    cpu, rss = 0.0, 0
    for member in family:
        with contextlib.suppress(psutil.Error):
            times = member.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
            rss += member.memory_info().rss
    return Vitals(round(cpu, 2), round(rss / 2**20, 1), len(family), stopped=stopped)
