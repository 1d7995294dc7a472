"""The embedded server: one per data directory, nothing acknowledged lost, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from mawep.adapters import valkey_embedded
from mawep.adapters.valkey import Connection
from mawep.adapters.valkey_embedded import EmbeddedServer
from mawep.clock import SystemClock
from mawep.coordination.bus import Bus
from mawep.coordination.channels import direct
from mawep.coordination.identity import Identity, Keyring
from mawep.coordination.inbox import Received
from mawep.coordination.leases import Leases
from mawep.coordination.payloads import Ping
from mawep.errors import BusGoneError, MawepError, StaleFenceError, UsageError
from tests.support.participants import take
from tests.support.waiting import eventually

MAILBOX = direct("orchestrator")
OWNER = """
import asyncio, sys
from pathlib import Path
from mawep.adapters.valkey_embedded import EmbeddedServer

async def main():
    server = await EmbeddedServer.ensure(Path(sys.argv[1]))
    print(server.pid, server.attached, server.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory with a short name, empty again at the end."""
    directory = Path(tempfile.mkdtemp(dir="/tmp", prefix="mw-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory))
    yield directory
    left = list(directory.iterdir())
    shutil.rmtree(directory)
    assert left == []


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "the run's päth" / "valkey"


@pytest_asyncio.fixture
async def server(runtime: Path, data_dir: Path) -> AsyncIterator[EmbeddedServer]:
    started = await EmbeddedServer.ensure(data_dir)
    yield started
    await (await EmbeddedServer.ensure(data_dir)).stop()


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def answers(server: EmbeddedServer) -> None:
    """It is alive: one that takes too long for a single question may yet be."""
    await eventually("the server answers", server.alive, 20)  # type: ignore[arg-type]


async def test_it_serves_a_private_socket_only(server: EmbeddedServer, data_dir: Path) -> None:
    await answers(server)
    assert server.socket_path.parent.stat().st_mode & 0o777 == 0o700
    assert server.socket_path.stat().st_mode & 0o777 == 0o700
    assert data_dir.stat().st_mode & 0o777 == 0o700
    assert (data_dir / "socket").read_text().strip() == str(server.socket_path)
    connection = await Connection.connect(server.url)
    settings = await connection.client.config_get("port", "appendonly", "appendfsync", "save")
    await connection.close()
    assert settings == {"port": "0", "appendonly": "yes", "appendfsync": "always", "save": ""}


async def test_it_starts_and_stops_at_once_and_leaves_nothing(runtime: Path, data_dir: Path) -> None:
    server = await EmbeddedServer.ensure(data_dir)
    await server.stop()
    assert gone(server.pid)
    assert not (data_dir / "socket").exists()


async def test_a_second_caller_attaches(server: EmbeddedServer, data_dir: Path) -> None:
    second = await EmbeddedServer.ensure(data_dir)
    assert (second.pid, second.url, second.attached) == (server.pid, server.url, True)
    assert not server.attached


async def test_of_many_at_once_exactly_one_starts_a_server(runtime: Path, data_dir: Path) -> None:
    owners = [
        subprocess.Popen([sys.executable, "-c", OWNER, data_dir], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    try:
        lines = [owner.stdout.readline().split() for owner in owners if owner.stdout]
    finally:
        for owner in owners:
            owner.kill()
            owner.communicate()
    assert len({pid for pid, _, _ in lines}) == 1
    assert sorted(attached for _, attached, _ in lines) == ["False", "True", "True", "True"]
    await (await EmbeddedServer.ensure(data_dir)).stop()


async def test_attach_after_the_owner_was_killed(runtime: Path, data_dir: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, data_dir], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    pid = int(owner.stdout.readline().split()[0])
    owner.kill()
    owner.communicate()
    server = await EmbeddedServer.ensure(data_dir)
    assert (server.pid, server.attached) == (pid, True)
    await server.stop()
    await eventually("init has collected the orphan", lambda: _has_ended(pid))


def _has_ended(pid: int) -> bool:
    """It is a zombie, or gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def test_ctrl_c_of_the_owner_does_not_reach_it(runtime: Path, data_dir: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, data_dir],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        process_group=0,
    )
    assert owner.stdout
    owner.stdout.readline()
    os.killpg(owner.pid, signal.SIGINT)
    owner.communicate(timeout=10)
    server = await EmbeddedServer.ensure(data_dir)
    assert server.attached
    await server.stop()


