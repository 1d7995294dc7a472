"""Real message bus servers for tests: the embedded one, and the system's `redis-server` 7 on a unix socket.

A `conftest.py` that imports these fixtures runs each test that asks for `bus_url` against both.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from mawep.adapters.valkey import Connection
from mawep.adapters.valkey_embedded import EmbeddedServer
from mawep.coordination.bus import forget_run
from tests.support.waiting import eventually_now

REDIS = shutil.which("redis-server")


@contextmanager
def embedded_server(directory: Path) -> Iterator[str]:
    """Start the embedded server and give its URL; stopped at the end."""
    server = asyncio.run(EmbeddedServer.ensure(directory / "valkey"))
    try:
        yield server.url
    finally:
        asyncio.run(server.stop())


@contextmanager
def redis_server(directory: Path) -> Iterator[str]:
    """Start the system's server as an administrator would and give its URL; ended at the end."""
    if REDIS is None:
        pytest.skip("redis-server is not installed (Debian package redis-server)")
    path = directory / "redis.sock"
    arguments: list[str | Path] = [
        "--port",
        "0",
        "--unixsocket",
        path,
        "--dir",
        directory,
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    process = subprocess.Popen([REDIS, *arguments], stdout=subprocess.DEVNULL)
    try:
        eventually_now(
            "redis-server answers or has ended", lambda: _answers(path) or process.poll() is not None
        )
        assert process.poll() is None, "redis-server ended at once"
        yield f"unix://{path}"
    finally:
        process.kill()
        process.wait()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


SERVERS = {"embedded": embedded_server, "redis": redis_server}


@pytest.fixture(scope="session", params=SERVERS)
def bus_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a running server, one of each kind per test process."""
    directory = Path(tempfile.mkdtemp(dir="/tmp", prefix="mw-"))
    try:
        with SERVERS[request.param](directory) as url:
            yield url
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def run() -> str:
    """The name of a run that no other test uses."""
    return uuid.uuid4().hex


@pytest_asyncio.fixture
async def connection(bus_url: str, run: str) -> AsyncIterator[Connection]:
    """A connection; afterwards the run is forgotten and no key of any run may be left."""
    connected = await Connection.connect(bus_url)
    try:
        yield connected
        await forget_run(connected, run)
        left = [key async for key in connected.scan("*")]
        assert left == [], f"the test left keys on the server: {left}"
    finally:
        await connected.close()
