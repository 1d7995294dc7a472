"""The bed of behaviours with real processes, and limits of some seconds instead of minutes.

Each healthy one does what it does for longer than the stall limit; each stuck one is given up, and nothing is left.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mawep.adapters.process import Supervisor, lock_is_free
from mawep.agents.base import AgentFailed, AgentSession, BreakingChange
from mawep.clock import SystemClock
from mawep.core.model import FailureReason, Question
from mawep.stages.attempt import Ears, Limits, Turn
from tests.agents.conftest import Stage
from tests.support.waiting import eventually, let_pass

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

STALL = 2.0
LATE = 20.0
"""A busy machine is allowed for: what is stuck would be so for ten minutes."""
LIMITS = Limits(stall=STALL, turn=60, progress=2 * STALL, loop=6)
LOOPS = Limits(stall=STALL, turn=60, progress=30, loop=6)
LONGER = 2 * STALL
PYTHON = f"exec {sys.executable} -I -S -c"


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    supervisor = await Supervisor.start()
    stage = Stage(tmp_path, supervisor)
    stage.worktree.mkdir()
    (tmp_path / "run").mkdir()
    os.utime(stage.worktree, (1e9, 1e9))
    yield stage
    await supervisor.close()


class Watched:
    """One turn of an agent, to its end or to its verdict."""

    def __init__(self, stage: Stage, session: AgentSession, limits: Limits = LIMITS) -> None:
        self.pid = 0
        self.questions: list[Question] = []

        async def started(pid: int) -> None:
            self.pid = pid

        async def asked(question: Question) -> None:
            self.questions.append(question)

        async def announced(change: BreakingChange) -> None:
            return None

        ears = Ears(started, lambda progress: None, asked, announced)
        self.session, self.lock = session, stage.root / "run" / "lock"
        scratch = stage.root / "run"
        self.turn = Turn(session, stage.worktree, limits, SystemClock(), ears, scratch=scratch / "tmp")

    async def ends(self) -> str:
        """`end_turn`, or the sentence with which it was given up; none of its processes is left then."""
        try:
            return (await self.turn.run("do it")).stop
        except AgentFailed as failure:
            assert failure.reason is FailureReason.STALLED
            return failure.what
        finally:
            await self.session.close()
            await eventually("all of it is gone", lambda: lock_is_free(self.lock), 10)


async def shell(stage: Stage, script: str) -> str:
    return await Watched(stage, await stage.shell(script)).ends()


async def scripted(stage: Stage, *steps: Mapping[str, Any], limits: Limits = LIMITS) -> str:
    return await Watched(stage, await stage.scripted(*steps), limits).ends()


def runs(commands: Sequence[str]) -> list[dict[str, Any]]:
    return [{"run": command} for command in commands]


# --- healthy ones, none of which is given up

HEALTHY = {
    "a silent build": f"{PYTHON} 'import time\nend = time.monotonic() + {LONGER}\nwhile time.monotonic() < end: pass'",
    "a build by children that come and go": (
        f"end=$(( $(date +%s) + {LONGER:.0f} ))\n"
        "while [ $(date +%s) -lt $end ]; do for i in 1 2 3 4 5 6 7 8; do git --version >/dev/null; done; done"
    ),
    "files that change, and nothing else": "for i in 1 2 3 4 5 6 7; do echo $i > file; sleep 0.6; done",
    "files in TMPDIR that change": "mkdir ../run/tmp; for i in 1 2 3 4 5 6; do echo > ../run/tmp/f; sleep 0.6; done",
    "very chatty": f"{PYTHON} 'for n in range(20000): print(n)'",
    "leaves a child behind that holds its output": "sleep 600 & setsid sleep 600 & exit 0",
    "leaves a child behind that computes": f"({PYTHON} 'while True: pass') & exit 0",
    "has a zombie": f"{PYTHON} 'import os, time\nif os.fork() == 0: os._exit(0)\ntime.sleep(0.3)'",
}


@pytest.mark.parametrize("name", HEALTHY)
async def test_a_healthy_program_is_let_be(stage: Stage, name: str) -> None:
    assert await shell(stage, HEALTHY[name]) == "end_turn"


async def test_a_slow_download_is_let_be(stage: Stage) -> None:
    """To a place that is not watched, with hardly any processor time: only the bytes show that it goes on."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = time.monotonic() + 1.5 * LONGER
        while time.monotonic() < end:
            writer.write(b"x" * 65536)
            await writer.drain()
            await let_pass(0.2)
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    program = f"""
import socket
model = socket.create_connection(("127.0.0.1", {port}))
with open({str(stage.root / "elsewhere")!r}, "wb", 0) as file:
    while data := model.recv(65536): file.write(data)
"""
    (stage.root / "client.py").write_text(program)
    async with server:
        assert await shell(stage, f"exec {sys.executable} -I -S ../client.py") == "end_turn"