async def test_nothing_acknowledged_is_lost_when_it_is_killed(server: EmbeddedServer) -> None:
    connection = await Connection.connect(server.url)
    keyring = Keyring()
    buses = []
    for name in ("worker-0", "orchestrator"):
        identity = Identity.create(name)
        keyring.add(name, identity.public_key)
        buses.append(Bus(connection, "r", identity, keyring, SystemClock()))
    worker, orchestrator = buses
    leases = Leases(connection, "r", 600)
    lease = await leases.acquire("1/1", "worker-0", 7, "a")
    acknowledged = [(await worker.send(MAILBOX, Ping())).id for _ in range(500)]
    os.kill(server.pid, signal.SIGKILL)
    assert not await server.alive()
    with pytest.raises(BusGoneError):
        await worker.send(MAILBOX, Ping())
    await server.restart()
    await answers(server)
    assert await worker.resend() == 501
    read = await take(orchestrator.read([MAILBOX]), 501, timeout=60.0)
    assert [item.envelope.id for item in read if isinstance(item, Received)][:500] == acknowledged
    assert len({item.envelope.id for item in read if isinstance(item, Received)}) == 501
    with pytest.raises(StaleFenceError):
        await leases.acquire("1/1", "worker-1", 7, "b")
    await leases.renew(lease)
    await connection.close()


async def test_a_server_that_still_loads_its_data_is_waited_for(server: EmbeddedServer) -> None:
    connection = await Connection.connect(server.url)
    await connection.execute("EVAL", "for i = 1, 200000 do redis.call('SET', i, i) end", 0)
    os.kill(server.pid, signal.SIGKILL)
    await server.restart()
    assert await connection.execute("DBSIZE") == 200_000
    await connection.close()


async def test_a_reader_learns_that_the_server_went(server: EmbeddedServer) -> None:
    connection = await Connection.connect(server.url)
    bus = Bus(connection, "r", Identity.create("orchestrator"), Keyring(), SystemClock())
    reading = asyncio.create_task(take(bus.read([MAILBOX]), 1))
    clients = connection.client.client_list
    await eventually("the reader waits on the server", lambda: _blocked(clients))  # type: ignore[arg-type, return-value]
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(BusGoneError, match="does not answer"):
        await reading
    await connection.close()


async def _blocked(clients: object) -> bool:
    return any(client["cmd"].startswith("xread") for client in await clients())  # type: ignore[operator]


