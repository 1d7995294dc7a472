"""How long a process that is over waits for others."""

from __future__ import annotations

import asyncio

from mawep.clock import Clock


class Patience:
    """How long the end of a process waits for the forge: `seconds` since it took something last."""

    def __init__(self, limit: asyncio.Timeout, clock: Clock, seconds: float) -> None:
        self._limit, self._clock, self._seconds = limit, clock, seconds
        self.renew()

    def renew(self) -> None:
        """Wait for so long again, unless it is over already."""
        self._until = self._clock.awake() + self._seconds
        if not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds)

    def left(self) -> float:
        """How many seconds are left."""
        return self._until - self._clock.awake()
