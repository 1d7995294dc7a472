"""Deadlines: enforced by the shim, moved by whoever holds the lease."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mawep.adapters.process import PIPE, ExitStatus, Process, lock_is_free, read_status
from tests.adapters.process_bench import Bench, boottime, open_bench, shim_of
from tests.support.waiting import eventually


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


def extend(process: Process, *deadlines: float) -> None:
    """Let its shim hear of all of them before it looks at the clock."""
    shim = shim_of(process)
    shim.suspend()
    for deadline in deadlines:
        process.extend(deadline)
    shim.resume()


async def test_past_its_deadline_a_program_and_all_its_descendants_are_ended(bench: Bench) -> None:
    process = await bench.grow_tree(token="fence 5")
    process.extend(deadline := boottime() + 0.5)
    status = await process.wait()
    assert 0 <= boottime() - deadline < 20
    assert status == ExitStatus(code=None, signal=signal.SIGKILL, cause="deadline", token="fence 5")
    assert read_status(bench.status_file()) == status
    assert bench.alive() == []
    assert lock_is_free(bench.lock())


async def test_a_deadline_that_is_past_already_ends_the_program_at_once(bench: Bench) -> None:
    process = await bench.spawn("sleep", "1000", deadline=boottime() - 1)
    assert (await process.wait()).cause == "deadline"


async def test_a_deadline_that_is_still_to_come_ends_the_program_then(bench: Bench) -> None:
    deadline = boottime() + 0.5
    process = await bench.spawn("sleep", "1000", deadline=deadline)
    assert (await process.wait()).cause == "deadline"
    assert boottime() >= deadline


async def test_a_program_that_ends_before_its_deadline_just_ends(bench: Bench) -> None:
    process = await bench.spawn("true", deadline=boottime() + 1000)
    assert (await process.wait()).cause == "exited"


async def test_an_extended_deadline_holds(bench: Bench) -> None:
    process = await bench.spawn("cat", stdin=PIPE, stdout=PIPE)
    extend(process, deadline := boottime() + 0.5, deadline + 1000)
    await eventually("the first deadline is long past", lambda: boottime() > deadline + 0.5)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"still here\n")
    assert await process.stdout.readline() == b"still here\n"
    assert (await process.kill()).cause == "killed"


async def test_each_extension_counts_and_the_last_one_is_enforced(bench: Bench) -> None:
    process = await bench.spawn("sleep", "1000", deadline=boottime() + 1000)
    process.extend(last := boottime() + 0.2)  # earlier than the deadline: changes nothing
    await eventually("that moment is past", lambda: boottime() > last + 0.3)
    assert bench.alive() == [process.pid]
    await process.kill()
    process = await bench.spawn("sleep", "1000")
    began = boottime()
    extend(process, began + 0.4, began + 0.5, began + 0.6, last := began + 0.7)
    assert (await process.wait()).cause == "deadline"
    assert boottime() >= last


async def test_a_program_without_a_deadline_can_be_given_one(bench: Bench) -> None:
    process = await bench.spawn("sleep", "1000")
    process.extend(boottime() + 0.1)
    assert (await process.wait()).cause == "deadline"


async def test_stopping_gives_no_more_time_than_the_deadline(bench: Bench) -> None:
    process = await bench.grow_tree()
    process.extend(boottime() + 1.0)
    assert (await process.stop(1000)).cause == "deadline"


async def test_a_shim_without_a_deadline_sleeps(bench: Bench) -> None:
    """Its CPU time stands still: fifty idle programs cost nothing."""
    process = await bench.spawn("sleep", "1000")
    shim = shim_of(process)
    before, began = shim.num_ctx_switches(), boottime()
    await eventually("half a second is over", lambda: boottime() > began + 0.5)
    assert shim.num_ctx_switches().voluntary - before.voluntary <= 1
    await process.kill()
