"""The bed of behaviours: each is played to the watchdog second by second, and must get its verdict in time.

No healthy one is given up, no stuck one outlives its limit by more than five seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from mawep.agents.base import (
    Activity,
    AgentEvent,
    MessageText,
    Output,
    PermissionDecided,
    PlanChanged,
    ProcessStarted,
    QuestionAsked,
    ToolCall,
)
from mawep.core.model import FailureReason, PlanEntry, Question
from mawep.stages.attempt.watchdog import LENIENCE, Look, Patience, Verdict, Watchdog

STALL, PROGRESS, TURN, LOOP = 300.0, 900.0, 3600.0, 20
PATIENCE = Patience(STALL, TURN, PROGRESS, LOOP)
LATE = 5.0
STARTED = ProcessStarted(7)


@dataclass
class Second:
    """What happens in one second of an agent's life."""

    says: list[AgentEvent] = field(default_factory=list)
    cpu: float = 0.0
    io: float = 0.0
    writes: bool = False
    stopped: bool = False
    calls: int = 0
    answered: bool = False
    jump: float = 0.0


Life = Callable[[int], Second]
"""What an agent does in each second, counted from 0."""


def outlived(
    life: Life, patience: Patience = PATIENCE, most: float = 2 * TURN
) -> tuple[float, Verdict] | None:
    """After how many seconds, and why, an agent is given up; None if it never is. Looks are five seconds apart."""
    clock = 1000.0
    watchdog = Watchdog(patience, clock)
    cpu = io = 0.0
    written = seen = -1.0
    looked, due = 0, 5.0
    for second in range(int(most)):
        now = life(second)
        clock += 1.0 + now.jump
        for event in now.says:
            watchdog.heard(event, clock)
        if now.answered:
            watchdog.answered(None, clock)
        cpu, io, written = cpu + now.cpu, io + now.io, second if now.writes else written
        if second + 1 < due and not now.jump:
            continue
        watchdog.looked(Look(second + 1 - looked, cpu, io, now.stopped, now.calls), clock)
        looked, cpu, io = second + 1, 0.0, 0.0
        verdict = watchdog.verdict(clock)
        if watchdog.in_doubt(clock) or verdict is not None:
            if written > seen:
                watchdog.files_changed(second - written, clock)
            seen = second
            verdict = watchdog.verdict(clock)
        if verdict is not None:
            return second + 1.0, verdict
        due = second + 1 + math.ceil(min(5.0, max(watchdog.due(clock), 1.0)))
    return None


def after(last: int, quiet: Second, *events: AgentEvent) -> Life:
    """It says `events`, the last of them in second `last`, and then it is as in `quiet`."""

    def life(second: int) -> Second:
        if second == last:
            return Second(says=[STARTED, *events])
        return quiet if second > last else Second(cpu=0.5)

    return life


def call(
    name: str, status: str = "completed", *, kind: str = "execute", output: str = "", **more: str
) -> ToolCall:
    return ToolCall(
        f"id-{name}", more.get("title", name), kind, status, input=more.get("input", ""), output=output
    )


