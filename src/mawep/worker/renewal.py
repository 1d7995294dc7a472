"""A turn lives no longer than its lease."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from mawep.clock import Clock
from mawep.coordination.leases import Lease, Leases, RenewalWatch
from mawep.errors import LeaseLostError
from mawep.worker.desk import Desk

log = structlog.get_logger("mawep.worker")


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

    async def keep(watch: RenewalWatch) -> None:
        try:
            await watch.run()
        except Exception as error:  # a defect of ours: without a watch the lease runs off unseen
            log.exception("renewal broke")
            await give_up(error)

    def extended(lease: Lease) -> None:
        desk.lease = lease
        desk.opening.extend(lease.expires_boottime)
        if desk.session:
            desk.session.extend(lease.expires_boottime)

    if desk.lease is None:
        raise LeaseLostError("there is no lease to keep")
    watch = RenewalWatch(leases, desk.lease, clock, lost=give_up, renewed=extended)
    task = asyncio.create_task(keep(watch))
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
