"""Connections to the gateway's socket: an agent may open any number of them, and a process has only so many files."""

from __future__ import annotations

import asyncio
import itertools

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 256
"""Of all attempts together. For one more, the oldest goes on which nothing is asked, be it the new one."""

_numbers = itertools.count()


class Connection(H11Protocol):
    """One of them, in the order in which they came."""

    number = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and make room for it."""
        self.number = next(_numbers)
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            others = (one for one in self.connections if isinstance(one, Connection) and one.idle)
            oldest = min(others, key=lambda one: one.number)  # itself at least
            self.connections.discard(oldest)
            oldest.transport.abort()

    @property
    def idle(self) -> bool:
        """True while no request is being answered."""
        return self.cycle is None or self.cycle.response_complete
