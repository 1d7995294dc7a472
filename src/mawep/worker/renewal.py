"""A turn lives no longer than its lease."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from mawep.clock import Clock
from mawep.coordination.leases import Lease, Leases, RenewalWatch
from mawep.errors import LeaseLostError
from mawep.worker.desk import Desk


@contextlib.asynccontextmanager
async def renewed(leases: Leases, desk: Desk, clock: Clock) -> AsyncIterator[None]:
    """Keep the desk's lease while the block runs; when it is lost, the block is cancelled.

    Raises:
        LeaseLostError: it was lost.
    """
    owner = asyncio.current_task()
    lost: list[Exception] = []

    async def give_up(error: Exception) -> None:
        lost.append(error)
        if owner is not None:
            owner.cancel()

    def extended(lease: Lease) -> None:
        desk.lease = lease
        if desk.session:
            desk.session.extend(lease.expires_boottime)

    if desk.lease is None:
        raise LeaseLostError("there is no lease to keep")
    watch = RenewalWatch(leases, desk.lease, clock, lost=give_up, renewed=extended)
    task = asyncio.create_task(watch.run())
    try:
        yield
    except asyncio.CancelledError:
        if not lost:
            raise
        if owner is not None:
            owner.uncancel()
        raise LeaseLostError("the lease was lost", cause=str(lost[0])) from None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
