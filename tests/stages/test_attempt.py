"""One turn: what it is known to do, how far it is, and when it is given up."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mawep.agents.base import (
    AgentEvent,
    AgentFailed,
    BreakingChange,
    MessageText,
    Output,
    PermissionDecided,
    PlanChanged,
    ProcessStarted,
    QuestionAsked,
    StopReason,
    ToolCall,
    TurnEnded,
    UsageReported,
)
from mawep.clock import SystemClock
from mawep.core.model import FailureReason, PlanEntry, Question, Usage
from mawep.stages.attempt import Ears, Limits, Progress, Turn
from tests.support.waiting import eventually, let_pass

END = TurnEnded("end_turn", "done")


@dataclass
class Agent:
    """An agent that says what it is told to, one thing after another; a number is seconds of silence."""

    script: list[AgentEvent | float]
    pid: int = 0
    session_id: str | None = None
    loadable: bool = False
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def prompt(self, text: str) -> AsyncIterator[AgentEvent]:
        for item in self.script:
            if isinstance(item, float | int):
                await let_pass(item)
                continue
            yield item
            if isinstance(item, QuestionAsked):
                await self.answers.wait()

    async def answer(self, question_id: str, text: str) -> None:
        self.answers.set()

    async def say(self, text: str) -> bool:
        return False

    async def cancel(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def extend(self, deadline: float) -> None:
        return None


@dataclass
class Listener:
    """What was heard of a turn."""

    pids: list[int] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    changes: list[BreakingChange] = field(default_factory=list)
    percents: list[float | None] = field(default_factory=list)

    def ears(self) -> Ears:
        async def started(pid: int) -> None:
            self.pids.append(pid)

        async def asked(question: Question) -> None:
            self.questions.append(question)

        async def announced(change: BreakingChange) -> None:
            self.changes.append(change)

        return Ears(started, lambda progress: self.percents.append(progress.percent), asked, announced)


def turn_of(
    agent: Agent, worktree: Path, *, stall: float = 30, limit: float = 30, ears: Ears | None = None
) -> Turn:
    return Turn(
        agent, worktree, Limits(stall, limit), SystemClock(), ears or Listener().ears(), scratch=worktree
    )


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    path = tmp_path / "worktree"
    path.mkdir()
    (path / "old.txt").write_text("old\n")
    for place in (path / "old.txt", path):
        os.utime(place, (1_000_000_000, 1_000_000_000))
    return path


# --- how it ends


async def test_a_turn_ends_with_what_the_agent_said_and_used(worktree: Path) -> None:
    listener = Listener()
    usage = Usage(input_tokens=10, output_tokens=5)
    change = BreakingChange("a.py", "renamed", ("b.py",), "use it")
    agent = Agent([ProcessStarted(77), UsageReported(usage), change, MessageText("hello"), END])
    outcome = await turn_of(agent, worktree, ears=listener.ears()).run("go")
    assert (outcome.stop, outcome.text, outcome.usage) == ("end_turn", "done", usage)
    assert (listener.pids, listener.changes) == ([77], [change])


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("refusal", FailureReason.AGENT_REFUSED),
        ("max_tokens", FailureReason.AGENT_ERROR),
        ("max_turn_requests", FailureReason.AGENT_ERROR),
        ("cancelled", FailureReason.AGENT_ERROR),
    ],
)
async def test_an_agent_that_stops_early_has_failed(
    worktree: Path, stop: StopReason, reason: FailureReason
) -> None:
    with pytest.raises(AgentFailed) as caught:
        await turn_of(Agent([TurnEnded(stop, "I would rather not")]), worktree).run("go")
    assert caught.value.reason is reason
    assert caught.value.detail == "I would rather not"


async def test_a_stream_that_breaks_off_is_a_failure(worktree: Path) -> None:
    with pytest.raises(AgentFailed, match="without saying so"):
        await turn_of(Agent([MessageText("hm")]), worktree).run("go")


# --- when it is given up


async def test_silence_without_work_is_a_stall(worktree: Path) -> None:
    with pytest.raises(AgentFailed) as caught:
        await turn_of(Agent([MessageText("hm"), 60.0]), worktree, stall=0.4).run("go")
    assert caught.value.reason is FailureReason.STALLED


async def test_words_are_a_sign_of_life(worktree: Path) -> None:
    talk: list[AgentEvent | float] = [part for _ in range(14) for part in (0.3, MessageText("hm"))]
    assert (await turn_of(Agent([*talk, END]), worktree, stall=3.5).run("go")).stop == "end_turn"


async def test_a_file_that_is_written_is_a_sign_of_life(worktree: Path) -> None:
    turn = turn_of(Agent([4.5, END]), worktree, stall=3.5)
    running = asyncio.create_task(turn.run("go"))
    while not running.done():
        (worktree / "deep").mkdir(exist_ok=True)
        (worktree / "deep" / "new.txt").write_text("new\n")
        await let_pass(0.05)
    assert (await running).stop == "end_turn"


@pytest.mark.parametrize(("program", "stalls"), [("while True: pass", False), ("input()", True)])
async def test_processor_time_is_a_sign_of_life_and_idling_is_not(
    worktree: Path, program: str, stalls: bool
) -> None:
    shim = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}])"
    family = subprocess.Popen([sys.executable, "-c", shim], stdin=subprocess.PIPE, start_new_session=True)
    try:
        pid = await eventually("the program runs", lambda: child_of(family.pid), 20)
        run = turn_of(Agent([3.0, END], pid=pid), worktree, stall=2.0).run("go")
        if stalls:
            with pytest.raises(AgentFailed) as caught:
                await run
            assert caught.value.reason is FailureReason.STALLED
        else:
            assert (await run).stop == "end_turn"
    finally:
        os.killpg(family.pid, 9)
        family.communicate()


def child_of(pid: int) -> int:
    said = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(said[0]) if said else 0


async def test_a_turn_has_a_limit_however_alive_it_is(worktree: Path) -> None:
    talk: list[AgentEvent | float] = [part for _ in range(200) for part in (0.05, MessageText("hm"))]
    with pytest.raises(AgentFailed) as caught:
        await turn_of(Agent([*talk, END]), worktree, stall=5, limit=0.5).run("go")
    assert caught.value.reason is FailureReason.TIMEOUT


async def test_waiting_for_a_person_is_neither_a_stall_nor_time_of_the_turn(worktree: Path) -> None:
    question = Question("q1", "Which?")
    agent, listener = Agent([QuestionAsked(question), MessageText("thanks"), END]), Listener()
    turn = turn_of(agent, worktree, stall=3, limit=3, ears=listener.ears())
    running = asyncio.create_task(turn.run("go"))
    await eventually("it asks", lambda: listener.questions)
    assert turn.idle_seconds == 0.0
    await let_pass(3.5)
    assert not running.done()
    turn.answered()
    await agent.answer("q1", "this one")
    assert (await running).stop == "end_turn"
    assert listener.questions == [question]


async def test_watchdogs_do_not_count_suspended_time(worktree: Path) -> None:
    """The machine sleeps for an hour in the middle of a turn: only time that it was awake counts."""

    class Suspended(SystemClock):
        slept = 0.0

        def boottime(self) -> float:
            return super().boottime() + self.slept

    clock = Suspended()
    turn = Turn(
        Agent([0.2, MessageText("hm"), 0.2, END]),
        worktree,
        Limits(5, 5),
        clock,
        Listener().ears(),
        scratch=worktree,
    )
    running = asyncio.create_task(turn.run("go"))
    clock.slept = 3600.0
    assert (await running).stop == "end_turn"


async def test_a_short_patience_does_not_run_out_while_nobody_watches(worktree: Path) -> None:
    """MAWEP stands still for longer than the patience: the agent may have done anything meanwhile."""

    class Frozen(SystemClock):
        stood = 0.0

        def awake(self) -> float:
            return super().awake() + self.stood

    clock = Frozen()
    agent = Agent([0.5, MessageText("hm"), END])
    nothing = worktree / "nowhere"
    turn = Turn(agent, nothing, Limits(3, 30), clock, Listener().ears(), scratch=nothing)
    running = asyncio.create_task(turn.run("go"))
    await asyncio.sleep(0)
    clock.stood = 6.0
    assert (await running).stop == "end_turn"


async def test_a_cancelled_turn_leaves_no_task(worktree: Path) -> None:
    running = asyncio.create_task(turn_of(Agent([60.0]), worktree).run("go"))
    await let_pass(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


# --- how far it is


def seen(*events: AgentEvent) -> Progress:
    progress = Progress()
    for event in events:
        progress.see(event)
    return progress


def plan(*states: str) -> PlanChanged:
    return PlanChanged(tuple(PlanEntry(f"step {number}", state) for number, state in enumerate(states)))


def edit(*paths: str) -> ToolCall:
    return ToolCall("t", "Edit " + " ".join(paths), "edit", "completed", paths, paths)


def test_progress_is_unknown_until_the_agent_shows_some() -> None:
    assert seen().percent is None
    assert seen(MessageText("thinking")).percent is None


def test_a_plan_says_how_far_and_never_goes_backwards() -> None:
    assert seen(plan("completed", "in_progress", "pending", "pending")).percent == 37.5
    assert (
        seen(plan("completed", "pending"), plan("completed", "pending", "pending", "pending")).percent == 50
    )
    assert seen(plan("completed", "completed")).percent == 99, "not before it has ended"
    assert seen(PlanChanged(())).percent == 0


def test_without_a_plan_files_say_a_little() -> None:
    assert seen(edit("a.py")).percent == 20
    assert seen(*(edit(f"{number}.py") for number in range(50))).percent == 60
    assert list(seen(edit("b.py", "a.py"), edit("b.py")).files) == ["b.py", "a.py"]
    assert seen(plan("pending", "pending"), edit("a.py")).percent == 0, "its own plan knows better"


def test_what_it_was_allowed_to_write_counts_as_touched() -> None:
    may = PermissionDecided("Edit", ("a.py", "b.py"), allowed=True, why="", writes=("a.py",))
    assert list(seen(may).files) == ["a.py"]


@pytest.mark.parametrize(
    ("event", "activity"),
    [
        (MessageText("first\nlast line  \n"), "last line"),
        (Output("compiling"), "compiling"),
        (edit("a.py"), "Edit a.py"),
        (
            PermissionDecided("Edit", ("x.py",), allowed=False, why="it is claimed"),
            "refused Edit x.py: it is claimed",
        ),
        (PermissionDecided("Edit", ("x.py",), allowed=True, why=""), "before"),
        (MessageText("  "), "before"),
    ],
)
def test_the_last_thing_it_did_is_shown(event: AgentEvent, activity: str) -> None:
    assert seen(Output("before"), event).activity == activity


def test_time_left_is_told_only_when_a_plan_says_enough() -> None:
    def known(*events: AgentEvent) -> Progress:
        progress = seen(*events)
        progress.began = 100.0
        return progress

    assert known(plan("completed", "pending", "pending", "pending")).eta(110.0) == 30.0
    assert known(edit("a.py")).eta(110.0) is None
    assert known(plan("pending", "pending")).eta(110.0) is None
