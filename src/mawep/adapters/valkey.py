"""The door to a Valkey or Redis server: one client that never retries, one Function library, one error.

Whatever goes wrong between here and the server (refused, reset, timed out, out of memory, read-only, no
permission) is a `BusGoneError` with its cause. A call that failed may or may not have been carried out;
the library's functions are idempotent, so the caller may make the same call again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from mawep.adapters.finishing import finished
from mawep.errors import BusGoneError, UsageError

LIBRARY = "mawep"
ANSWER_TIMEOUT = 5.0
"""Seconds the server may take to answer; a server that hangs is a server that is gone."""

BLOCK_SECONDS = 2.0
"""Longest blocking read; shorter than `ANSWER_TIMEOUT`, so that silence is told from a hung server."""

SCHEMES = ("redis", "rediss", "unix")

Entry = tuple[str, dict[bytes, bytes]]
"""One stream entry: its id and its fields."""


class _Client(Redis):
    """A client that is closed once `aclose` was called or its context was left, whatever happens to the caller."""

    async def __aexit__(self, *error: object) -> None:
        """Close; the library's own way does not begin to when it is cancelled at its first step."""
        await self.aclose()

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close every socket; the library's own way leaves them open when it is cancelled before its first step."""
        await finished(super().aclose(close_connection_pool), within=ANSWER_TIMEOUT)


def open_client(url: str) -> Redis:
    """Return a client of `url` that retries nothing and connects at its first command.

    It has no timeout of its own, every use of it needs one: with one, the library waits by `asyncio.wait_for`,
    which on Python 3.11 swallows a cancellation now and then.
    """
    return _Client.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=None,
        socket_connect_timeout=None,
        protocol=2,
        driver_info=None,
    )


def without_password(url: str) -> str:
    """`url` as it may be shown: no user, no password, no query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Connection:
    """A connected client with the library loaded."""

    def __init__(self, client: Redis, url: str) -> None:
        self.client = client
        self.shown_url = without_password(url)

    @classmethod
    async def connect(cls, url: str) -> Connection:
        """Connect to `url` and load the library if the server has another one or none.

        Raises UsageError for an URL or a server MAWEP cannot use, BusGoneError when nothing answers.
        """
        if urlsplit(url).scheme not in SCHEMES:
            raise UsageError(
                f"{without_password(url)!r} is not a message bus URL",
                cause=f"its scheme is none of {', '.join(SCHEMES)}",
                next_step="set message_bus.url to `embedded` or to a redis://, rediss:// or unix:// URL",
            )
        connection = cls(open_client(url), url)
        try:
            await connection._load_library()
        except BaseException:
            await connection.close()
            raise
        return connection

    async def call(self, function: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        """Call a function of the library; the reply is as the server gives it (bytes, lists of bytes)."""
        async with self._errors():
            return await self.client.fcall(function, len(keys), *keys, *args)

    async def execute(self, *command: str | bytes | int) -> Any:
        """Run one plain command."""
        async with self._errors():
            run: Callable[..., Awaitable[Any]] = self.client.execute_command
            return await run(*command)

    async def read(self, after: Mapping[str, str], *, count: int = 100) -> list[tuple[str, list[Entry]]]:
        """Wait up to `BLOCK_SECONDS` for entries after the given ids; return (stream key, entries) pairs."""
        async with self._errors():
            streams: dict[Any, Any] = dict(after)
            reply: Any = await self.client.xread(streams, count=count, block=int(BLOCK_SECONDS * 1000))
        return [(key.decode(), [(entry.decode(), fields) for entry, fields in found]) for key, found in reply]

    async def scan(self, pattern: str) -> AsyncIterator[str]:
        """Keys that match `pattern`, each at least once."""
        cursor = b"0"
        while True:
            cursor, keys = await self.execute("SCAN", cursor, "MATCH", pattern, "COUNT", 500)
            for key in keys:
                yield key.decode()
            if int(cursor) == 0:
                return

    async def close(self) -> None:
        """Close every socket."""
        await self.client.aclose()

    async def _load_library(self) -> None:
        code = resources.files("mawep.adapters").joinpath("mawep.lua").read_text()
        try:
            loaded = await self.execute("FUNCTION", "LIST", "LIBRARYNAME", LIBRARY, "WITHCODE")
        except BusGoneError as error:
            if isinstance(error.__cause__, ResponseError) and "unknown command" in str(error.__cause__):
                raise UsageError(
                    f"the server at {self.shown_url} is too old",
                    cause="it has no Functions",
                    next_step="use Redis 7, Valkey 8 or later, or `url: embedded`",
                ) from error
            raise
        if not any(code.encode() in library for library in loaded):
            await self.execute("FUNCTION", "LOAD", "REPLACE", code)

    @asynccontextmanager
    async def _errors(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            refused = isinstance(error, ResponseError | AuthenticationError)
            raise BusGoneError(
                f"the message bus at {self.shown_url} {'refuses' if refused else 'does not answer'}",
                cause=str(error) or f"no answer in {ANSWER_TIMEOUT:.0f} s",
                next_step="bring the server back, then run `mawep resume`",
            ) from error
