"""A transcript is told line by line, and nothing that an agent writes can break the telling or the terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mawep.cli.transcripts import SHOWN_OUTPUT, Telling

AT = "2026-01-01T10:00:00.000+00:00"


def told(*messages: tuple[str, Any]) -> list[str]:
    """What is said about these frames, without the time."""
    telling = Telling()
    lines = [
        line
        for way, message in messages
        for line in telling.tell(json.dumps({"at": AT, "dir": way, "msg": message}))
    ]
    return [line.partition(" ")[2] for line in (*lines, *telling.rest())]


def update(what: str, **fields: Any) -> tuple[str, Any]:
    return "in", {"method": "session/update", "params": {"update": {"sessionUpdate": what, **fields}}}


def said(text: str) -> tuple[str, Any]:
    return update("agent_message_chunk", content={"type": "text", "text": text})


def test_what_is_said_in_pieces_is_told_in_lines() -> None:
    assert told(said("one "), said("line\nand a"), said("nother")) == ["  one line", "  and another"]


def test_speech_is_told_before_what_is_done_next() -> None:
    call = update("tool_call", toolCallId="1", title="write a.txt", kind="edit", status="pending")
    assert told(said("now"), call, said("done")) == ["  now", "→ write a.txt", "  done"]


def test_a_tool_shows_the_end_of_its_output_and_its_failure() -> None:
    output = "\n".join(str(number) for number in range(50))
    content = [{"type": "content", "content": {"type": "text", "text": output}}]
    lines = told(
        update("tool_call", toolCallId="1", title="make", status="in_progress"),
        update("tool_call_update", toolCallId="1", status="failed", content=content),
    )
    assert lines[:2] == ["→ make", "✗ failed: make"]
    assert len(lines) == 2 + SHOWN_OUTPUT
    assert lines[-1] == "│ 49"


def test_only_a_refusal_of_permission_is_told() -> None:
    asked = {"id": 7, "method": "session/request_permission", "params": {"toolCall": {"title": "write x"}}}
    yes = {"id": 7, "result": {"outcome": {"outcome": "selected", "optionId": "yes"}}}
    no = {"id": 7, "result": {"outcome": {"outcome": "cancelled"}}}
    assert told(("in", asked), ("out", yes)) == []
    assert told(("in", asked), ("out", no)) == ["✗ not allowed: write x"]


def test_a_program_and_how_it_ended() -> None:
    frames = (
        ("out", {"command": ["sh", "-c", "x"], "stdin": "long"}),
        ("in", "hello"),
        ("mawep", {"exit": {"code": None, "signal": 9}}),
        ("mawep", "the transcript has reached its limit and ends here"),
    )
    assert told(*frames) == [
        "$ sh -c x",
        "  hello",
        "■ signal 9",
        "! the transcript has reached its limit and ends here",
    ]


def test_what_a_terminal_would_obey_is_taken_out() -> None:
    (line,) = told(("in", "a\x1b[2Jb\x1b]0;title\x07c\u202ed"))
    assert line == "  abcd"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no json",
        "[]",
        '{"at": "yesterday", "dir": "in", "msg": "x"}',
        json.dumps({"at": AT, "dir": "in", "msg": None}),
        json.dumps({"at": AT, "dir": "in", "msg": 7}),
        json.dumps({"at": AT, "dir": "in", "msg": {"method": "session/update"}}),
        json.dumps({"at": AT, "dir": "in", "msg": {"method": "session/update", "params": {"update": []}}}),
        json.dumps({"at": AT, "dir": "in", "msg": {"method": "session/prompt", "params": None}}),
        json.dumps({"at": AT, "dir": "in", "msg": {"result": "text"}}),
        json.dumps(
            {
                "at": AT,
                "dir": "in",
                "msg": {"method": "session/update", "params": {"update": {"sessionUpdate": "new"}}},
            }
        ),
    ],
)
def test_frames_of_another_shape_are_passed_over(line: str) -> None:
    assert list(Telling().tell(line)) == []
