"""Whoever connects is talked with, and nothing is left of it when nobody listens any more."""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import suppress

import pytest

from mawep.adapters.listening import Listener


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())


async def test_each_has_a_talk_of_its_own_and_one_too_many_is_sent_away() -> None:
    sent_away: list[int] = []
    bound = listening()
    listener = Listener(bound, echo, limit=100, most=2, sent_away=lambda: sent_away.append(1))
    places = [await asyncio.open_connection(*bound.getsockname()[:2]) for _ in range(3)]
    assert await places[2][0].read() == b""
    assert sent_away == [1]
    for number, (reader, writer) in enumerate(places[:2]):
        writer.write(b"%d\n" % number)
        assert await reader.read() == b"%d\n" % number
    for _, writer in places:
        writer.close()
        await writer.wait_closed()
    await listener.close()


@pytest.mark.parametrize("turns", range(8))
async def test_who_connects_while_it_closes_is_neither_lost_nor_waited_for(turns: int) -> None:
    bound = listening()
    listener = Listener(bound, echo, limit=100)
    with socket.create_connection(bound.getsockname()[:2]) as visitor:
        for _ in range(turns):
            await asyncio.sleep(0)
        await listener.close()
        gc.collect()  # a connection that is open now is a warning, and a warning is an error
        visitor.settimeout(10)
        with suppress(ConnectionResetError):  # it was never taken in
            assert visitor.recv(1) == b""


async def test_who_does_not_read_holds_nobody_up() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(50_000_000))

    bound = listening()
    listener = Listener(bound, flood, limit=100)
    reader, writer = await asyncio.open_connection(*bound.getsockname()[:2])
    assert await reader.readexactly(1)
    await listener.close()
    writer.close()
