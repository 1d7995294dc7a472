"""The ACP adapter against agents that follow the protocol badly, or only just."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mawep.adapters.process import ExitStatus, lock_is_free
from mawep.agents import acp
from mawep.agents.acp import AcpRuntime, AcpSession
from mawep.agents.base import (
    STOP_SECONDS,
    Activity,
    AgentFailed,
    BreakingChange,
    MessageText,
    Opening,
    PermissionDecided,
    ResumeUnsupported,
    Thought,
    ToolCall,
    TurnEnded,
    UsageReported,
)
from mawep.agents.detail import input_text, output_text
from mawep.clock import SystemClock
from mawep.core.model import Usage
from tests.agents.conftest import ROGUE, Stage, events, inhabitants
from tests.support.waiting import eventually


def update(**fields: Any) -> str:
    return json.dumps({"method": "session/update", "params": {"sessionId": "s", "update": fields}})


def permission(options: dict[str, str], **call: Any) -> str:
    offered = [{"optionId": key, "name": key, "kind": kind} for key, kind in options.items()]
    tool_call = {"toolCallId": "1", "title": "change it", "kind": "edit", **call}
    params = {"sessionId": "s", "toolCall": tool_call, "options": offered}
    return json.dumps({"id": 77, "method": "session/request_permission", "params": params})


ONCE = {"y": "allow_once", "n": "reject_once", "yy": "allow_always", "nn": "reject_always"}


def answered(stage: Stage) -> dict[str, Any]:
    """Our answer to the agent's request."""
    found = (f["msg"] for f in stage.frames() if f["dir"] == "out" and f["msg"].get("id") == 77)
    answer: dict[str, Any] = next(found)
    return answer


async def decided(stage: Stage, *frames: str) -> tuple[PermissionDecided, str]:
    """The decision on the last frame, and the option that was chosen or `cancelled`."""
    session = await stage.rogue(*frames)
    seen = await events(session)
    await session.close()
    outcome = answered(stage)["result"]["outcome"]
    return next(event for event in seen if isinstance(event, PermissionDecided)), outcome.get(
        "optionId", "cancelled"
    )


async def test_permission_is_given_once_rather_than_always(stage: Stage) -> None:
    decision, chosen = await decided(stage, permission(ONCE, locations=[{"path": "free.txt"}]))
    assert (decision.allowed, decision.paths, decision.why, chosen) == (True, ("free.txt",), "", "y")


async def test_a_directory_is_no_file_that_it_may_write(stage: Stage) -> None:
    places = [{"path": "."}, {"path": "free.txt"}]
    decision, _ = await decided(stage, permission(ONCE, kind="execute", locations=places))
    assert decision.paths == (".", "free.txt")
    assert decision.writes == ("free.txt",)


async def test_permission_is_given_always_when_that_is_all_there_is(stage: Stage) -> None:
    options = {"yy": "allow_always", "nn": "reject_always"}
    assert (await decided(stage, permission(options, locations=[{"path": "free.txt"}])))[1] == "yy"


async def test_permission_is_refused_always_when_that_is_all_there_is(stage: Stage) -> None:
    options = {"yy": "allow_always", "nn": "reject_always"}
    assert (await decided(stage, permission(options, locations=[{"path": "locked.txt"}])))[1] == "nn"


async def test_permission_without_a_way_to_refuse_is_cancelled(stage: Stage) -> None:
    decision, chosen = await decided(
        stage, permission({"y": "allow_once"}, locations=[{"path": "locked.txt"}])
    )
    assert (decision.allowed, chosen) == (False, "cancelled")


async def test_permission_without_a_way_to_allow_is_cancelled(stage: Stage) -> None:
    decision, chosen = await decided(
        stage, permission({"n": "reject_once"}, locations=[{"path": "free.txt"}])
    )
    assert (decision.why, chosen) == ("the agent offered no way to say yes", "cancelled")


@pytest.mark.parametrize(
    "call",
    [
        {"content": [{"type": "diff", "path": "locked.txt", "newText": "x"}]},
        {"rawInput": {"file_path": "locked.txt"}},
        {"rawInput": {"filePath": "sub/../locked.txt"}},
        {"rawInput": {"paths": ["free.txt", "locked.txt"]}},
        {"kind": "read", "content": [{"type": "diff", "path": "locked.txt", "newText": "x"}]},
        {"locations": [{"path": "link.txt"}]},
    ],
)
async def test_a_locked_path_is_found_wherever_the_agent_names_it(stage: Stage, call: dict[str, Any]) -> None:
    (stage.worktree / "link.txt").symlink_to("locked.txt")
    decision, chosen = await decided(stage, permission(ONCE, **call))
    assert (decision.why, chosen) == ("locked.txt is declared by issue 7", "n")


