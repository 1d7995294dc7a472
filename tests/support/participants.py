"""Participants of a bus in tests: named ones whose keys everybody knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest

from mawep.adapters.valkey import Connection
from mawep.clock import SystemClock
from mawep.coordination.bus import Bus
from mawep.coordination.identity import Identity, Keyring
from mawep.coordination.inbox import Gap, Received

BusOf = Callable[..., Bus]


@pytest.fixture
def keyring() -> Keyring:
    """The keys that everybody in this test trusts."""
    return Keyring()


@pytest.fixture
def bus_of(connection: Connection, run: str, keyring: Keyring) -> BusOf:
    """Make a bus for a name, or for an identity; its key is trusted."""

    def make(who: str | Identity, **options: object) -> Bus:
        identity = Identity.create(who) if isinstance(who, str) else who
        keyring.add(identity.name, identity.public_key)
        return Bus(connection, run, identity, keyring, SystemClock(), **options)  # type: ignore[arg-type]

    return make


async def take(
    incoming: AsyncGenerator[Received | Gap], count: int, timeout: float = 10.0
) -> list[Received | Gap]:
    """The next `count` items; closes the reader."""
    taken: list[Received | Gap] = []
    async with asyncio.timeout(timeout), aclosing(incoming):
        async for item in incoming:
            taken.append(item)
            if len(taken) == count:
                break
    return taken


async def texts(incoming: AsyncGenerator[Received | Gap], count: int) -> list[object]:
    """The `text` field of the next `count` envelopes."""
    return [
        item.envelope.payload["text"] for item in await take(incoming, count) if isinstance(item, Received)
    ]
