"""Programs under the supervisor: what they are given, what comes back, what cannot be started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mawep.adapters.process import (
    DEVNULL,
    PIPE,
    STDOUT,
    ExitStatus,
    ProcessStartError,
    clean_environment,
    lock_is_free,
    read_status,
)
from mawep.errors import InfrastructureError
from tests.adapters.process_bench import Bench, open_bench, shim_of
from tests.support.waiting import eventually


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


async def one_turn() -> None:
    """Let everything else on the loop run once."""
    turned = asyncio.Event()
    asyncio.get_running_loop().call_soon(turned.set)
    await turned.wait()


async def output(bench: Bench, *argv: str, **options: Any) -> str:
    process = await bench.spawn(*argv, stdout=PIPE, **options)
    assert process.stdout is not None
    printed = await process.stdout.read()
    assert (await process.wait()).ok
    return printed.decode()


async def test_a_program_gets_exactly_its_arguments_directory_and_environment(bench: Bench) -> None:
    code = "import json, os, sys; print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]))"
    words = ["", "two words", "ünïcode", "$HOME", "\udcff"]
    environment = {"ONLY": "this", "LC_CTYPE": "C.UTF-8"}
    printed = await output(bench, sys.executable, "-I", "-S", "-c", code, *words, env=environment)
    assert json.loads(printed) == [words, str(bench.home), environment]


async def test_a_program_has_a_session_and_a_process_group_of_its_own(bench: Bench) -> None:
    process = await bench.spawn("sleep", "1000")
    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid
    assert os.getsid(shim_of(process).pid) not in {os.getsid(0), process.pid}
    await process.kill()


async def test_a_program_inherits_its_three_streams_and_the_lock_and_nothing_else(bench: Bench) -> None:
    other = await bench.spawn("cat", name="other", stdin=PIPE, stdout=PIPE)
    printed = await output(bench, "sh", "-c", "readlink /proc/$$/fd/*; true", stdin=DEVNULL, stderr=DEVNULL)
    stdin, stdout, *rest = printed.splitlines()
    assert (stdin, rest) == ("/dev/null", ["/dev/null", str(bench.lock())])
    assert stdout.startswith("pipe:")
    await other.kill()


async def test_a_program_starts_with_default_signals(bench: Bench) -> None:
    status = await output(bench, "cat", "/proc/self/status")
    masks = [
        line.split()[1] for line in status.splitlines() if line.startswith(("SigBlk", "SigIgn", "SigCgt"))
    ]
    standard = 2**31 - 1  # the C library keeps signal 32 to itself
    assert [int(mask, 16) & standard for mask in masks] == [0, 0, 0]


async def test_the_exit_code_comes_back_and_is_saved_with_the_token(bench: Bench) -> None:
    process = await bench.spawn("sh", "-c", "exit 7", token="fence 12")
    status = await process.wait()
    assert status == ExitStatus(code=7, signal=None, cause="exited", token="fence 12")
    assert not status.ok
    assert read_status(bench.status_file()) == status
    assert sorted(entry.name for entry in bench.home.iterdir()) == ["program.lock", "program.status"]


async def test_a_signal_comes_back_as_a_signal(bench: Bench) -> None:
    status = await (await bench.spawn("sh", "-c", "kill -SEGV $$")).wait()
    assert status == ExitStatus(code=None, signal=signal.SIGSEGV, cause="exited", token="")


async def test_waiting_twice_and_giving_up_waiting_change_nothing(bench: Bench) -> None:
    process = await bench.spawn("cat", stdin=PIPE)
    waiting = asyncio.ensure_future(process.wait())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await process.wait()
    assert process.stdin is not None
    process.stdin.close()
    assert (await waiting).ok
    assert (await process.wait()).ok


async def test_an_earlier_status_is_gone_while_the_next_program_runs(bench: Bench) -> None:
    await (await bench.spawn("true", token="first")).wait()
    process = await bench.spawn("sleep", "1000", token="second")
    assert read_status(bench.status_file()) is None
    await process.kill()
    status = read_status(bench.status_file())
    assert status is not None and status.token == "second"


async def test_bytes_are_fed_to_stdin_and_closed(bench: Bench) -> None:
    text = b"line\n" * 300_000
    process = await bench.spawn("wc", "-c", stdin=text, stdout=PIPE)
    assert process.stdin is None and process.stdout is not None
    assert int(await process.stdout.read()) == len(text)
    await process.wait()


async def test_a_conversation_over_pipes(bench: Bench) -> None:
    process = await bench.spawn("cat", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    for line in (b"one\n", b"two\n"):
        process.stdin.write(line)
        assert await process.stdout.readline() == line
    process.stdin.close()
    await process.stdin.wait_closed()
    assert (await process.wait()).ok
    assert await process.stdout.read() == await process.stderr.read() == b""


async def test_five_megabytes_pass_through_a_pipe(bench: Bench) -> None:
    process = await bench.spawn("sh", "-c", "head -c 5242880 /dev/zero; echo end", stdout=PIPE)
    assert process.stdout is not None
    assert (await process.wait()).ok  # nobody reads meanwhile: it is buffered
    assert await process.stdout.read() == bytes(5 * 2**20) + b"end\n"


async def test_a_line_longer_than_the_limit_of_the_stream_is_an_error(bench: Bench) -> None:
    process = await bench.spawn("sh", "-c", "head -c 5000 /dev/zero; echo", stdout=PIPE, stream_limit=1000)
    assert process.stdout is not None
    with pytest.raises(ValueError, match="limit"):
        await process.stdout.readline()
    await process.kill()  # what nobody reads is no leak


async def test_what_a_program_never_read_is_no_leak(bench: Bench) -> None:
    process = await bench.spawn("sleep", "1000", stdin=PIPE)
    assert process.stdin is not None
    process.stdin.write(bytes(2**20))
    await process.kill()
    with pytest.raises(ConnectionError):
        await process.stdin.drain()


async def test_output_is_appended_to_files(bench: Bench) -> None:
    out, err = bench.home / "out", bench.home / "err"
    out.write_text("before\n")
    for _ in range(2):
        process = await bench.spawn("sh", "-c", "echo to out; echo to err >&2", stdout=out, stderr=err)
        await process.wait()
    assert out.read_text() == "before\nto out\nto out\n"
    assert err.read_text() == "to err\nto err\n"
    assert err.stat().st_mode & 0o777 == 0o600


async def test_errors_can_go_where_the_output_goes(bench: Bench) -> None:
    assert await output(bench, "sh", "-c", "echo one; echo two >&2", stderr=STDOUT) == "one\ntwo\n"


async def test_a_program_that_is_not_there_is_named(bench: Bench) -> None:
    with pytest.raises(ProcessStartError, match=r"cannot start no-such-program\n.*No such file"):
        await bench.spawn("no-such-program", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert read_status(bench.status_file()) is None
    assert lock_is_free(bench.lock())


async def test_a_program_that_may_not_be_run_is_named(bench: Bench) -> None:
    (bench.home / "text").write_text("not a program")
    with pytest.raises(ProcessStartError, match="Permission denied"):
        await bench.spawn(str(bench.home / "text"))


async def test_a_directory_that_is_gone_is_named(bench: Bench) -> None:
    with pytest.raises(ProcessStartError, match=r"cannot start true\n.*gone"):
        await bench.spawn("true", cwd=bench.home / "gone")
    assert lock_is_free(bench.lock())


async def test_a_file_that_cannot_be_opened_is_named(bench: Bench) -> None:
    with pytest.raises(ProcessStartError, match="missing/out"):
        await bench.spawn("true", stdin=PIPE, stdout=bench.home / "missing" / "out")


@pytest.mark.parametrize("argv", [[], ["true", "a\0b"]])
async def test_a_command_that_is_none_is_refused(bench: Bench, argv: list[str]) -> None:
    with pytest.raises(ProcessStartError):
        await bench.spawn(*argv)


async def test_a_large_environment_and_many_arguments_arrive(bench: Bench) -> None:
    words = [f"argument {number}" for number in range(20_000)]
    printed = await output(bench, "sh", "-c", "echo $#", "sh", *words, env={"BIG": "x" * 120_000})
    assert printed == "20000\n"
    with pytest.raises(ProcessStartError, match="too long"):
        await bench.spawn("true", env={"BIG": "x" * 200_000})


async def test_stop_asks_first(bench: Bench) -> None:
    process = await bench.spawn(
        "sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done", stdout=PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    assert await process.stop(20) == ExitStatus(code=3, signal=None, cause="killed", token="")


async def test_stop_kills_what_does_not_listen(bench: Bench) -> None:
    process = await bench.grow_tree()
    assert len(bench.alive()) == 4
    assert await process.stop(0.1) == ExitStatus(code=None, signal=signal.SIGKILL, cause="killed", token="")
    assert bench.alive() == []


async def test_kill_ends_all_descendants_at_once(bench: Bench) -> None:
    process = await bench.grow_tree()
    status = await process.kill()
    assert bench.alive() == []
    assert status.cause == "killed" and not status.ok
    assert await process.kill() == status  # nothing is left to kill, and nothing complains


async def test_a_chain_of_forks_does_not_outrun_the_kill(bench: Bench) -> None:
    code = "import os\nwhile True:\n    if os.fork(): os._exit(0)\n    os.setsid()\n    open('linked', 'w').close()"
    process = await bench.spawn(
        "sh", "-c", '"$@" & exec sleep 1000', "sh", sys.executable, "-I", "-S", "-c", code
    )
    await eventually("the chain runs", (bench.home / "linked").exists)
    await process.kill()
    assert bench.alive() == []


async def test_orphans_are_reaped_while_the_program_runs(bench: Bench) -> None:
    process = await bench.spawn("sh", "-c", "for i in 1 2 3 4 5; do (true &); done; exec sleep 1000")
    shim = shim_of(process)
    await eventually(
        "only the program is left", lambda: [child.pid for child in shim.children()] == [process.pid]
    )
    await process.kill()


async def test_a_grandchild_left_behind_is_gone_and_the_code_is_that_of_the_program(bench: Bench) -> None:
    process = await bench.spawn("sh", "-c", "setsid sleep 1000 & exit 0", stdout=PIPE)
    assert process.stdout is not None
    assert await process.stdout.read() == b""  # the grandchild held the other end
    assert await process.wait() == ExitStatus(code=0, signal=None, cause="exited", token="")
    assert bench.alive() == []


async def test_terminating_the_machinery_by_name_does_not_end_it(bench: Bench) -> None:
    process = await bench.spawn("cat", stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None and process.stdout is not None
    shim = shim_of(process)
    server = psutil.Process(shim.ppid())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        shim.send_signal(number)
        server.send_signal(number)
    process.stdin.write(b"still here\n")
    assert await process.stdout.readline() == b"still here\n"
    assert (await process.stop(20)).cause == "killed"
    assert (await (await bench.spawn("true")).wait()).ok


async def test_a_status_that_cannot_be_saved_is_an_error(bench: Bench) -> None:
    place = bench.home / "place"
    place.mkdir()
    process = await bench.spawn("cat", stdin=PIPE, status_file=place / "status")
    place.rmdir()
    with pytest.raises(InfrastructureError, match="cannot save how cat ended"):
        await process.kill()
    assert lock_is_free(bench.lock())


async def test_closing_the_supervisor_kills_what_is_left(bench: Bench) -> None:
    process = await bench.grow_tree(stdin=PIPE, stdout=PIPE, stderr=PIPE)
    await bench.supervisor.close()
    assert bench.alive() == []
    assert (await process.wait()).cause == "killed"
    with pytest.raises(InfrastructureError, match="no program can be started"):
        await bench.spawn("true")


async def test_giving_up_on_closing_does_not_disturb_who_waits(bench: Bench) -> None:
    process = await bench.spawn("sleep", "1000")
    shim = shim_of(process)
    shim.suspend()
    waiting = asyncio.ensure_future(process.wait())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await bench.supervisor.close()
    shim.resume()
    assert (await waiting).cause == "killed"


async def test_a_spawn_given_up_leaves_nothing(bench: Bench) -> None:
    for turns in range(8):
        spawning = asyncio.ensure_future(
            bench.spawn("sleep", "1000", name=str(turns), stdin=PIPE, stdout=PIPE)
        )
        for _ in range(turns):
            await one_turn()
        spawning.cancel()
        with contextlib.suppress(
            asyncio.CancelledError
        ):  # at the latest moments it may just have come through
            await (await spawning).kill()
    await eventually("every one of them is gone", lambda: not bench.alive())


def test_a_status_file_that_is_something_else_is_an_error(tmp_path: Path) -> None:
    assert read_status(tmp_path / "none") is None
    for content in ("", "{", "[]", '{"code": 0}', '"text"'):
        (tmp_path / "status").write_text(content)
        with pytest.raises(InfrastructureError, match="is not an exit status"):
            read_status(tmp_path / "status")


def test_a_clean_environment_has_only_what_is_passed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [
        name for name in os.environ if name.startswith("LC_") or name in {"LANG", "LANGUAGE", "TERM"}
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "/somewhere")
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("TOKEN", "t0ken")
    monkeypatch.setenv("LC_TIME", "de_DE.UTF-8")
    clean = clean_environment(home=tmp_path, passed=["TOKEN", "UNSET"], extra={"MAWEP_ISSUE": "7"})
    assert clean == {
        "PATH": "/somewhere",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "LC_TIME": "de_DE.UTF-8",
        "TERM": "dumb",
        "TOKEN": "t0ken",
        "MAWEP_ISSUE": "7",
    }
    assert clean_environment()["HOME"] == os.environ["HOME"]
