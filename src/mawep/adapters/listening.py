"""Talks with whoever connects to a socket: a task each, and nothing of them is left when nobody listens any more."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """Listens on a bound socket, which is its own from now on, until `close`; `talk` follows each connection.

    `limit` bounds what is read at once, in bytes; beyond `most` talks at a time, `sent_away` is called instead. Not
    `asyncio.start_server`: what connects while that closes is lost, open, or holds up the closing.
    """

    def __init__(
        self,
        listening: socket.socket,
        talk: Talk,
        *,
        limit: int,
        most: int = sys.maxsize,
        sent_away: Callable[[], None] = lambda: None,
    ) -> None:
        self._socket = listening
        self._talk = talk
        self._limit = limit
        self._most = most
        self._sent_away = sent_away
        self._talks: set[asyncio.Task[None]] = set()
        listening.setblocking(False)
        asyncio.get_running_loop().add_reader(listening, self._accept)

    async def close(self) -> None:
        """Listen no more, and end every talk."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return  # it has gone again, or this process has no descriptors left: the next one may do better
        if len(self._talks) >= self._most:
            connection.close()
            self._sent_away()
            return
        begun = False

        async def converse() -> None:
            nonlocal begun
            begun = True
            await self._converse(connection)

        def over(task: asyncio.Task[None]) -> None:
            self._talks.discard(task)
            if not begun:  # cancelled before it could close anything itself
                connection.close()

        task = asyncio.create_task(converse())
        self._talks.add(task)
        task.add_done_callback(over)

    async def _converse(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=connection, limit=self._limit)
        try:
            with contextlib.suppress(OSError):  # whoever it was went away
                await self._talk(reader, writer)
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()  # what is not read by now never will be
