"""Through what fails: when the bus is gone a worker waits, and what may fail without harm is written down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from mawep.clock import Clock
from mawep.coordination.bus import Bus
from mawep.coordination.inbox import Received
from mawep.errors import BusGoneError

log = structlog.get_logger("mawep.worker")

OUTAGE_POLL = 0.1
"""How often a bus that is gone is asked whether it is back, in seconds."""

T = TypeVar("T")


async def received_in(bus: Bus, mailbox: str, clock: Clock) -> AsyncIterator[Received]:
    """What comes into a mailbox."""
    while True:
        try:
            async for item in bus.read([mailbox]):
                if isinstance(item, Received):
                    yield item
        except BusGoneError:
            await clock.sleep(OUTAGE_POLL)


async def through_outage(attempt: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """Do it as soon as the bus is there."""
    while True:
        try:
            return await attempt()
        except BusGoneError:
            await clock.sleep(OUTAGE_POLL)


async def logged(trouble: str, work: Coroutine[Any, Any, T]) -> T | None:
    """Do the work; if it fails, that is written down, and None returned."""
    try:
        return await work
    except Exception:
        log.exception(trouble)
        return None
