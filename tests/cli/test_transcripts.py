"""A transcript is told line by line, and nothing that an agent writes can break the telling or the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mawep.agents.base import (
    AgentEvent,
    BreakingChange,
    MessageText,
    Output,
    PermissionDecided,
    PlanChanged,
    ProcessStarted,
    QuestionAsked,
    Thought,
    ToolCall,
    TurnEnded,
    UsageReported,
)
from mawep.agents.record import Record
from mawep.cli.transcripts import SHOWN_FAILURE, SHOWN_OUTPUT, Telling
from mawep.core.model import PlanEntry, Question, Usage
from mawep.observe.at_work import thousands


def lines_of(record: Record, path: Path) -> Iterator[str]:
    record.close()
    yield from path.read_text().splitlines()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transcript.jsonl"


def told(path: Path, *events: AgentEvent) -> list[str]:
    """What is said about these events, without the time."""
    record = Record(path)
    for event in events:
        record.event(event)
    return telling_of(lines_of(record, path))


def telling_of(lines: Iterator[str]) -> list[str]:
    telling = Telling()
    everything = [one for line in lines for one in telling.tell(line)]
    return [one.plain()[9:] for one in (*everything, *telling.rest())]


def plan(*states: str) -> PlanChanged:
    return PlanChanged(tuple(PlanEntry(f"step {place}", state) for place, state in enumerate(states)))


def call(status: str, *, kind: str = "execute", **more: Any) -> ToolCall:
    return ToolCall("1", "make", kind, status, **more)


def test_what_is_said_is_told_in_its_lines(path: Path) -> None:
    assert told(path, MessageText("one line\n\n    and another"), Thought("hm\nhm")) == [
        "  one line",
        "      and another",
        "~ hm",
        "  hm",
    ]


def test_a_tool_that_ends_at_once_is_one_line(path: Path) -> None:
    edit = ToolCall("1", "write a", "edit", "pending", ("a",), ("a",), ((3, 1),))
    done = ToolCall("1", "write a", "edit", "completed", ("a",), ("a",), ((3, 1),), output="ok")
    assert told(path, edit, done, MessageText("next")) == ["✓ write a · +3 −1", "  next"]


def test_leave_that_is_given_in_between_changes_nothing(path: Path) -> None:
    leave = PermissionDecided("make", (), allowed=True, why="")
    assert told(path, call("pending"), leave, ProcessStarted(7), call("completed")) == ["✓ make"]


def test_a_tool_that_takes_its_time_begins_and_ends(path: Path) -> None:
    assert told(path, call("in_progress"), MessageText("meanwhile"), call("completed")) == [
        "→ make",
        "  meanwhile",
        "✓ make",
    ]


def test_a_tool_that_goes_on_is_told_at_the_end(path: Path) -> None:
    assert told(path, call("in_progress")) == ["→ make"]


def test_several_files_of_one_edit_are_listed(path: Path) -> None:
    edit = ToolCall("1", "patch", "edit", "completed", ("a", "b"), ("a", "b"), ((3, 1), (2, 0)))
    assert told(path, edit) == ["✓ patch · +5 −1", "│ a · +3 −1", "│ b · +2 −0"]
    assert told(path.with_name("2"), ToolCall("1", "patch", "edit", "completed", ("a",), ("a",))) == [
        "✓ patch · changed"
    ]


@pytest.mark.parametrize(
    ("status", "kind", "shown"),
    [
        ("failed", "execute", SHOWN_FAILURE),
        ("failed", "read", SHOWN_FAILURE),
        ("completed", "execute", SHOWN_OUTPUT),
        ("completed", "read", 0),
    ],
)
def test_a_tool_shows_the_end_of_its_answer(path: Path, status: str, kind: str, shown: int) -> None:
    output = "\n".join(str(number) for number in range(50))
    lines = told(path, call("in_progress", kind=kind), call(status, kind=kind, output=output))
    assert lines[0] == ("✗ make · failed" if status == "failed" else "✓ make")
    assert lines[1:] == [f"│ {number}" for number in range(50 - shown, 50)]


def test_a_plan_is_told_whole_and_then_as_it_is_ticked(path: Path) -> None:
    lines = told(
        path, plan("pending", "pending"), plan("in_progress", "pending"), plan("completed", "pending")
    )
    assert lines == [
        "≡ plan, 0 of 2 done",
        "≡ · step 0",
        "≡ · step 1",
        "≡ ▸ step 0",
        "≡ ✓ step 0",
    ]


def test_only_a_refusal_of_permission_is_told(path: Path) -> None:
    yes = PermissionDecided("write x", ("x",), allowed=True, why="")
    no = PermissionDecided("write y", ("y",), allowed=False, why="it is claimed")
    assert told(path, yes, no) == ["✗ not allowed: write y (it is claimed)"]


def test_a_turn_from_its_prompt_to_its_bill(path: Path) -> None:
    record = Record(path)
    record.session("acp", ["agent", "--acp"], "s1", resumed=False)
    record.prompt("Fix it.\nAll of it.")
    record.event(ProcessStarted(7))
    record.event(QuestionAsked(Question("q", "Which one?", ("left", "right"))))
    record.answer("q", "left")
    record.told("Hurry up")
    record.event(BreakingChange("a.py", "renamed", ("b.py",), "use it"))
    record.event(UsageReported(Usage(input_tokens=10)))
    record.event(UsageReported(Usage(12_400, 1200, 0.0312, 26_000, 200_000)))
    record.event(TurnEnded("end_turn", "done"))
    lines = telling_of(lines_of(record, path))
    assert lines[:-1] == [
        "· acp opens session s1",
        "» turn 1: Fix it. (18 characters)",
        "? asks: Which one? (left / right)",
        "» answer: left",
        "» Hurry up",
        "! breaking change in a.py: renamed",
    ]
    assert lines[-1].startswith("■ turn 1 ended (end_turn) after ")
    assert lines[-1].endswith(" · 12.4k in, 1.2k out · $0.03 · context 13 % (26k of 200k)")


def test_a_program_that_fails_is_not_told_twice(path: Path) -> None:
    record = Record(path)
    record.session("command", ["sh", "-c", "echo x; exit 3"], None, resumed=False)
    record.prompt("go")
    record.event(Output("boom"))
    record.error("the program failed", "agent_error", "it exited with code 3\nboom")
    lines = telling_of(lines_of(record, path))
    assert lines[0] == "· command runs sh -c 'echo x; exit 3'"
    assert lines[2] == "  boom"
    assert lines[3].startswith("✗ turn 1 failed (agent_error) after ")
    assert lines[4:] == ["│ it exited with code 3"]


def test_a_time_is_told_once(path: Path) -> None:
    record = Record(path)
    record.event(Output("a"))
    record.event(Output("b"))
    at = "2026-01-01T10:00:00+00:00"
    telling = Telling()
    times = [
        one.time
        for line in lines_of(record, path)
        for one in telling.tell(json.dumps({**json.loads(line), "at": at}))
    ]
    assert times[0] and times[1] == ""


def test_what_a_terminal_would_obey_is_taken_out(path: Path) -> None:
    assert told(path, Output("a\x1b[2Jb\x1b]0;title\x07c\u202ed")) == ["  abcd"]
    assert told(path.with_name("2"), call("failed", output="\x1b[31mred")) == ["✗ make · failed", "│ red"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no json",
        "[]",
        "7",
        '{"v": 1, "at": "yesterday", "turn": 1, "kind": "message", "text": "x"}',
        '{"v": 1, "at": "2026-01-01T10:00:00+00:00", "turn": 1, "kind": "message"}',
        '{"v": 1, "at": "2026-01-01T10:00:00+00:00", "turn": 1, "kind": "plan", "entries": [1]}',
        '{"v": 1, "at": "2026-01-01T10:00:00+00:00", "turn": 1, "kind": "tool_call", "id": "1"}',
        '{"v": 1, "at": "2026-01-01T10:00:00+00:00", "turn": 1, "kind": "usage"}',
        '{"v": 1, "at": "2026-01-01T10:00:00+00:00", "turn": 1, "kind": "stop", "reason": "x", "seconds": "y"}',
        '{"v": 2, "at": "2026-01-01T10:00:00+00:00", "turn": 1, "kind": "something new"}',
    ],
)
def test_lines_of_another_shape_are_passed_over(line: str) -> None:
    assert list(Telling().tell(line)) == []


def test_numbers_are_told_shortly() -> None:
    assert [thousands(number) for number in (0, 950, 1000, 12_400, 200_000, 1_250_000)] == [
        "0",
        "950",
        "1k",
        "12.4k",
        "200k",
        "1.2M",
    ]
