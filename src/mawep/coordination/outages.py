"""Through outages: while the bus is gone who listens or speaks waits, and goes on where it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import structlog

from mawep.clock import Clock
from mawep.coordination.bus import Bus
from mawep.coordination.inbox import Gap, Received
from mawep.coordination.payloads import Payload
from mawep.errors import BusGoneError

log = structlog.get_logger("mawep.bus")

OUTAGE_POLL = 0.1
"""How often a bus that is gone is asked whether it is back, in seconds."""

T = TypeVar("T")


async def through_outage(attempt: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """Do it as soon as the bus is there."""
    while True:
        try:
            return await attempt()
        except BusGoneError:
            await clock.sleep(OUTAGE_POLL)


async def hear(
    bus: Bus, channels: Sequence[str], clock: Clock, after: Mapping[str, str] | None = None
) -> AsyncIterator[Received | Gap]:
    """What is on the channels and what comes, for ever; `after` as in `Bus.read`."""
    cursors = dict(after or {})
    while True:
        try:
            async for item in bus.read(channels, cursors):
                if isinstance(item, Received):
                    cursors[item.channel] = item.stream_id
                yield item
        except BusGoneError:
            await clock.sleep(OUTAGE_POLL)


async def tell(bus: Bus, channel: str, payload: Payload, clock: Clock, *, fence: int | None) -> None:
    """Put it into a mailbox; while the bus is gone, again and again under the same id.

    Raises:
        QuotaError: the mailbox is full.
        EnvelopeTooLargeError: no envelope can carry it.
    """
    try:
        await bus.send(channel, payload, fence=fence)
    except BusGoneError as error:
        log.warning(
            "sent again when the bus is back", channel=channel, type=payload.type_name, cause=error.cause
        )
        await through_outage(bus.resend, clock)
