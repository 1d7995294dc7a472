"""One form for every runtime: the same kinds of lines, whoever did the work."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mawep.agents.base import (
    Activity,
    AgentFailed,
    MessageText,
    Output,
    PlanChanged,
    ProgressClaimed,
    ToolCall,
    TurnEnded,
)
from mawep.agents.record import MOST_PATHS, TEXT_LIMIT, VERSION, Record
from mawep.agents.recorded import RecordedSession, open_recorded
from mawep.agents.registry import RUNTIMES
from mawep.core.model import PlanEntry
from tests.agents.conftest import Stage, events
from tests.support.waiting import eventually

PAGE = Path(__file__).parents[2] / "docs" / "transcripts.md"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def kinds(path: Path) -> list[str]:
    return [line["kind"] for line in read(path)]


async def opened(stage: Stage, name: str, launch: Any, resume: str | None = None) -> RecordedSession:
    return await open_recorded(RUNTIMES[name](), launch, stage.supervisor, stage.policy, resume=resume)


async def test_a_turn_over_the_protocol(stage: Stage) -> None:
    launch = stage.script(
        [
            {"plan": ["Look", "Write"]},
            {"think": "hm"},
            {"say": "Let me."},
            {"write": {"path": "new.txt", "text": "1\n2\n"}},
            {"write": {"path": "locked.txt", "text": "1\n"}},
            {"run": "echo out; exit 4"},
            {"usage": {"input": 100, "output": 20, "cost_usd": 0.25}},
        ]
    )
    session = await opened(stage, "scripted", launch)
    await events(session)
    await session.close()
    lines = read(launch.transcript)
    assert {line["v"] for line in lines} == {VERSION}
    assert {line["turn"] for line in lines} == {0, 1}
    seen = [line["kind"] for line in lines]
    assert seen[:3] == ["session", "prompt", "process"]
    assert seen[-2:] == ["usage", "stop"]
    assert {"plan", "thought", "message", "tool_call", "tool_update", "permission"} <= set(seen)
    written = next(line for line in lines if line["kind"] == "tool_update")
    assert written["changes"] == [{"path": "new.txt", "added": 2, "removed": 0}]
    assert written["status"] == "completed"
    assert written["seconds"] >= 0
    refused = [line for line in lines if line["kind"] == "permission" and not line["allowed"]]
    assert [line["paths"] for line in refused] == [["locked.txt"]]
    ran = [line for line in lines if line.get("tool") == "execute"]
    assert [line["status"] for line in ran] == ["in_progress", "failed"]
    assert ran[0]["input"] == '{"command": "echo out; exit 4"}'
    assert ran[1]["output"] == "out\n"
    assert next(line for line in lines if line["kind"] == "usage")["cost_usd"] == 0.25
    assert launch.transcript.stat().st_mode & 0o777 == 0o600


async def test_turns_of_a_program_are_counted_over_its_processes(stage: Stage) -> None:
    launch = stage.launch("sh", "-c", "echo one; exit ${CODE:-0}")
    session = await opened(stage, "command", launch)
    await events(session)
    await events(session, "again")
    await session.close()
    later = await opened(stage, "command", stage.launch("sh", "-c", "exit 3"), resume="again")
    with pytest.raises(AgentFailed):
        await events(later)
    await later.close()
    turn = ["prompt", "process", "output", "stop"]
    assert kinds(launch.transcript) == ["session", *turn, *turn, "session", "prompt", "process", "error"]
    assert [line["turn"] for line in read(launch.transcript) if line["kind"] == "prompt"] == [1, 2, 3]


async def test_questions_answers_and_messages(stage: Stage) -> None:
    launch = stage.script([{"ask": {"text": "Which?", "options": ["a", "b"]}}, {"say": "thanks"}])
    session = await opened(stage, "scripted", launch)
    async for event in session.prompt("go"):
        if type(event).__name__ == "QuestionAsked":
            await session.answer(event.question.id, "b")  # type: ignore[union-attr]
    await session.close()
    lines = read(launch.transcript)
    asked = next(line for line in lines if line["kind"] == "question")
    answered = next(line for line in lines if line["kind"] == "answer")
    assert (asked["text"], asked["options"], answered["text"]) == ("Which?", ["a", "b"], "b")
    assert asked["id"] == answered["id"]


async def test_a_turn_that_is_given_up_says_why(stage: Stage) -> None:
    launch = stage.script([{"say": "hm"}, {"hang": True}])
    session = await opened(stage, "scripted", launch)
    async for event in session.prompt("go"):
        if isinstance(event, MessageText | Activity):
            break
    session.failed(AgentFailed("no sign of life", detail="nothing"))
    session.failed(AgentFailed("told twice"))
    await session.close()
    last = read(launch.transcript)[-1]
    assert (last["kind"], last["what"], last["text"]) == ("error", "no sign of life", "nothing")


async def test_a_turn_that_is_broken_off_says_so(stage: Stage) -> None:
    launch = stage.script([{"say": "hm"}, {"hang": True}])
    session = await opened(stage, "scripted", launch)
    async for _ in session.prompt("go"):
        break
    await session.close()
    await eventually("it is written", lambda: "note" in kinds(launch.transcript))


async def test_what_it_says_by_a_tool_is_on_record_and_without_secrets(stage: Stage) -> None:
    launch = replace(stage.launch("true"), secrets=("correct horse",))
    session = await opened(stage, "command", launch)
    heard = session.heard(ProgressClaimed("half of correct horse", 50.0))
    session.answered("q", "yes, correct horse")
    await session.close()
    assert heard == ProgressClaimed("half of [redacted]", 50.0)
    said, answer = read(launch.transcript)[-2:]
    assert (said["kind"], said["percent"], said["text"]) == ("progress", 50.0, "half of [redacted]")
    assert (answer["kind"], answer["text"]) == ("answer", "yes, [redacted]")


def test_texts_lists_and_the_file_are_bounded(tmp_path: Path) -> None:
    record = Record(tmp_path / "t", limit=150_000)
    record.event(Output("x" * 10**6))
    record.event(PlanChanged(tuple(PlanEntry("x" * 5000) for _ in range(1000))))
    for number in range(100):
        record.event(MessageText(f"{number}" * 5000))
    record.close()
    record.event(Output("after the end"))
    lines = read(tmp_path / "t")
    assert (len(lines[0]["text"]), lines[0]["characters"]) == (TEXT_LIMIT, 10**6)
    assert (tmp_path / "t").stat().st_size < 400_000
    assert len(lines[1].get("entries", [])) in (0, MOST_PATHS)
    assert lines[-1]["text"] == "the transcript has reached its limit and ends here"


def test_a_tool_call_says_only_what_is_new(tmp_path: Path) -> None:
    record = Record(tmp_path / "t")
    begun = ToolCall("1", "run", "execute", "in_progress", input="{}")
    for output in ("a", "ab", "abc"):  # an answer that grows
        record.event(ToolCall("1", "run", "execute", "in_progress", input="{}", output=output))
    record.event(begun)
    record.event(ToolCall("1", "run it", "execute", "completed", input='{"x": 1}', output="abc"))
    record.event(ToolCall("1", "run it", "execute", "completed", input='{"x": 1}', output="abc"))
    record.event(TurnEnded("end_turn", ""))
    record.close()
    lines = read(tmp_path / "t")
    assert [line["kind"] for line in lines] == ["tool_call", "tool_update", "stop"]
    assert (lines[1]["input"], lines[1]["output"]) == ('{"x": 1}', "abc")


def test_text_that_no_encoding_takes(tmp_path: Path) -> None:
    record = Record(tmp_path / "t")
    record.event(Output("\ud800 and ü"))
    record.close()
    assert read(tmp_path / "t")[0]["text"] == "? and ü"


def test_every_kind_is_documented() -> None:
    source = (Path(__file__).parents[2] / "src" / "mawep" / "agents" / "record.py").read_text()
    used = set(re.findall(r'_write\(\s*"(\w+)"', source))
    assert used == set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE))
