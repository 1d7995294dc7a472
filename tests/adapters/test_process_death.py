"""Whoever is killed, and whenever: nothing that a program started outlives the run."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import threading
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from mawep.adapters.process import (
    PIPE,
    Process,
    Supervisor,
    lock_holders,
    lock_is_free,
    read_status,
    until_free,
)
from mawep.adapters.process_liveness import Liveness
from mawep.errors import InfrastructureError
from tests.adapters.process_bench import (
    Bench,
    fork_server,
    marked,
    open_bench,
    open_owner,
    shim_of,
    tree_command,
    tree_is_grown,
)
from tests.support.waiting import eventually

T = TypeVar("T")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


@pytest.fixture
def mark() -> str:
    return secrets.token_hex(8)


async def test_hazard_spawn_killing_the_owner_ends_setsid_grandchildren_and_daemons(
    tmp_path: Path, mark: str
) -> None:
    async with open_owner(tmp_path, mark, tree_command(), token="fence 3") as owner:
        await owner.says()
        await tree_is_grown(tmp_path)
        server = fork_server(owner.pid)
        assert not lock_is_free(tmp_path / "program.lock")
        await owner.kill()
    await until_free(tmp_path / "program.lock", 10)
    assert marked(mark) == []  # the lock is free only when all are gone
    status = read_status(tmp_path / "program.status")
    assert status is not None
    assert (status.code, status.signal, status.cause, status.token) == (
        None,
        signal.SIGKILL,
        "owner_died",
        "fence 3",
    )
    await eventually("the fork server is gone", lambda: not server.is_running())


@pytest.mark.parametrize("turns", [1, 2, 3, 4, 6, 10])
async def test_hazard_spawn_owner_killed_before_the_pid_is_known(
    tmp_path: Path, mark: str, turns: int
) -> None:
    async with open_owner(tmp_path, mark, tree_command(), dies_after=turns) as owner:
        await owner.process.wait()
    await until_free(tmp_path / "program.lock", 10)
    await eventually("everything is gone", lambda: not marked(mark))


async def test_hazard_spawn_the_thread_that_spawned_may_end(tmp_path: Path, mark: str) -> None:
    loop = asyncio.new_event_loop()

    async def start_and_spawn() -> tuple[Supervisor, Process]:
        supervisor = await Supervisor.start()
        return supervisor, await Bench(tmp_path, supervisor, mark).spawn("sleep", "1000")

    async def close(supervisor: Supervisor) -> None:
        await supervisor.close()

    supervisor, process = await in_a_thread_of_its_own(loop, start_and_spawn())
    await eventually("the program runs", lambda: marked(mark) == [process.pid])
    assert not lock_is_free(tmp_path / "program.lock")
    await in_a_thread_of_its_own(loop, close(supervisor))
    loop.close()
    assert marked(mark) == []
    status = read_status(tmp_path / "program.status")
    assert status is not None and status.cause == "killed"


async def in_a_thread_of_its_own(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns, run on `loop` by a thread that ends with it."""
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(loop.run_until_complete(work)))
    thread.start()
    await asyncio.to_thread(thread.join)
    return results[0]


async def test_hazard_spawn_a_program_left_by_a_killed_shim_is_ended(bench: Bench) -> None:
    process = await bench.grow_tree(token="fence 4")
    bystander = await bench.spawn("cat", name="bystander", stdin=PIPE, stdout=PIPE)
    shim_of(process).kill()
    status = await process.wait()
    assert (status.code, status.cause, status.token) == (None, "shim_died", "fence 4")
    assert read_status(bench.status_file()) == status
    assert bench.alive() == [bystander.pid]
    assert lock_is_free(bench.lock())
    assert (await bystander.stop(10)).cause == "killed"
    await eventually("no zombie is left", lambda: not fork_server().children())


async def test_hazard_spawn_a_saved_status_outlives_its_shim(bench: Bench) -> None:
    process = await bench.spawn("cat", stdin=PIPE)
    bench.status_file().write_text('{"code": 0, "signal": null, "cause": "exited", "token": "saved"}')
    shim_of(process).kill()
    assert (await process.wait()).cause == "shim_died"
    status = read_status(bench.status_file())
    assert status is not None and status.token == "saved"


