"""What every AgentSession does, whatever drives the agent. Real processes, one behaviour written twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from mawep.adapters.process import lock_is_free
from mawep.agents.base import STOP_SECONDS, AgentEvent, AgentFailed, AgentSession, ProcessStarted, TurnEnded
from mawep.clock import SystemClock
from mawep.core.model import FailureReason
from mawep.errors import UsageError
from tests.agents.conftest import Stage, events, inhabitants
from tests.support.waiting import eventually

Step = Mapping[str, Any]
BEHAVIOURS: dict[str, tuple[list[Step], str]] = {
    "finish": ([{"say": "hello"}], "echo hello"),
    "fail": ([{"crash": 3}], "echo 'scripted crash: 3'; exit 3"),
    "die": ([{"crash": "kill"}], "echo 'scripted crash: kill'; kill -9 $$"),
    "hang": ([{"say": "hello"}, {"hang": True}], "echo hello; sleep 600"),
    "deaf": (
        [{"leave": "setsid"}, {"say": "hello"}, {"hang": True, "stubborn": True}],
        "trap '' TERM; setsid sleep 600 & echo hello; while :; do sleep 600; done",
    ),
    "leave": ([{"leave": "setsid"}, {"say": "hello"}], "setsid sleep 600 & echo hello"),
}
Open = Callable[[str], Awaitable[AgentSession]]


@pytest.fixture(params=["scripted", "command"])
def open_session(request: pytest.FixtureRequest, stage: Stage) -> Open:
    """Opens a session with an agent that behaves as named."""

    async def open_session(behaviour: str) -> AgentSession:
        steps, script = BEHAVIOURS[behaviour]
        if request.param == "scripted":
            return await stage.scripted(*steps, on_repair=[steps])
        return await stage.shell(script)

    return open_session


async def until_it_speaks(session: AgentSession) -> tuple[asyncio.Task[list[AgentEvent]], list[AgentEvent]]:
    """Begin a turn and return once the agent has said something; the task goes on reading."""
    seen: list[AgentEvent] = []

    async def read() -> list[AgentEvent]:
        async for event in session.prompt("do it"):
            if not isinstance(event, ProcessStarted):
                seen.append(event)
        return seen

    reading = asyncio.create_task(read())
    await eventually("the agent says something", lambda: seen)
    return reading, seen


async def test_every_turn_begins_with_the_process(open_session: Open) -> None:
    session = await open_session("finish")
    seen = [event async for event in session.prompt("do it")]
    started = seen[0]
    assert isinstance(started, ProcessStarted)
    assert started.pid > 0
    await session.close()


async def test_every_turn_ends_with_what_was_said(open_session: Open) -> None:
    session = await open_session("finish")
    for _ in range(2):
        assert (await events(session))[-1] == TurnEnded("end_turn", "hello")
    assert await session.say("by the way") is False
    await session.close()


@pytest.mark.parametrize(
    ("behaviour", "cause", "words"),
    [
        ("fail", "it exited with code 3", "scripted crash: 3"),
        ("die", "it was ended by SIGKILL", "scripted crash: kill"),
    ],
)
async def test_an_agent_that_dies_fails_the_turn_at_once(
    open_session: Open, behaviour: str, cause: str, words: str
) -> None:
    session = await open_session(behaviour)
    began = time.monotonic()
    with pytest.raises(AgentFailed) as failed:
        await events(session)
    assert time.monotonic() - began < 2 * STOP_SECONDS  # a busy machine is allowed for
    assert failed.value.reason is FailureReason.AGENT_ERROR
    assert (failed.value.cause, failed.value.detail) == (cause, words)
    await session.close()


async def test_a_cancel_ends_the_turn(open_session: Open, stage: Stage) -> None:
    session = await open_session("hang")
    reading, _ = await until_it_speaks(session)
    began = time.monotonic()
    await session.cancel()
    assert time.monotonic() - began < 2 * STOP_SECONDS  # a busy machine is allowed for
    assert (await reading)[-1] == TurnEnded("cancelled", "hello")
    await session.close()
    assert inhabitants(stage.worktree) == []


@pytest.mark.parametrize("how", ["cancel", "close"])
async def test_an_agent_that_ignores_its_end_is_killed_within_five_seconds(
    open_session: Open, stage: Stage, how: str
) -> None:
    session = await open_session("deaf")
    reading, _ = await until_it_speaks(session)
    assert len(inhabitants(stage.worktree)) >= 2
    began = time.monotonic()
    await (session.cancel() if how == "cancel" else session.close())
    assert time.monotonic() - began < 2 * STOP_SECONDS  # a busy machine is allowed for
    assert inhabitants(stage.worktree) == []
    assert (await reading)[-1] == TurnEnded("cancelled", "hello")
    await session.close()


async def test_a_close_leaves_no_setsid_grandchild_and_a_free_lock(open_session: Open, stage: Stage) -> None:
    session = await open_session("leave")
    await events(session)
    began = time.monotonic()
    await session.close()
    assert time.monotonic() - began < 2 * STOP_SECONDS  # a busy machine is allowed for
    assert inhabitants(stage.worktree) == []
    assert lock_is_free(stage.root / "run" / "lock")


async def test_kill_9_of_the_agent_takes_its_descendants_along(open_session: Open, stage: Stage) -> None:
    session = await open_session("deaf")
    reading, _ = await until_it_speaks(session)
    os.kill(session.pid, signal.SIGKILL)
    with pytest.raises(AgentFailed) as failed:
        await reading
    assert failed.value.cause == "it was ended by SIGKILL"
    assert inhabitants(stage.worktree) == []
    await session.close()


async def test_a_lease_that_runs_out_ends_the_agent(open_session: Open) -> None:
    session = await open_session("hang")
    reading, _ = await until_it_speaks(session)
    session.extend(SystemClock().boottime() + 0.2)
    with pytest.raises(AgentFailed) as failed:
        await reading
    assert failed.value.cause == "it was ended because its lease ran out"
    await session.close()


async def test_a_reader_that_goes_away_does_not_stop_a_close(open_session: Open, stage: Stage) -> None:
    session = await open_session("hang")
    reading, _ = await until_it_speaks(session)
    reading.cancel()
    await asyncio.wait({reading})
    await session.close()
    await session.close()
    assert inhabitants(stage.worktree) == []


async def test_only_one_turn_runs_at_a_time(open_session: Open) -> None:
    session = await open_session("hang")
    reading, _ = await until_it_speaks(session)
    with pytest.raises(UsageError, match="in the middle of a turn"):
        await events(session)
    await session.close()
    assert (await reading)[-1] == TurnEnded("cancelled", "hello")


async def test_nothing_waits_for_an_answer_that_was_not_asked_for(open_session: Open) -> None:
    session = await open_session("finish")
    with pytest.raises(UsageError, match="does not wait for an answer to question q"):
        await session.answer("q", "yes")
    await session.cancel()
    await session.close()
