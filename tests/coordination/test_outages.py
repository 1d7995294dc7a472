"""What is said and heard while the bus is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mawep.adapters.valkey import Connection
from mawep.clock import SystemClock
from mawep.coordination import outages
from mawep.coordination.bus import Bus
from mawep.coordination.channels import ORCHESTRATOR, direct
from mawep.coordination.payloads import Send
from mawep.errors import BusGoneError
from tests.support.outages import workers_cut_off
from tests.support.participants import BusOf, texts
from tests.support.waiting import eventually

MAILBOX = direct("worker-0")


def say(text: str) -> Send:
    return Send(target="agent-0", text=text)


def telling(bus: Bus, text: str) -> asyncio.Task[None]:
    return asyncio.create_task(outages.tell(bus, MAILBOX, say(text), SystemClock(), fence=None))


async def test_what_an_outage_kept_back_is_said_once_and_in_order(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    speaker = bus_of(ORCHESTRATOR)
    async with workers_cut_off(connection, run) as refused:
        probe: Callable[[], bool | Awaitable[bool]] = refused
        first = telling(speaker, "first")
        await eventually("the first is refused", probe)
        second = telling(speaker, "second")
        await eventually("the second waits as well", lambda: speaker.unacknowledged == 2)
        assert not first.done()
    await asyncio.gather(first, second)
    await speaker.send(MAILBOX, say("third"))
    assert await texts(bus_of("worker-0").read([MAILBOX]), 3) == ["first", "second", "third"]
    assert speaker.counters.sent == 3


async def test_nothing_overtakes_what_an_outage_kept_back(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    """An order to stop that came before the assignment it ends would be an order for nothing."""
    speaker = bus_of(ORCHESTRATOR)
    async with workers_cut_off(connection, run):
        with pytest.raises(BusGoneError):
            await speaker.send(MAILBOX, say("work"))
    await speaker.send(MAILBOX, say("stop"))
    assert await texts(bus_of("worker-0").read([MAILBOX]), 2) == ["work", "stop"]
