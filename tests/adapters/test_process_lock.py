"""The lock of a program: held while anything of it lives, free as soon as nothing does."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mawep.adapters.process import (
    PIPE,
    ProcessStartError,
    lock_holders,
    lock_is_free,
    read_status,
    until_free,
)
from mawep.errors import InfrastructureError
from tests.adapters.process_bench import Bench, fork_server, open_bench, shim_of
from tests.support.waiting import eventually


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


async def test_hazard_spawn_the_lock_is_held_while_the_program_lives_and_free_after(bench: Bench) -> None:
    assert lock_is_free(bench.lock())  # not even there
    process = await bench.spawn("cat", stdin=PIPE)
    assert not lock_is_free(bench.lock())
    assert lock_holders(bench.lock()) == sorted([process.pid, shim_of(process).pid])
    await process.kill()
    assert lock_is_free(bench.lock())
    await until_free(bench.lock(), 0)


async def test_hazard_spawn_an_inherited_lock_is_held_by_any_descendant_that_kept_it(bench: Bench) -> None:
    """With nobody left to end it, the orphan's lock still says that it lives."""
    process = await bench.spawn("sh", "-c", "setsid sleep 1000 & echo $!; exec sleep 1000", stdout=PIPE)
    assert process.stdout is not None
    orphan = int(await process.stdout.readline())
    await eventually("it left the session", lambda: os.getsid(orphan) == orphan)
    shim = shim_of(process)
    fork_server().kill()
    shim.kill()
    os.kill(process.pid, signal.SIGKILL)
    assert not lock_is_free(bench.lock())
    await eventually("only the orphan holds it", lambda: lock_holders(bench.lock()) == [orphan])
    os.kill(orphan, signal.SIGKILL)
    await until_free(bench.lock(), 10)


async def test_hazard_gate_a_second_one_does_not_start_beside_the_first(bench: Bench) -> None:
    first = await bench.spawn("sleep", "1000", token="first")
    with pytest.raises(ProcessStartError, match=r"cannot start true\n.*another program holds the lock"):
        await bench.spawn("true", token="second")
    await first.kill()
    assert (await (await bench.spawn("true", token="second")).wait()).ok


async def test_a_refused_program_leaves_the_status_of_the_holder_alone(bench: Bench) -> None:
    await (await bench.spawn("true", token="saved")).wait()
    holder = os.open(bench.lock(), os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(ProcessStartError):
        await bench.spawn("true", token="second")
    os.close(holder)
    status = read_status(bench.status_file())
    assert status is not None and status.token == "saved"


async def test_asking_whether_a_lock_is_free_keeps_nobody_out(bench: Bench) -> None:
    asked = os.open(bench.lock(), os.O_RDONLY | os.O_CREAT)
    fcntl.flock(asked, fcntl.LOCK_SH)  # what the question does for an instant
    assert lock_is_free(bench.lock())
    spawning = bench.spawn("true")
    os.close(asked)
    assert (await (await spawning).wait()).ok


async def test_waiting_for_a_lock_names_it_and_its_holders(bench: Bench) -> None:
    process = await bench.spawn("sleep", "1000")
    with pytest.raises(InfrastructureError) as caught:
        await until_free(bench.lock(), 0.1)
    message = str(caught.value)
    assert f"the lock {bench.lock()} is still held after 0.1 s" in message
    assert f"{process.pid} (sleep)" in message and "(mawep-shim)" in message
    assert "next: wait until that process has ended, then resume" in message
    await process.kill()


def test_a_lock_that_does_not_exist_has_no_holders(tmp_path: Path) -> None:
    assert lock_holders(tmp_path / "none") == []
