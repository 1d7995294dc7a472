"""A provider of models on 127.0.0.1 that says, piece by piece, exactly what a test tells it to say."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class Broken:
    """Instead of a piece: the connection is gone."""


BREAK = Broken()


@dataclass
class Says:
    """An answer: a piece that is an event is waited for."""

    pieces: Sequence[bytes | asyncio.Event | Broken] = (b"{}",)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


@dataclass
class Heard:
    """A request as it came in. `gone`: whoever made it hung up before it had the whole answer."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    gone: bool = False

    @property
    def document(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Provider:
    """Answers each request with the next of `answers`, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Says] = [Says()]
        self.heard: list[Heard] = []
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                method, target, _ = line.decode().split(" ")
                headers = {}
                while (line := await reader.readline()).strip():
                    name, _, value = line.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                heard = Heard(method, target, headers, body)
                self.heard.append(heard)
                says = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if not await self._say(says, heard, reader, writer):
                    break

    async def _say(
        self, says: Says, heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = [f"HTTP/1.1 {says.status} Said", "transfer-encoding: chunked"]
        head += [f"{name}: {value}" for name, value in says.headers.items()]
        begun = False
        hangs_up = asyncio.ensure_future(reader.read(1))
        try:
            for piece in says.pieces:
                if isinstance(piece, asyncio.Event):
                    waits = asyncio.ensure_future(piece.wait())
                    await asyncio.wait({waits, hangs_up}, return_when=asyncio.FIRST_COMPLETED)
                    waits.cancel()
                    if hangs_up.done():
                        heard.gone = True
                        return False
                    continue
                if not begun:
                    writer.write("\r\n".join([*head, "", ""]).encode())
                    begun = True
                if isinstance(piece, Broken):
                    writer.transport.abort()
                    return False
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await writer.drain()
            writer.write(b"0\r\n\r\n" if begun else "\r\n".join([*head, "", "0", "", ""]).encode())
            await writer.drain()
            return False
        finally:
            hangs_up.cancel()
            await asyncio.gather(hangs_up, return_exceptions=True)


@contextlib.asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """A provider that listens while the block runs."""
    one = Provider()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError), contextlib.closing(writer):
            await one._serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def event(document: object, name: str | None = None) -> bytes:
    """A server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(document)}\n\n".encode()


STREAM = {"content-type": "text/event-stream"}

CLAUDE = [
    event(
        {
            "type": "message_start",
            "message": {
                "usage": {
                    "input_tokens": 100,
                    "cache_read_input_tokens": 1000,
                    "cache_creation_input_tokens": 50,
                    "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 10},
                    "output_tokens": 1,
                }
            },
        },
        "message_start",
    ),
    event({"type": "ping"}, "ping"),
    event({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Grüße"}}),
    event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}}),
    event({"type": "message_stop"}, "message_stop"),
]
"""What Claude streams: 100 read anew, 1000 from the cache, 40 and 10 into it, 20 written."""