def calling(*titles: str, every: int = 2, answers: bool = False, cpu: float = 0.0) -> Life:
    """The same tool calls in turn, again and again."""

    def life(second: int) -> Second:
        if second % every:
            return Second(cpu=cpu)
        title = titles[second // every % len(titles)]
        said = str(second) if answers else "the same"
        return Second(says=[call(f"{second}", title=title, output=said)], cpu=cpu)

    return life


def chatty(second: int) -> Second:
    """Forty lines a second, thoughts and messages, and a file now and then."""
    lines: list[AgentEvent] = [Output(f"{second}.{number}") for number in range(40)]
    return Second(says=[*lines, Activity("thinking")], cpu=0.05, writes=second % 400 == 0)


def asks(second: int) -> Second:
    if second == 10:
        return Second(says=[QuestionAsked(Question("q", "Which?"))])
    return Second(answered=second == 6000, says=[MessageText("thanks")] if second == 6000 else [])


def stops_itself(second: int) -> Second:
    return Second(says=[STARTED, call("a", "in_progress")] if second == 0 else [], stopped=second > 5)


def new_calls(second: int) -> Second:
    """Reads one file after another, slowly, and writes nothing."""
    return Second(says=[call(f"read {second}", kind="read")] if second % 200 == 0 else [])


def ticks(second: int) -> Second:
    """Nothing but a plan that goes on."""
    done = second // 600
    plan = tuple(PlanEntry(str(n), "completed" if n < done else "pending") for n in range(20))
    return Second(says=[PlanChanged(plan)] if second % 60 == 0 else [])


def edits_and_tests(second: int) -> Second:
    """The same test command after every edit: not a loop."""
    if second % 10 == 0:
        edit = ToolCall(
            f"e{second}", "edit a.py", "edit", "completed", ("a.py",), ("a.py",), output=str(second)
        )
        return Second(says=[edit])
    return Second(says=[call(f"t{second}", title="pytest")] if second % 10 == 5 else [])


def shell_edits_and_tests(second: int) -> Second:
    """The same command again and again, but files change by it."""
    return Second(
        says=[call(f"t{second}", title="make fix")] if second % 5 == 0 else [], writes=second % 50 == 0
    )


SILENT, LITTLE = Second(), Second(cpu=0.005)
STUCK: dict[str, tuple[Life, float, str]] = {
    "says nothing from the beginning": (lambda second: SILENT, STALL, "no sign of life"),
    "falls silent after a message": (after(100, LITTLE, MessageText("hm")), 100 + STALL, "no sign of life"),
    "a dead socket: the model takes the call and never answers": (
        after(50, LITTLE, call("ls")),
        50 + STALL,
        "no sign of life",
    ),
    "a dead socket in the middle of a thought": (
        after(50, LITTLE, Activity("thinking")),
        50 + PROGRESS,
        "no progress",
    ),
    "a dead socket that the gateway holds open": (
        after(50, Second(calls=1), call("ls")),
        50 + PROGRESS,
        "no progress",
    ),
    "a tool call that never ends": (
        after(50, SILENT, call("a", "in_progress")),
        50 + PROGRESS,
        "no progress",
    ),
    "prints the same line for ever": (
        lambda second: Second(says=[Output("waiting")], cpu=0.01, io=8),
        PROGRESS,
        "no progress",
    ),
    "prints changing lines for ever": (
        lambda second: Second(says=[Output(f"waiting for {second} s")], cpu=0.05, io=40),
        PROGRESS,
        "no progress",
    ),
    "thinks for ever": (lambda second: Second(says=[Activity("thinking")]), PROGRESS, "no progress"),
    "moves a spinner for ever": (lambda second: Second(cpu=0.06, io=300), PROGRESS, "no progress"),
    "asks for leave for the same thing for ever": (
        lambda second: Second(says=[PermissionDecided("write", ("x",), allowed=False, why="claimed")]),
        PROGRESS,
        "no progress",
    ),
    "makes the same tool call again and again": (calling("ls"), 2 * LOOP, "the same tool calls"),
    "makes two calls in turn": (calling("ls", "cat a"), 2 * LOOP, "the same tool calls"),
    "makes three calls in turn": (calling("ls", "cat a", "cat b"), 2 * LOOP, "the same tool calls"),
    "makes the same call, the answer has a time in it": (
        calling("pytest -q", answers=True),
        2 * LOOP * LENIENCE,
        "the same tool calls",
    ),
    "makes the same call and burns the processor": (
        calling("pytest -q", cpu=0.9),
        2 * LOOP * LENIENCE,
        "the same tool calls",
    ),
    "is stopped by a signal": (stops_itself, STALL, "no sign of life"),
    "repeats its plan for ever": (
        lambda second: Second(says=[PlanChanged((PlanEntry("a"),))] if second % 9 == 0 else []),
        PROGRESS,
        "no progress",
    ),
    "computes for ever": (lambda second: Second(cpu=1.0), TURN, "the turn took longer"),
    "talks and works for ever": (chatty, TURN, "the turn took longer"),
}

HEALTHY: dict[str, Life] = {
    "a long silent build": lambda second: Second(cpu=0.8),
    "a long silent build that waits for the disk now and then": lambda second: Second(
        cpu=0.8 if second % 290 < 20 else 0.0
    ),
    "a build that only writes files": lambda second: Second(writes=second % 250 == 0),
    "a slow download, with hardly any processor time": lambda second: Second(cpu=0.004, io=60_000),
    "a slow download into the worktree": lambda second: Second(io=2_000, writes=second % 60 == 0),
    "very chatty": chatty,
    "reads much and writes nothing": new_calls,
    "goes on with its plan": ticks,
    "the same test after every edit": edits_and_tests,
    "the same command, which changes files": shell_edits_and_tests,
}

HEALTHY_FOR_A_WHILE: dict[str, tuple[Life, float]] = {
    "a long call of the model that it announced as a thought": (
        after(50, LITTLE, Activity("thinking")),
        50 + PROGRESS,
    ),
    "a long call of the model that the gateway sees": (after(50, Second(calls=1), call("ls")), 50 + PROGRESS),
    "a test runner that sleeps": (after(50, SILENT, call("pytest", "in_progress")), 50 + PROGRESS),
    "polls a build that says something new": (calling("tail build.log", answers=True), 2 * LOOP * LENIENCE),
}


@pytest.mark.parametrize("name", STUCK)
def test_no_stuck_one_outlives_its_limit(name: str) -> None:
    life, limit, why = STUCK[name]
    ended = outlived(life)
    assert ended is not None, "it is never given up"
    seconds, verdict = ended
    assert limit - 1 <= seconds <= limit + LATE
    assert verdict.what.startswith(why)
    timeout = why.startswith("the turn")
    assert verdict.reason is (FailureReason.TIMEOUT if timeout else FailureReason.STALLED)


@pytest.mark.parametrize("name", HEALTHY)
def test_no_healthy_one_is_given_up_before_its_turn_is_over(name: str) -> None:
    ended = outlived(HEALTHY[name])
    assert ended is not None and ended[0] >= TURN
    assert ended[1].reason is FailureReason.TIMEOUT


@pytest.mark.parametrize("name", HEALTHY_FOR_A_WHILE)
def test_one_that_has_a_reason_to_be_silent_has_more_time(name: str) -> None:
    life, limit = HEALTHY_FOR_A_WHILE[name]
    ended = outlived(life)
    assert ended is not None and ended[0] >= limit - 1


def test_waiting_for_a_person_takes_no_time_at_all() -> None:
    """It asks in second 10, has its answer in second 6000, and falls silent then."""
    ended = outlived(asks, most=4 * TURN)
    assert ended is not None
    assert 6000 + STALL <= ended[0] <= 6000 + STALL + LATE


def test_several_questions_wait_for_several_answers() -> None:
    watchdog = Watchdog(PATIENCE, 0.0)
    for name in "ab":
        watchdog.heard(QuestionAsked(Question(name, "?")), 1.0)
    watchdog.answered("a", 2.0)
    assert watchdog.due(2.0) == math.inf
    assert watchdog.idle(3.0) == 0.0
    watchdog.answered("b", 4.0)
    assert watchdog.due(4.0) == STALL


@pytest.mark.parametrize("jump", [7200.0, -7200.0, 1e9])
@pytest.mark.parametrize(
    "name", ["a long silent build that waits for the disk now and then", "goes on with its plan"]
)
def test_a_clock_that_jumps_ends_no_healthy_one(name: str, jump: float) -> None:
    """A virtual machine that was moved, a process that was frozen: nobody watched meanwhile, so nothing is missing."""

    def life(second: int) -> Second:
        happens = HEALTHY[name](second)
        happens.jump = jump if second in (400, 1000) else 0.0
        return happens

    ended = outlived(life)
    assert ended is not None and ended[1].reason is FailureReason.TIMEOUT
    assert abs(ended[0] - TURN) < 30


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
def test_a_clock_that_jumps_lets_no_stuck_one_live(jump: float) -> None:
    ended = outlived(lambda second: Second(jump=jump if second == 100 else 0.0))
    assert ended is not None
    assert abs(ended[0] - STALL) <= 2 * LATE


def test_a_loop_may_be_allowed() -> None:
    ended = outlived(calling("ls"), Patience(STALL, TURN, math.inf, 0))
    assert ended is not None and ended[1].reason is FailureReason.TIMEOUT


def test_what_is_told_twice_about_a_call_is_one_call() -> None:
    watchdog = Watchdog(PATIENCE, 0.0)
    for _ in range(10 * LOOP):
        watchdog.heard(call("a"), 1.0)
    assert watchdog.verdict(1.0) is None


def test_more_patience_with_progress_than_with_silence_is_not_needed() -> None:
    """`progress` below `stall` counts as `stall`."""
    ended = outlived(lambda second: Second(says=[Output("x")]), Patience(STALL, TURN, 10.0))
    assert ended is not None and STALL <= ended[0] <= STALL + LATE


def test_the_work_of_watching_is_the_same_after_a_million_events() -> None:
    """What it remembers is bounded, whatever an agent says."""
    watchdog = Watchdog(PATIENCE, 0.0)
    for number in range(30_000):
        watchdog.heard(call(f"{number}"), float(number))
    assert len(watchdog._known) <= 10_000
    assert len(watchdog._over) <= 1000