async def test_a_test_runner_that_sleeps_is_let_be_in_the_middle_of_a_tool_call(stage: Stage) -> None:
    assert await scripted(stage, {"run": f"sleep {1.5 * STALL}"}) == "end_turn"


async def test_calls_that_differ_and_calls_that_change_files_are_no_loop(stage: Stage) -> None:
    many = runs([f"true {number}" for number in range(20)])
    fixes = runs(["date +%N > stamp; sleep 0.05"] * 20)
    assert await scripted(stage, *many, *fixes) == "end_turn"


async def test_waiting_for_a_person_is_let_be(stage: Stage) -> None:
    watched = Watched(stage, await stage.scripted({"ask": {"text": "May I?"}}, {"say": "thanks"}))
    running = asyncio.create_task(watched.ends())
    question = (await eventually("it asks", lambda: watched.questions))[0]
    await let_pass(1.5 * STALL)
    assert not running.done()
    watched.turn.answered(question.id)
    await watched.session.answer(question.id, "yes")
    assert await running == "end_turn"


# --- stuck ones, each given up in time

STUCK = {
    "sleeps": "sleep 600",
    "waits for input that nobody gives it": "cat > /dev/null; exec sleep 600",
    "children that wait for one another": "(sleep 600 | cat) | cat",
    "a stale file from the future": "touch -d 2099-01-01 file; sleep 600",
}
TALKING = {
    "prints the same line": f"{PYTHON} 'import time\nwhile True: print(1, flush=True); time.sleep(0.2)'",
    "prints other lines": f"{PYTHON} 'import time\nwhile True: print(time.time(), flush=True); time.sleep(0.2)'",
}


async def timed(running: Any) -> tuple[str, float]:
    began = time.monotonic()
    return await running, time.monotonic() - began


@pytest.mark.parametrize("name", STUCK)
async def test_a_silent_program_is_given_up(stage: Stage, name: str) -> None:
    what, seconds = await timed(shell(stage, STUCK[name]))
    assert what.startswith("no sign of life")
    assert STALL <= seconds < STALL + LATE


@pytest.mark.parametrize("name", TALKING)
async def test_a_program_that_only_talks_is_given_up(stage: Stage, name: str) -> None:
    what, seconds = await timed(shell(stage, TALKING[name]))
    assert what.startswith("no progress")
    assert LIMITS.progress <= seconds < LIMITS.progress + LATE


async def test_a_model_that_takes_the_call_and_never_answers(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        program = (
            f'import socket; s = socket.create_connection(("127.0.0.1", {deaf.getsockname()[1]})); s.recv(1)'
        )
        what, seconds = await timed(shell(stage, f"{PYTHON} '{program}'"))
    assert what.startswith("no sign of life")
    assert seconds < STALL + LATE


async def test_an_agent_that_says_nothing_more_is_given_up(stage: Stage) -> None:
    what, seconds = await timed(scripted(stage, {"say": "hm"}, {"hang": True}))
    assert what.startswith("no sign of life")
    assert seconds < STALL + LATE


async def test_a_tool_call_that_never_ends_is_given_up_later(stage: Stage) -> None:
    what, seconds = await timed(scripted(stage, {"run": "sleep 600"}))
    assert what.startswith("no progress")
    assert seconds >= LIMITS.progress


async def test_a_loop_of_tool_calls_is_given_up(stage: Stage) -> None:
    again = runs(["sleep 0.1; cat nothing"] * 40)
    assert (await scripted(stage, *again, limits=LOOPS)).startswith("the same tool calls")


async def test_a_loop_of_three_tool_calls_is_given_up(stage: Stage) -> None:
    again = runs(["sleep 0.1; true", "sleep 0.1; false", "sleep 0.1; ls"] * 20)
    assert (await scripted(stage, *again, limits=LOOPS)).startswith("the same tool calls")


async def test_a_stopped_process_is_given_up_whatever_it_was_doing(stage: Stage) -> None:
    watched = Watched(stage, await stage.shell("while :; do echo working; sleep 0.05; done"))
    running = asyncio.create_task(timed(watched.ends()))
    await eventually("it runs", lambda: watched.pid)
    os.killpg(watched.pid, signal.SIGSTOP)
    what, seconds = await running
    assert what.startswith("no sign of life")
    assert seconds < STALL + LATE