async def test_a_path_named_earlier_in_the_tool_call_counts(stage: Stage) -> None:
    earlier = update(sessionUpdate="tool_call", toolCallId="1", title="t", locations=[{"path": "locked.txt"}])
    assert (await decided(stage, earlier, permission(ONCE)))[1] == "n"


async def test_reading_a_locked_path_is_allowed(stage: Stage) -> None:
    assert (await decided(stage, permission(ONCE, kind="read", locations=[{"path": "locked.txt"}])))[1] == "y"


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside.txt", "out/passwd"])
async def test_a_path_outside_the_worktree_is_refused(stage: Stage, path: str) -> None:
    (stage.worktree / "out").symlink_to("/etc")
    decision, chosen = await decided(stage, permission(ONCE, locations=[{"path": path}]))
    assert decision.why.endswith("is outside the worktree")
    assert chosen == "n"


async def test_absolute_paths_are_reported_relative_to_the_worktree(stage: Stage) -> None:
    call = update(
        sessionUpdate="tool_call",
        toolCallId="1",
        title="edit",
        kind="edit",
        locations=[{"path": str(stage.worktree / "a.txt")}, {"path": "/etc/hosts"}],
        content=[{"type": "diff", "path": str(stage.worktree / "b.txt"), "newText": ""}],
    )
    done = update(sessionUpdate="tool_call_update", toolCallId="1", status="completed")
    session = await stage.rogue(call, done)
    calls = [event for event in await events(session) if isinstance(event, ToolCall)]
    await session.close()
    paths, diffs = ("a.txt", "/etc/hosts"), ("b.txt",)
    assert calls == [
        ToolCall("1", "edit", "edit", "pending", paths, diffs, ((0, 0),)),
        ToolCall("1", "edit", "edit", "completed", paths, diffs, ((0, 0),)),
    ]


async def test_what_a_tool_is_given_answers_and_changes_is_told(stage: Stage) -> None:
    call = update(
        sessionUpdate="tool_call",
        toolCallId="1",
        title="edit",
        kind="edit",
        rawInput={"file_path": "a.txt", "n": 1},
        content=[{"type": "diff", "path": "a.txt", "oldText": "1\n2\n3\n", "newText": "1\n3\n4\n5\n"}],
    )
    answer = {"type": "content", "content": {"type": "text", "text": "x" * 10_000 + "done"}}
    done = update(sessionUpdate="tool_call_update", toolCallId="1", status="completed", content=[answer])
    session = await stage.rogue(call, done)
    calls = [event for event in await events(session) if isinstance(event, ToolCall)]
    await session.close()
    assert [(call.input, call.lines, len(call.output)) for call in calls] == [
        ('{"file_path": "a.txt", "n": 1}', ((2, 1),), 0),
        ('{"file_path": "a.txt", "n": 1}', ((2, 1),), 4000),
    ]
    assert calls[-1].output.endswith("done")


async def test_a_thought_in_pieces_is_told_as_one(stage: Stage) -> None:
    def chunk(kind: str, text: str) -> str:
        return update(sessionUpdate=f"agent_{kind}_chunk", content={"type": "text", "text": text})

    session = await stage.rogue(
        chunk("thought", "to be "),
        chunk("thought", "or not"),
        chunk("message", "To be."),
        chunk("thought", "hm"),
    )
    told = [event for event in await events(session) if isinstance(event, Thought | MessageText)]
    await session.close()
    assert told == [Thought("to be or not"), MessageText("To be."), Thought("hm")]


def test_inputs_that_are_cut_stay_different() -> None:
    one, other = input_text("x" * 9999 + "1"), input_text("x" * 9999 + "2")
    assert one != other
    assert len(one) < 2100
    assert (input_text(None), output_text([], {"a": 1}), output_text(["b"], {"a": 1})) == (
        "",
        '{"a": 1}',
        "b",
    )


async def test_a_path_that_no_file_system_knows_is_refused(stage: Stage) -> None:
    decision, chosen = await decided(stage, permission(ONCE, locations=[{"path": "free.txt\0"}]))
    assert (decision.why, chosen) == ("a path with a NUL in it", "n")


