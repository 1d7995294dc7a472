"""Time, owned: decisions take `now`, waits go through a clock, tests and the simulator move it by hand."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the halls ask of time."""

    def now(self) -> datetime:
        """Wall clock, timezone-aware UTC."""
        ...

    def awake(self) -> float:
        """Seconds that do not count a suspended machine: for watchdogs."""
        ...

    def boottime(self) -> float:
        """Seconds that do count a suspended machine: for leases."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long on this clock."""
        ...


class SystemClock:
    """The machine's own clocks.

    The time of day is looked up once and moved on by `boottime`: who sets the machine's clock ends no lease.
    """

    def __init__(self) -> None:
        self._origin = datetime.now(UTC)
        self._booted = self.boottime()

    def now(self) -> datetime:
        return self._origin + timedelta(seconds=self.boottime() - self._booted)

    def awake(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        # macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC counts suspended time already.
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class VirtualClock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._origin = self._now

    def now(self) -> datetime:
        return self._now

    def awake(self) -> float:
        return (self._now - self._origin).total_seconds()

    def boottime(self) -> float:
        return self.awake()

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self._now += timedelta(seconds=seconds)

    def advance_to(self, moment: datetime) -> None:
        """Move forward to `moment`; a moment already past leaves the clock where it is."""
        self._now = max(self._now, moment)
