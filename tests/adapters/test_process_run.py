"""`run`: one command to its end, its output in a bounded log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mawep.adapters.process import Completed, ProcessStartError, read_status, run
from mawep.adapters.process_streams import BoundedLog
from mawep.errors import InfrastructureError
from tests.adapters.process_bench import MARK, Bench, open_bench, tree_command, tree_is_grown
from tests.support.waiting import eventually


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


async def run_in(bench: Bench, *argv: str, **options: Any) -> Completed:
    settings = {
        "cwd": bench.home,
        "env": {"PATH": "/usr/bin:/bin", MARK: bench.mark},
        "log": bench.home / "log",
        "lock": bench.lock(),
        "status_file": bench.status_file(),
        "timeout": 60.0,
        "max_log_bytes": 10_000,
        **options,
    }
    return await run(bench.supervisor, argv, **settings)


async def test_both_outputs_are_in_the_log_in_order(bench: Bench) -> None:
    completed = await run_in(bench, "sh", "-c", "echo one; echo two >&2; echo three; exit 4")
    assert completed.log.read_text() == "one\ntwo\nthree\n"
    assert (completed.status.code, completed.ok, completed.timed_out, completed.left_out) == (
        4,
        False,
        False,
        0,
    )
    assert 0 < completed.seconds < 60
    assert (await run_in(bench, "true")).ok


async def test_a_long_log_keeps_its_head_and_its_tail(bench: Bench) -> None:
    completed = await run_in(bench, "seq", "100000", max_log_bytes=100)
    whole = "".join(f"{number}\n" for number in range(1, 100_001))
    assert completed.left_out == len(whole) - 100
    kept = completed.log.read_text()
    assert kept == f"{whole[:50]}\n[... {completed.left_out} bytes left out ...]\n{whole[-50:]}"
    assert completed.ok


async def test_the_log_can_be_followed_while_the_command_runs(bench: Bench) -> None:
    log = bench.home / "log"
    running = asyncio.ensure_future(run_in(bench, "sh", "-c", "echo first; exec sleep 1000"))
    await eventually("the line is there", lambda: log.exists() and log.read_text() == "first\n")
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_command_that_takes_too_long_is_ended_with_all_it_started(bench: Bench) -> None:
    completed = await run_in(bench, *tree_command(), timeout=1.0)
    assert completed.timed_out and not completed.ok
    assert completed.status.cause == "killed"
    assert bench.alive() == []


async def test_hazard_gate_one_that_is_ended_by_a_signal_has_no_exit_code(bench: Bench) -> None:
    completed = await run_in(bench, "sh", "-c", "echo before; kill -KILL $$")
    assert (completed.status.code, completed.status.signal, completed.ok) == (None, 9, False)
    assert completed.log.read_text() == "before\n"


async def test_a_command_that_closes_its_output_still_has_to_end_in_time(bench: Bench) -> None:
    completed = await run_in(bench, "sh", "-c", "exec sleep 1000 >/dev/null 2>&1", timeout=0.3)
    assert completed.timed_out
    assert bench.alive() == []


async def test_a_command_that_leaves_a_daemon_behind_does_not_wait_for_it(bench: Bench) -> None:
    completed = await run_in(bench, *tree_command("leaves"))
    assert completed.ok and completed.status.cause == "exited"
    assert bench.alive() == []


async def test_giving_up_on_a_command_ends_it(bench: Bench) -> None:
    running = asyncio.ensure_future(run_in(bench, *tree_command()))
    await tree_is_grown(bench.home)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.alive() == []
    status = read_status(bench.status_file())
    assert status is not None and status.cause == "killed"


async def test_a_command_that_cannot_be_started(bench: Bench) -> None:
    with pytest.raises(ProcessStartError, match="no-such-command"):
        await run_in(bench, "no-such-command")


async def test_a_log_that_cannot_be_opened_is_named_and_nothing_starts(bench: Bench) -> None:
    with pytest.raises(InfrastructureError, match="missing/log cannot be written"):
        await run_in(bench, "touch", "started", log=bench.home / "missing" / "log")
    assert not (bench.home / "started").exists()


async def test_hazard_gate_a_full_disk_ends_the_command_without_a_verdict(bench: Bench) -> None:
    with pytest.raises(InfrastructureError, match=r"cannot be written\n.*No space left"):
        await run_in(bench, "sh", "-c", "echo text; exec sleep 1000", log=Path("/dev/full"))
    assert bench.alive() == []


@pytest.mark.parametrize("limit", [0, 1, 2, 7, 100])
@pytest.mark.parametrize(
    "sizes", [[], [1], [7], [100], [101], [3] * 50, [1000, 1, 1], [2, 90, 9, 200_000, 5]]
)
def test_a_bounded_log_keeps_the_first_and_the_last_half(
    tmp_path: Path, limit: int, sizes: list[int]
) -> None:
    text = bytes(number % 251 for number in range(sum(sizes)))
    with BoundedLog(tmp_path / "log", limit) as log:
        start = 0
        for size in sizes:
            log.write(text[start : start + size])
            start += size
    kept = (tmp_path / "log").read_bytes()
    if len(text) <= limit:
        assert (kept, log.left_out) == (text, 0)
    else:
        head, tail = limit // 2, limit - limit // 2
        assert log.left_out == len(text) - limit
        marker = b"\n[... %d bytes left out ...]\n" % log.left_out
        assert kept == text[:head] + marker + text[len(text) - tail :]
