"""Serve a gateway on its socket for as long as a block runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket as sockets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from mawep.adapters.finishing import finished
from mawep.errors import InfrastructureError
from mawep.gateway.door import Door
from mawep.gateway.gateway import Gateway

if TYPE_CHECKING:
    import uvicorn

ANSWER_SECONDS = 900.0
"""The longest that a provider may be silent in the middle of an answer."""
CLOSE_SECONDS = 2


@contextlib.asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[None]:
    """Listen on the gateway's socket, which is 0600, while the block runs.

    Raises:
        InfrastructureError: nothing can listen there.
    """
    import httpx
    import uvicorn

    from mawep.gateway.connections import Connection

    class Server(uvicorn.Server):
        def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
            return contextlib.nullcontext()  # they are the run's own

    timeout = httpx.Timeout(ANSWER_SECONDS, connect=30.0, write=120.0, pool=None)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=16)
    async with httpx.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False) as client:
        config = uvicorn.Config(
            Door(gateway, client),
            lifespan="off",
            ws="none",
            http=Connection,
            loop="none",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=CLOSE_SECONDS,
        )
        server = Server(config)
        listener = _listen(gateway.socket)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            while not server.started:
                if serving.done():
                    raise InfrastructureError(
                        "The model gateway did not start", cause=str(serving.exception())
                    )
                await asyncio.sleep(0.001)
            yield
        finally:
            try:
                await finished(_ended(server, serving))
            finally:
                listener.close()
                gateway.socket.unlink(missing_ok=True)


async def _ended(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    server.should_exit = True
    server.force_exit = True  # nobody is left who could wait for an answer
    await asyncio.gather(serving, return_exceptions=True)
    for task in [*server.server_state.tasks]:
        task.cancel()
    await asyncio.gather(*server.server_state.tasks, return_exceptions=True)


def _listen(path: Path) -> sockets.socket:
    """A socket at `path` that only this user can reach; what a killed process left there goes."""
    listener = sockets.socket(sockets.AF_UNIX)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(128)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise InfrastructureError(f"The model gateway cannot listen on {path}", cause=str(error)) from None
    return listener