async def test_permission_asked_for_after_a_cancel_is_answered_cancelled(stage: Stage) -> None:
    session = await stage.rogue("at=prompt", "do=late", permission(ONCE, locations=[{"path": "free.txt"}]))
    turn = asyncio.ensure_future(events(session))
    await eventually("the prompt is sent", lambda: "session/prompt" in stage.transcript.read_text())
    await session.cancel()
    assert await turn == [TurnEnded("cancelled", "")]
    await session.close()
    assert answered(stage)["result"]["outcome"] == {"outcome": "cancelled"}


@pytest.mark.parametrize("affects", ["everything", ["a.py", 7]])
async def test_an_announcement_of_the_wrong_shape_is_taken_for_what_it_says(
    stage: Stage, affects: Any
) -> None:
    params = {"file": "api.py", "change": None, "affects": affects}
    session = await stage.rogue(json.dumps({"method": "_mawep/breaking_change", "params": params}))
    seen = await events(session)
    await session.close()
    expected = ("a.py",) if isinstance(affects, list) else ()
    assert seen[0] == BreakingChange("api.py", "", expected, "")


async def test_usage_counts_from_the_beginning_and_is_not_added_up(stage: Stage) -> None:
    cost = {"amount": 0.5, "currency": "USD"}
    session = await stage.rogue(update(sessionUpdate="usage_update", used=10, size=100, cost=cost))
    reports = [event for _ in range(2) for event in await events(session) if isinstance(event, UsageReported)]
    await session.close()
    assert reports == [UsageReported(Usage(cost_usd=0.5, context_used=10, context_size=100))] * 2


async def test_updates_from_a_newer_protocol_are_passed_over(stage: Stage) -> None:
    session = await stage.rogue(
        update(sessionUpdate="dreams", of="sheep"),
        update(sessionUpdate="plan", entries="none"),
        update(sessionUpdate="available_commands_update", availableCommands=[]),
    )
    assert await events(session) == [Activity("other"), TurnEnded("end_turn", "")]
    await session.close()
    assert "sheep" in stage.transcript.read_text()


@pytest.mark.parametrize("method", ["fs/read_text_file", "fs/write_text_file", "_vendor/magic", "nonsense"])
async def test_what_is_not_offered_is_not_found(stage: Stage, method: str) -> None:
    params = {"sessionId": "s", "path": "/etc/passwd", "content": ""}
    notification = json.dumps({"method": "_vendor/news", "params": {}})
    session = await stage.rogue(json.dumps({"id": 77, "method": method, "params": params}), notification)
    assert await events(session) == [TurnEnded("end_turn", "")]
    await session.close()
    assert answered(stage)["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("at", "do", "message", "cause"),
    [
        ("initialize", "version", "speaks version 7", ""),
        ("initialize", "error", "did not open a session", "it said: log in first"),
        ("initialize", "die", "did not open a session", "it exited with code 9"),
        ("new", "number", "did not open a session", "not a protocol frame: '42'"),
        ("prompt", "number", "middle of a turn", "not a protocol frame: '42'"),
        ("prompt", "partial", "middle of a turn", "it exited with code 3; it ended in the middle of a frame"),
        ("prompt", "closed", "middle of a turn", "it closed its output"),
        ("prompt", "huge", "middle of a turn", "a frame of more than 50 MiB"),
        ("prompt", "nonsense", "middle of a turn", "does not follow the protocol"),
        ("prompt", "error", "middle of a turn", "it said: log in first"),
    ],
)
async def test_a_broken_agent_fails_with_the_cause_within_five_seconds(
    stage: Stage, at: str, do: str, message: str, cause: str
) -> None:
    began = time.monotonic()
    with pytest.raises(AgentFailed, match=message) as failed:
        session = await stage.rogue(f"at={at}", f"do={do}")
        try:
            await events(session)
        finally:
            await session.close()
    assert time.monotonic() - began < 2 * STOP_SECONDS  # a busy machine is allowed for
    assert cause in failed.value.cause
    assert inhabitants(stage.worktree) == []
    assert lock_is_free(stage.root / "run" / "lock")


