"""Many programs: one after another and at once, without leaks and without holding up the loop."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from mawep.adapters.process import DEVNULL, PIPE, ProcessStartError
from mawep.errors import InfrastructureError
from tests.adapters.process_bench import Bench, fork_server, open_bench, shim_of
from tests.support.waiting import eventually


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


def descriptors(pid: int) -> list[str]:
    """What the open descriptors of a process are, without their numbers."""
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(entry.readlink())
    return sorted(str(link).partition("[")[0] for link in links)


async def test_two_hundred_programs_leave_no_descriptor_and_no_zombie(bench: Bench) -> None:
    server = fork_server()
    before = descriptors(os.getpid()), descriptors(server.pid)
    for number in range(200):
        pipes = (
            {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}
            if number % 2
            else {"stdin": b"bytes", "stdout": DEVNULL}
        )
        process = await bench.spawn("true", **pipes)
        assert (await process.wait()).ok
    await eventually("no zombie is left", lambda: not server.children())
    await eventually("our descriptors are closed", lambda: descriptors(os.getpid()) == before[0])
    await eventually("those of the fork server are closed", lambda: descriptors(server.pid) == before[1])
    assert len(asyncio.all_tasks()) == 1


async def test_out_of_descriptors_nothing_starts_and_nothing_leaks(bench: Bench) -> None:
    before = descriptors(os.getpid())
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    started = failed = 0
    for room in range(20):
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(before) + room, usual[1]))
        try:
            process = await bench.spawn("true", stdin=PIPE, stdout=PIPE, stderr=PIPE)
            assert (await process.wait()).ok
            started += 1
        except ProcessStartError as error:
            assert "Too many open files" in str(error)
            failed += 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, usual)
        await eventually("our descriptors are closed", lambda: descriptors(os.getpid()) == before)
    assert started and failed


async def test_a_fork_server_out_of_descriptors_says_so_and_recovers(bench: Bench) -> None:
    server = fork_server()
    usual = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    before = descriptors(server.pid)
    outcomes: set[object] = set()
    for room in range(12):
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (len(before) + room, usual[1]))
        try:
            outcomes.add((await (await bench.spawn("true", stdout=PIPE)).wait()).code)
        except (InfrastructureError, ProcessStartError) as error:
            outcomes.add(type(error))
        await eventually("its descriptors are closed", lambda: descriptors(server.pid) == before)
    assert {0, InfrastructureError} <= outcomes
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, usual)
    assert (await (await bench.spawn("true")).wait()).ok


async def test_fifty_programs_at_once(bench: Bench) -> None:
    async def converse(number: int) -> bytes:
        process = await bench.spawn("cat", name=str(number), stdin=PIPE, stdout=PIPE)
        everybody.append(process.pid)
        await all_there.wait()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"%d" % number)
        process.stdin.close()
        said = await process.stdout.read()
        assert (await process.wait()).ok
        return said

    everybody: list[int] = []
    all_there = asyncio.Event()
    conversations = [asyncio.ensure_future(converse(number)) for number in range(50)]
    await eventually("all fifty run", lambda: len(everybody) == 50)
    await eventually("all are seen", lambda: sorted(bench.alive()) == sorted(everybody))
    all_there.set()
    assert await asyncio.gather(*conversations) == [b"%d" % number for number in range(50)]
    await eventually("no zombie is left", lambda: not fork_server().children())


async def test_fifty_programs_are_killed_at_once(bench: Bench) -> None:
    processes = [await bench.spawn("sh", "-c", "sleep 1000 & wait", name=str(number)) for number in range(50)]
    assert {status.cause for status in await asyncio.gather(*(process.kill() for process in processes))} == {
        "killed"
    }
    assert bench.alive() == []


async def test_a_program_holds_no_liveness_socket_and_no_pipe_of_another(bench: Bench) -> None:
    first = await bench.spawn("cat", name="first", stdin=PIPE, stdout=PIPE)
    second = await bench.spawn("cat", name="second", stdin=PIPE, stdout=PIPE)
    assert first.stdin is not None and first.stdout is not None
    first.stdin.close()
    assert await first.stdout.read() == b""  # EOF comes, though the second lives
    assert (await first.wait()).ok
    kinds = descriptors(shim_of(second).pid)
    assert [kind for kind in kinds if kind.startswith("socket")] == ["socket:"]
    await second.kill()


async def test_the_loop_goes_on_while_the_fork_server_stands_still(bench: Bench) -> None:
    server = fork_server()
    server.suspend()
    spawning = asyncio.ensure_future(bench.spawn("true"))
    turns = 0

    def turn() -> bool:
        nonlocal turns
        turns += 1
        return turns > 10

    await eventually("the loop has turned", turn)
    assert not spawning.done()
    server.resume()
    assert (await (await spawning).wait()).ok


async def test_the_loop_goes_on_while_a_shim_stands_still(bench: Bench) -> None:
    process = await bench.spawn("sleep", "1000")
    shim = shim_of(process)
    shim.suspend()
    ending = asyncio.ensure_future(process.kill())
    assert (await (await bench.spawn("true", name="other")).wait()).ok
    assert not ending.done()
    shim.resume()
    assert (await ending).cause == "killed"


async def test_the_machinery_keeps_no_secret_of_its_owner(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = fork_server()
    process = await bench.spawn("sleep", "1000", env={"API_KEY": "s3cret"})
    for machine in (server, shim_of(process)):
        assert set(machine.environ()) <= {"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LC_CTYPE"}
        assert "s3cret" not in " ".join(machine.cmdline())
        assert machine.cwd() == "/"
    await process.kill()


async def test_starting_needs_at_most_one_thread(bench: Bench) -> None:
    before = psutil.Process().num_threads()
    await asyncio.gather(*[bench.spawn("true", name=str(number)) for number in range(10)])
    assert psutil.Process().num_threads() == before