async def test_a_hung_server_counts_as_gone_and_is_replaced(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await Connection.connect(server.url)
    hung = server.pid
    os.kill(hung, signal.SIGSTOP)
    with monkeypatch.context() as hasty:
        hasty.setattr("mawep.adapters.valkey.ANSWER_TIMEOUT", 0.2)
        hasty.setattr(valkey_embedded, "_PROBE_TIMEOUT", 0.2)
        assert not await server.alive()
        with pytest.raises(BusGoneError, match="does not answer"):
            await connection.execute("PING")
    await server.restart()
    assert server.pid != hung
    await eventually("the hung server is gone", lambda: _has_ended(hung))
    assert await connection.execute("PING")
    await connection.close()


async def test_stop_ends_a_hung_server_too(
    runtime: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await EmbeddedServer.ensure(data_dir)
    monkeypatch.setattr(valkey_embedded, "_PROBE_TIMEOUT", 0.1)
    monkeypatch.setattr(valkey_embedded, "STOP_TIMEOUT", 4.0)
    os.kill(server.pid, signal.SIGSTOP)
    await server.stop()
    assert gone(server.pid)


async def test_a_hung_server_of_somebody_else_is_reported_and_left_alone(
    server: EmbeddedServer, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_embedded, "START_TIMEOUT", 0.3)
    monkeypatch.setattr(valkey_embedded, "_PROBE_TIMEOUT", 0.1)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(BusGoneError, match="lives but does not answer"):
            await EmbeddedServer.ensure(data_dir)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    monkeypatch.undo()
    await answers(server)


async def test_a_socket_that_a_dead_server_left_is_in_nobodys_way(
    server: EmbeddedServer, data_dir: Path
) -> None:
    first = server.pid
    os.kill(first, signal.SIGKILL)
    await eventually("the killed server is gone", lambda: _has_ended(first))
    assert server.socket_path.exists()
    fresh = await EmbeddedServer.ensure(data_dir)
    assert not fresh.attached
    await answers(fresh)
    assert not await server.alive()


async def test_another_process_with_its_pid_is_never_killed(server: EmbeddedServer, data_dir: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        confused = EmbeddedServer(data_dir, server.socket_path, bystander.pid, attached=True)
        assert not await confused.alive()
        await confused.restart()
        assert confused.pid == server.pid
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


async def test_two_owners_may_restart_it_at_once(server: EmbeddedServer, data_dir: Path) -> None:
    other = await EmbeddedServer.ensure(data_dir)
    os.kill(server.pid, signal.SIGKILL)
    await asyncio.gather(server.restart(), other.restart())
    assert server.pid == other.pid
    await answers(server)


async def test_a_stop_leaves_the_next_server_alone(server: EmbeddedServer, data_dir: Path) -> None:
    dead = EmbeddedServer(data_dir, server.socket_path, server.pid, attached=True)
    os.kill(server.pid, signal.SIGKILL)
    await server.restart()
    dead.socket_path = server.socket_path.with_name("nobody")
    await dead.stop()
    await answers(server)


async def test_a_server_on_another_directory_is_not_ours(
    server: EmbeddedServer, tmp_path: Path, runtime: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    lock = valkey_embedded._take_lock(other)
    assert lock is not None
    (other / "socket").write_text(f"{server.socket_path}\n")
    assert await valkey_embedded._probe(server.socket_path, other) is None
    os.close(lock)


async def test_a_downgrade_is_refused(
    server: EmbeddedServer, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote = (data_dir / "version").read_text()
    assert wrote.startswith("valkey ")
    await server.stop()
    for version in ("valkey 99.0.0", "redis 7.0.15"):
        (data_dir / "version").write_text(version)
        with pytest.raises(UsageError, match="may not be able to read"):
            await EmbeddedServer.ensure(data_dir)
    (data_dir / "version").write_text("scribbles")
    with pytest.raises(UsageError, match="does not name the version"):
        await EmbeddedServer.ensure(data_dir)
    (data_dir / "version").write_text("valkey 8.0")


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
async def test_a_server_of_ones_own_can_be_named(
    runtime: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAWEP_REDIS_SERVER", str(shutil.which("redis-server")))
    server = await EmbeddedServer.ensure(data_dir)
    assert (data_dir / "version").read_text().startswith("redis 7")
    await server.stop()
    monkeypatch.delenv("MAWEP_REDIS_SERVER")
    with pytest.raises(UsageError, match="may not be able to read"):
        await EmbeddedServer.ensure(data_dir)


async def test_a_server_that_is_none_is_an_error(
    runtime: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAWEP_REDIS_SERVER", "/nonexistent/server")
    with pytest.raises(UsageError, match="is not a program"):
        await EmbeddedServer.ensure(data_dir)
    monkeypatch.setenv("MAWEP_REDIS_SERVER", "/bin/false")
    with pytest.raises(BusGoneError, match="did not start"):
        await EmbeddedServer.ensure(data_dir)


@pytest.mark.parametrize(
    ("script", "error"), [("not a program", UsageError), ("#!/bin/sh\nexec sleep 60", BusGoneError)]
)
async def test_a_program_that_never_listens_is_not_waited_for_for_ever(
    runtime: Path,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    error: type[MawepError],
) -> None:
    monkeypatch.setattr(valkey_embedded, "START_TIMEOUT", 0.2)
    (tmp_path / "server").write_text(script)
    (tmp_path / "server").chmod(0o700)
    monkeypatch.setenv("MAWEP_REDIS_SERVER", str(tmp_path / "server"))
    with pytest.raises(error, match=r"cannot be started|did not start"):
        await EmbeddedServer.ensure(data_dir)
    assert not (data_dir / "socket").exists()


async def test_a_server_that_cannot_start_says_why(runtime: Path, data_dir: Path) -> None:
    server = await EmbeddedServer.ensure(data_dir)
    await server.stop()
    (data_dir / "appendonlydir" / "appendonly.aof.manifest").write_text("scribbles\n")
    with pytest.raises(BusGoneError, match="did not start") as raised:
        await EmbeddedServer.ensure(data_dir)
    assert "manifest" in raised.value.cause


async def test_a_runtime_directory_of_somebody_else_is_refused(runtime: Path, data_dir: Path) -> None:
    server = await EmbeddedServer.ensure(data_dir)
    await server.stop()
    server.socket_path.parent.mkdir()
    server.socket_path.parent.chmod(0o777)
    with pytest.raises(UsageError, match="is not a private directory of yours"):
        await EmbeddedServer.ensure(data_dir)
    server.socket_path.parent.rmdir()
    (runtime / "elsewhere").mkdir(mode=0o700)
    server.socket_path.parent.symlink_to(runtime / "elsewhere")
    with pytest.raises(UsageError, match="is not a private directory of yours"):
        await EmbeddedServer.ensure(data_dir)
    server.socket_path.parent.unlink()
    (runtime / "elsewhere").rmdir()


@pytest.mark.parametrize("where", ["", "/nonexistent", "/tmp/" + "x" * 100])
async def test_without_a_usable_runtime_directory_the_socket_is_in_tmp(
    where: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", where)
    if len(where) > 50:
        Path(where).mkdir()
    server = await EmbeddedServer.ensure(data_dir)
    try:
        assert server.socket_path.parent.parent == Path("/tmp")
        assert len(str(server.socket_path)) < 60
    finally:
        await server.stop()
        if len(where) > 50:
            Path(where).rmdir()
    assert not server.socket_path.parent.exists()


async def test_a_start_that_is_cancelled_leaves_no_server(
    runtime: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as mute:
        mute.setattr(
            valkey_embedded, "_connectable", lambda socket_path: False
        )  # it is not up before we give up
        starting = asyncio.create_task(EmbeddedServer.ensure(data_dir))
        await eventually("the server is being started", (data_dir / "socket").exists)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
    await (await EmbeddedServer.ensure(data_dir)).stop()
