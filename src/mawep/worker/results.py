"""Results on their way: handed in under a lease, and kept until the orchestrator's own word shows that it has them.

A result that the server has is acknowledged there; but a server can be lost with what it holds. What shows that the
journal has a result is signed: its attempt is released, or told to go on or to stop.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from mawep.clock import Clock
from mawep.coordination.leases import Lease, Leases
from mawep.coordination.outages import through_outage
from mawep.errors import BusGoneError, LeaseLostError, StaleFenceError

log = structlog.get_logger("mawep.worker")

AGAIN_SECONDS = 10.0
"""A result that nothing was heard of for so long is handed in again; the server takes it once."""

Key = tuple[int, int]
"""(issue, attempt)."""


@dataclass
class _Kept:
    lease: Lease
    sealed: bytes
    again_at: float


class Results:
    """The last result of every attempt that the orchestrator has not answered."""

    def __init__(self, leases: Leases, clock: Clock) -> None:
        self._leases = leases
        self._clock = clock
        self._kept: dict[Key, _Kept] = {}

    async def hand_in(self, key: Key, lease: Lease, sealed: bytes) -> None:
        """Commit a sealed result under its lease, as soon as the server is there. Raises LeaseLostError."""
        await through_outage(lambda: self._leases.commit(lease, sealed), self._clock)
        self._kept[key] = _Kept(lease, sealed, self._next())

    def settled(self, key: Key) -> None:
        """The orchestrator has answered the attempt's result."""
        self._kept.pop(key, None)

    async def hand_in_again(self) -> None:
        """Hand in what nothing was heard of for a while: the server may have lost it."""
        for key, kept in list(self._kept.items()):
            if self._clock.awake() < kept.again_at:
                continue
            kept.again_at = self._next()
            try:
                await self._again(kept)
            except StaleFenceError:
                self.settled(key)  # somebody later works on it, or has said something else
            except BusGoneError:
                return

    async def _again(self, kept: _Kept) -> None:
        lease = kept.lease
        try:
            await self._leases.commit(lease, kept.sealed)
        except StaleFenceError:
            raise
        except LeaseLostError:
            log.warning("the server has lost a result; it is handed in again", lease=lease.name)
            await self._leases.acquire(lease.name, lease.owner, lease.fence, str(lease.fence))
            await self._leases.commit(lease, kept.sealed)

    def _next(self) -> float:
        return self._clock.awake() + AGAIN_SECONDS
