"""Outages of a part of the bus that a real server makes when its administrator tells it to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from mawep.adapters.valkey import Connection
from mawep.coordination.channels import Keyspace


@asynccontextmanager
async def workers_cut_off(connection: Connection, run: str) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """While the block runs the server refuses what is sent to any worker's mailbox, and nothing else.

    Gives a probe: whether it has refused something by now.
    """
    prefix = Keyspace(run).prefix
    others = (f"{prefix}[^s]*", f"{prefix}status*", f"{prefix}seen:[^d]*", f"{prefix}seen:direct:[^w]*")
    before = await _refused(connection)

    async def refused() -> bool:
        return await _refused(connection) > before

    await connection.execute("ACL", "SETUSER", "default", "resetkeys", *(f"~{key}" for key in others))
    try:
        yield refused
    finally:
        await connection.execute("ACL", "SETUSER", "default", "allkeys")


async def _refused(connection: Connection) -> int:
    statistics = await connection.execute("INFO", "commandstats")
    return int(statistics.get("cmdstat_fcall", {}).get("rejected_calls", 0))