async def test_killing_the_fork_server_leaves_programs_to_their_shims(bench: Bench) -> None:
    process = await bench.spawn("cat", stdin=PIPE, stdout=PIPE)
    tree = await bench.grow_tree(name="tree")
    server = fork_server()
    server.kill()
    await eventually("the fork server is gone", lambda: not server.is_running())
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"still here\n")
    assert await process.stdout.readline() == b"still here\n"
    with pytest.raises(
        InfrastructureError, match=r"no program can be started any more\n.*fork server is gone"
    ):
        await bench.spawn("true", name="next", stdin=PIPE)
    assert (await tree.kill()).cause == "killed"
    assert bench.alive() == [process.pid]
    process.stdin.close()
    assert (await process.wait()).ok


async def test_killing_the_fork_server_and_the_owner_ends_programs(tmp_path: Path, mark: str) -> None:
    async with open_owner(tmp_path, mark, tree_command()) as owner:
        await owner.says()
        await tree_is_grown(tmp_path)
        fork_server(owner.pid).kill()
        await owner.kill()
    await until_free(tmp_path / "program.lock", 10)
    assert marked(mark) == []


async def test_a_program_that_lost_its_supervision_is_not_taken_for_ended(bench: Bench) -> None:
    process = await bench.spawn("sleep", "1000")
    shim = shim_of(process)
    fork_server().kill()
    shim.kill()
    with pytest.raises(InfrastructureError, match="lost sight of sleep"):
        await process.wait()
    assert read_status(bench.status_file()) is None
    await eventually("only the program holds it", lambda: lock_holders(bench.lock()) == [process.pid])
    with pytest.raises(InfrastructureError, match=rf"held by process {process.pid} \(sleep\)"):
        await until_free(bench.lock(), 0.1)
    os.kill(process.pid, signal.SIGKILL)
    await until_free(bench.lock(), 10)


async def test_a_spawn_that_the_killed_fork_server_never_answered_is_an_error(bench: Bench) -> None:
    server = fork_server()
    server.suspend()
    spawning = asyncio.ensure_future(bench.spawn("true", stdin=PIPE, stdout=PIPE))
    await eventually("the request is on its way", lambda: len(psutil.Process().net_connections("unix")) > 1)
    server.kill()
    with pytest.raises(InfrastructureError):
        await spawning
    assert lock_is_free(bench.lock())


async def test_hazard_spawn_a_fork_server_that_says_nothing_is_an_error_and_starts_nothing_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mawep.adapters.process.ANSWER_SECONDS", 0.2)
    server = fork_server()
    server.suspend()
    with pytest.raises(InfrastructureError, match="the fork server does not answer"):
        await bench.spawn("touch", "started", stdin=PIPE)
    server.resume()
    monkeypatch.undo()
    assert (await (await bench.spawn("true")).wait()).ok  # requests are taken in order
    assert not (bench.home / "started").exists()


async def test_who_gives_a_program_up_is_gone_for_its_shim_before_the_loop_turns() -> None:
    ours, theirs = socket.socketpair()
    liveness = Liveness("true", {"argv": ["true"]})
    with theirs:
        await asyncio.get_running_loop().create_unix_connection(lambda: liveness, sock=ours)
        theirs.setblocking(False)
        liveness.close()
        assert json.loads(theirs.recv(100)) == {"argv": ["true"]}
        assert theirs.recv(1) == b""
        await asyncio.wait({liveness.ended})


async def test_interrupting_the_owners_group_reaches_neither_programs_nor_the_fork_server(
    tmp_path: Path, mark: str
) -> None:
    async with open_owner(tmp_path, mark, ["sleep", "1000"]) as owner:
        pid = (await owner.says())["pid"]
        os.killpg(owner.pid, signal.SIGINT)
        assert await owner.says() == {"after": 0}  # the fork server still serves
        assert marked(mark) == [pid]
        await owner.kill()
    await until_free(tmp_path / "program.lock", 10)


async def test_a_stopped_owner_does_not_stop_a_deadline(tmp_path: Path, mark: str) -> None:
    async with open_owner(tmp_path, mark, tree_command(), lasts=5) as owner:
        await owner.says()
        await tree_is_grown(tmp_path)
        os.kill(owner.pid, signal.SIGSTOP)
        await until_free(tmp_path / "program.lock", 30)
        assert marked(mark) == []
        status = read_status(tmp_path / "program.status")
        assert status is not None and status.cause == "deadline"