@pytest.mark.parametrize(
    ("crash", "cause"), [(3, "it exited with code 3"), ("kill", "it was ended by SIGKILL")]
)
async def test_how_an_agent_ended_is_said_however_late_it_is_known(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, crash: int | str, cause: str
) -> None:
    monkeypatch.setattr(acp, "DYING_SECONDS", 0.2)
    session = await stage.scripted({"crash": crash})
    assert isinstance(session, AcpSession)
    shim = int(Path(f"/proc/{session.pid}/stat").read_text().rpartition(")")[2].split()[1])
    kill = session._process.kill

    async def kill_and_look() -> ExitStatus:
        killing = asyncio.ensure_future(kill())
        await asyncio.sleep(0)
        os.kill(shim, signal.SIGCONT)
        return await killing

    monkeypatch.setattr(session._process, "kill", kill_and_look)
    os.kill(shim, signal.SIGSTOP)
    try:
        with pytest.raises(AgentFailed) as failed:
            await events(session)
    finally:
        with suppress(ProcessLookupError):
            os.kill(shim, signal.SIGCONT)
        await session.close()
    assert failed.value.cause == cause


async def test_the_last_twenty_lines_of_stderr_come_with_the_failure(stage: Stage) -> None:
    session = await stage.rogue("at=prompt", "do=die")
    with pytest.raises(AgentFailed) as failed:
        await events(session)
    await session.close()
    assert failed.value.detail.splitlines() == [f"last words {line}" for line in range(80, 100)]
    log = (stage.root / "run" / "stderr.jsonl").read_text().splitlines()
    assert [json.loads(line)["msg"] for line in log] == [f"last words {line}" for line in range(100)]


async def test_an_agent_that_never_opens_a_session_is_given_up(stage: Stage) -> None:
    launch = stage.launch(sys.executable, "-I", "-S", str(ROGUE), "at=initialize", "do=hang")
    with pytest.raises(AgentFailed, match=r"did not open a session within 0\.2 s"):
        await AcpRuntime(handshake_seconds=0.2).open(launch, stage.supervisor, stage.policy, resume=None)
    assert inhabitants(stage.worktree) == []


async def test_a_program_that_is_not_an_agent_fails(stage: Stage) -> None:
    for program in ("true", "cat", "no-such-program-anywhere"):
        with pytest.raises(AgentFailed):
            await AcpRuntime(handshake_seconds=0.5).open(
                stage.launch(program), stage.supervisor, stage.policy, resume=None
            )


async def test_an_agent_without_load_session_cannot_be_resumed(stage: Stage) -> None:
    with pytest.raises(ResumeUnsupported, match="cannot continue a session") as refused:
        await stage.rogue(resume="s")
    assert refused.value.cause == "it offers neither loadSession nor resume"


async def test_an_agent_that_does_not_even_read_its_prompt_is_killed_by_a_cancel(stage: Stage) -> None:
    session = await stage.rogue("at=new", "do=doze")
    turn = asyncio.ensure_future(events(session, "x" * 2_000_000))
    await eventually("the prompt is on its way", lambda: "xxx" in stage.transcript.read_text())
    began = time.monotonic()
    await session.cancel()
    assert time.monotonic() - began < 2 * STOP_SECONDS  # a busy machine is allowed for
    assert await turn == [TurnEnded("cancelled", "")]
    assert inhabitants(stage.worktree) == []
    await session.close()


async def test_a_turn_cancelled_before_it_was_sent_is_never_sent(stage: Stage) -> None:
    session = await stage.rogue()
    seen, _ = await asyncio.gather(events(session), session.cancel())
    assert seen == [TurnEnded("cancelled", "")]
    assert "session/prompt" not in stage.transcript.read_text()
    await session.close()


async def test_the_agent_has_only_the_environment_it_was_given(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_SECRET", "hush")
    session = await stage.rogue()
    environment = Path(f"/proc/{session.pid}/environ").read_bytes()
    await session.close()
    assert b"ORCHESTRATOR_SECRET" not in environment
    assert os.environ["HOME"].encode() in environment


async def test_an_agent_that_opens_slowly_lives_as_long_as_its_lease_is_renewed(stage: Stage) -> None:
    opening = Opening()
    launch = stage.launch(
        sys.executable,
        "-I",
        "-S",
        str(ROGUE),
        "at=initialize",
        "do=hang",
        deadline=SystemClock().boottime() + 4,
    )
    runtime = AcpRuntime(handshake_seconds=4.5)
    task = asyncio.ensure_future(
        runtime.open(replace(launch, opening=opening), stage.supervisor, stage.policy, resume=None)
    )
    await eventually("it runs", lambda: inhabitants(stage.worktree))
    opening.extend(SystemClock().boottime() + 60)
    with pytest.raises(AgentFailed, match=r"did not open a session within 4\.5 s"):  # not: its lease ran out
        await task
