"""What can be seen of an agent from outside: its processes, and the files of its attempt."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.family import Vitals, vitals_of
from mawep.stages.attempt.watchdog import Look

SCAN_LIMIT = 50_000
"""Directory entries looked at for a sign of file activity."""
SCAN_SHARE = 0.02
"""Looking at the files of an attempt may take this share of the time."""


class Processes:
    """The process tree of an attempt, each look compared with the one before."""

    def __init__(self, calls: Callable[[], int]) -> None:
        self._calls = calls
        self._before: Vitals | None = None

    def look(self, pid: int, seconds: float) -> tuple[Vitals | None, Look]:
        """What they consume now, and what happened in the `seconds` since the last look."""
        vitals, before = vitals_of(pid, io=True), self._before
        self._before = vitals
        if vitals is None:
            return None, Look(seconds, calls=self._calls())
        return vitals, Look(
            seconds,
            cpu=vitals.cpu_seconds - (before.cpu_seconds if before else 0.0),
            io=(vitals.io_bytes or 0) - ((before.io_bytes or 0) if before else 0),
            stopped=vitals.stopped,
            calls=self._calls(),
        )


@dataclass(frozen=True)
class Footprint:
    """When things below some directories were changed: `total` differs after any change, whatever clocks did."""

    newest: int
    total: int
    entries: int


class Files:
    """The files of an attempt, each look compared with the one before.

    Change times are the kernel's own; nobody can set them, but the clock that they are of may jump. So they are
    only compared for being different, and how old a change is counts only as far as it is plausible.
    """

    def __init__(self, roots: Sequence[Path], now: float) -> None:
        self._roots = tuple(dict.fromkeys(roots))
        self._before: Footprint | None = None
        self._looked = now
        self.rest_until = now

    def look(self, clock: Callable[[], float]) -> float | None:
        """How many seconds ago the newest change since the last look was made; None when there was none."""
        began = clock()
        seen, since, before = footprint(self._roots), began - self._looked, self._before
        ended = clock()
        self._before, self._looked = seen, began
        self.rest_until = ended + (ended - began) / SCAN_SHARE
        age = time.time() - seen.newest / 1e9
        if before is None:
            return age + (ended - began) if 0 <= age < since else None
        if seen == before:
            return None
        return min(max(age, 0.0), since) + (ended - began)


def footprint(roots: Sequence[Path]) -> Footprint:
    """Look at a bounded number of entries below `roots`."""
    newest = total = entries = 0
    for path in _entries(roots):
        with contextlib.suppress(OSError):
            changed = os.lstat(path).st_ctime_ns
            newest, total = max(newest, changed), total + changed
        entries += 1
        if entries > SCAN_LIMIT:
            break
    return Footprint(newest, total, entries)


def _entries(roots: Sequence[Path]) -> Iterator[str]:
    for root in roots:
        for directory, _, files in os.walk(root):
            yield directory
            yield from (os.path.join(directory, name) for name in files)  # noqa: PTH118
