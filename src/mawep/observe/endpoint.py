"""The HTTP door for Prometheus: `/metrics` and `/healthz` on the loopback, and nothing else.

It answers GET and HEAD, one request a connection, and believes nobody: heads are bounded in size and time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from mawep.adapters.listening import Listener
from mawep.errors import UsageError

HOST = "127.0.0.1"
BACKLOG = 100
MOST_HEAD = 16 * 1024
HEAD_SECONDS = 5.0
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Endpoint:
    """Where it listens."""

    port: int

    @property
    def url(self) -> str:
        """The address of the metrics."""
        return f"http://{HOST}:{self.port}/metrics"


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    headers: dict[str, str]


@dataclass(frozen=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    type: str = TEXT
    head_only: bool = False

    def to_bytes(self) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Content-Type: {self.type}",
            f"Content-Length: {len(self.body)}",
            "Connection: close",
            *(["Allow: GET, HEAD"] if self.status is HTTPStatus.METHOD_NOT_ALLOWED else []),
        ]
        head = "\r\n".join([*lines, "", ""]).encode()
        return head if self.head_only else head + self.body


@contextlib.asynccontextmanager
async def serve(registry: CollectorRegistry, port: int) -> AsyncIterator[Endpoint]:
    """Answer on the loopback while the block runs; port 0 takes any that is free.

    Raises:
        UsageError: the port cannot be had.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await _answer(registry, reader)).to_bytes())
        await writer.drain()

    try:
        listening = socket.create_server((HOST, port), backlog=BACKLOG)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise UsageError(
            f"Port {port} for metrics is {'taken' if taken else 'not to be had'}",
            cause=str(error),
            next_step="choose another `monitoring.prometheus_port`, or null for none",
        ) from error
    listener = Listener(listening, answer, limit=MOST_HEAD)
    try:
        yield Endpoint(listening.getsockname()[1])
    finally:
        await listener.close()


async def _answer(registry: CollectorRegistry, reader: asyncio.StreamReader) -> _Answer:
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            request = _parsed(await reader.readuntil(b"\r\n\r\n"))
    except TimeoutError:
        return _said(HTTPStatus.REQUEST_TIMEOUT)
    except asyncio.LimitOverrunError:
        return _said(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    except (asyncio.IncompleteReadError, ValueError):
        return _said(HTTPStatus.BAD_REQUEST)
    if request.method not in ("GET", "HEAD"):
        return _said(HTTPStatus.METHOD_NOT_ALLOWED)
    head_only = request.method == "HEAD"
    match request.path.partition("?")[0]:
        case "/metrics":
            encode, type_ = choose_encoder(request.headers.get("accept", ""))
            return _Answer(HTTPStatus.OK, encode(registry), type_, head_only)
        case "/healthz":
            return _Answer(HTTPStatus.OK, b"ok\n", head_only=head_only)
        case _:
            return _said(HTTPStatus.NOT_FOUND, head_only=head_only)


def _parsed(head: bytes) -> _Request:
    """The head of a request; ValueError when it is not one."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(f"not HTTP/1: {version}")
    headers = (line.partition(":") for line in lines if line)
    return _Request(method, path, {name.strip().lower(): value.strip() for name, _, value in headers})


def _said(status: HTTPStatus, *, head_only: bool = False) -> _Answer:
    return _Answer(status, f"{status.phrase}\n".encode(), head_only=head_only)
