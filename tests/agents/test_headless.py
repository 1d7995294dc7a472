"""CLIs that print JSON lines: recorded lines become events, and a session goes on in new processes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mawep.adapters.process import lock_is_free
from mawep.agents.base import (
    STOP_SECONDS,
    Activity,
    AgentEvent,
    AgentFailed,
    AgentSession,
    MessageText,
    ModelEndpoint,
    Output,
    PlanChanged,
    ProcessStarted,
    ProviderLimited,
    ResumeUnsupported,
    Thought,
    ToolCall,
    ToolEndpoint,
    TurnEnded,
    UsageReported,
)
from mawep.agents.registry import RUNTIMES
from mawep.core.model import PlanEntry, Usage
from mawep.errors import UsageError
from tests.agents.conftest import Stage, events, inhabitants
from tests.agents.stub_cli import Bin
from tests.support.waiting import eventually

CLAUDE, CODEX = "claude-code-headless", "codex-headless"
PROGRAM = {CLAUDE: "claude", CODEX: "codex"}
ID = "b4715069-ae3f-48cc-a9ab-69be355ed074"


def said(*blocks: Mapping[str, Any], own: bool = True, **usage: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": list(blocks), "usage": usage}
    return {
        "type": "assistant", "message": message, "session_id": ID, "parent_tool_use_id": None if own else "t0"
    }  # fmt: skip


def uses(name: str, call: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call, "name": name, "input": given}


def result_of(call: str, content: object = "", *, error: bool = False, **more: Any) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": call, "content": content, "is_error": error}
    return {"type": "user", "message": {"content": [block]}, "session_id": ID, **more}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


INIT = {"type": "system", "subtype": "init", "session_id": ID, "tools": [], "model": "m"}


def result(**more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 30}
    return {
        "type": "result", "subtype": "success", "is_error": False, "stop_reason": "end_turn", "session_id": ID,
        "result": "All done.", "total_cost_usd": 0.25, "usage": usage, **more
    }  # fmt: skip


THREAD = {"type": "thread.started", "thread_id": ID}
COMPLETED = {
    "type": "turn.completed",
    "usage": {"input_tokens": 4400, "cached_input_tokens": 400, "output_tokens": 110},
}


def item(kind: str, over: bool = True, **fields: Any) -> dict[str, Any]:
    return {
        "type": "item.completed" if over else "item.started",
        "item": {"id": "i1", "type": kind, **fields},
    }


PLAYS = {
    CLAUDE: [INIT, said(text("All done.")), result()],
    CODEX: [THREAD, {"type": "turn.started"}, item("agent_message", text="All done."), COMPLETED],
}


@pytest.fixture
def bin_(stage: Stage) -> Bin:
    return Bin(stage.root)


async def opened(
    stage: Stage, bin_: Bin, runtime: str, resume: str | None = None, **more: Any
) -> AgentSession:
    env = {"PATH": bin_.search_path, "HOME": str(stage.root / "home"), "OPENAI_API_KEY": "k"}
    launch = replace(stage.launch(env=env), **more)
    return await RUNTIMES[runtime]().open(launch, stage.supervisor, stage.policy, resume=resume)


async def played(stage: Stage, bin_: Bin, runtime: str, *lines: Mapping[str, Any] | str) -> list[AgentEvent]:
    """The events of one turn in which the program prints these lines."""
    bin_.prints(PROGRAM[runtime], lines)
    session = await opened(stage, bin_, runtime)
    try:
        return await events(session)
    finally:
        await session.close()


@pytest.mark.parametrize("runtime", PLAYS)
async def test_a_turn_begins_with_a_process_and_ends_with_what_was_said(
    stage: Stage, bin_: Bin, runtime: str
) -> None:
    bin_.prints(PROGRAM[runtime], PLAYS[runtime])
    session = await opened(stage, bin_, runtime)
    assert (session.session_id, session.loadable, session.pid) == (None, False, 0)
    seen = []
    async for event in session.prompt("do it"):
        if isinstance(event, ProcessStarted):
            assert session.session_id == ID  # it has its name by then
        seen.append(event)
    assert isinstance(seen[0], ProcessStarted)
    assert seen[-1] == TurnEnded("end_turn", "All done.")
    assert session.loadable
    assert await session.say("by the way") is False
    with pytest.raises(UsageError):
        await session.answer("q", "yes")
    await session.close()
    assert bin_.starts(PROGRAM[runtime])[0]["stdin"] == "do it"


@pytest.mark.parametrize("runtime", PLAYS)
async def test_the_next_turn_continues_the_conversation_in_a_new_process(
    stage: Stage, bin_: Bin, runtime: str
) -> None:
    bin_.prints(PROGRAM[runtime], PLAYS[runtime])
    session = await opened(stage, bin_, runtime)
    await events(session, "first")
    await events(session, "second")
    await session.close()
    first, second = bin_.starts(PROGRAM[runtime])
    assert ID not in first["argv"]
    assert ID in second["argv"]
    assert second["stdin"] == "second"
    assert "resume" in second["argv"] or "--resume" in second["argv"]


async def test_claude_counts_a_turn_and_codex_a_session(stage: Stage, bin_: Bin) -> None:
    totals = {}
    for runtime in PLAYS:
        bin_.prints(PROGRAM[runtime], PLAYS[runtime])
        session = await opened(stage, bin_, runtime)
        await events(session)
        reports = [event.usage for event in await events(session) if isinstance(event, UsageReported)]
        totals[runtime] = reports[-1]
        await session.close()
    assert totals == {
        CLAUDE: Usage(input_tokens=2000, output_tokens=60, cost_usd=0.25),
        CODEX: Usage(input_tokens=4400, output_tokens=110),
    }


async def test_what_claude_prints_becomes_events(stage: Stage, bin_: Bin) -> None:
    path = str(stage.worktree / "a.txt")
    patch = {"type": "thinking", "thinking": "Let me see."}
    seen = await played(
        stage,
        bin_,
        CLAUDE,
        INIT,
        said(patch, text("I write."), input_tokens=10, cache_read_input_tokens=90),
        said(uses("Write", "t1", file_path=path, content="one\ntwo\n")),
        result_of("t1", "File created"),
        said(uses("Bash", "t2", command="make")),
        result_of("t2", [{"type": "text", "text": "no rule"}], error=True),
        said(text("I am a helper"), own=False, input_tokens=5),
        {"type": "stream_event", "event": {}},
        result(),
    )
    wrote = ToolCall(
        "t1", "Write a.txt", "edit", "in_progress", ("a.txt",), ("a.txt",), ((2, 0),),
        json.dumps({"file_path": path, "content": "one\ntwo\n"})
    )  # fmt: skip
    ran = ToolCall("t2", "make", "execute", "in_progress", input='{"command": "make"}')
    assert seen == [
        Thought("Let me see."),
        MessageText("I write."),
        UsageReported(Usage(context_used=100)),
        wrote,
        replace(wrote, status="completed", output="File created"),
        ran,
        replace(ran, status="failed", output="no rule"),
        MessageText("I am a helper"),
        UsageReported(Usage(1000, 30, 0.25, 100)),
        TurnEnded("end_turn", "All done."),
    ]


async def test_the_plan_of_claude_is_put_together_from_its_tasks(stage: Stage, bin_: Bin) -> None:
    seen = await played(
        stage,
        bin_,
        CLAUDE,
        INIT,
        said(uses("TaskCreate", "t1", subject="a")),
        result_of("t1", tool_use_result={"task": {"id": "1", "subject": "a"}}),
        said(uses("TaskCreate", "t2", subject="b")),
        result_of("t2", tool_use_result={"task": {"id": "2", "subject": "b"}}),
        said(uses("TaskUpdate", "t3", taskId="1", status="completed")),
        said(uses("TaskUpdate", "t4", taskId="2", status="deleted")),
        said(uses("TodoWrite", "t5", todos=[{"content": "c", "status": "in_progress"}])),
        result(),
    )
    plans = [
        [(entry.content, entry.status) for entry in event.entries]
        for event in seen
        if isinstance(event, PlanChanged)
    ]
    assert plans == [
        [("a", "pending")],
        [("a", "pending"), ("b", "pending")],
        [("a", "completed"), ("b", "pending")],
        [("a", "completed")],
        [("c", "in_progress")],
    ]


async def test_what_codex_prints_becomes_events(stage: Stage, bin_: Bin) -> None:
    path = str(stage.worktree / "a.txt")
    change = {"changes": [{"path": path, "kind": "add"}]}
    seen = await played(
        stage,
        bin_,
        CODEX,
        THREAD,
        item("reasoning", text="Let me see."),
        item("agent_message", text="I write."),
        item("file_change", over=False, **change, status="in_progress"),
        item("file_change", **change, status="completed"),
        item("command_execution", command="make", aggregated_output="no rule", exit_code=2, status="failed"),
        item("todo_list", items=[{"text": "a", "completed": True}, {"text": "b", "completed": False}]),
        item("web_search", query="how"),
        item("something_new"),
        COMPLETED,
    )
    wrote = ToolCall(
        "i1", "edit a.txt", "edit", "in_progress", ("a.txt",), ("a.txt",), (), json.dumps(change["changes"])
    )
    assert seen == [
        Thought("Let me see."),
        MessageText("I write."),
        wrote,
        replace(wrote, status="completed"),
        ToolCall("i1", "make", "execute", "failed", input="make", output="no rule"),
        PlanChanged((PlanEntry("a", "completed"), PlanEntry("b"))),
        ToolCall("i1", "search the web: how", "fetch", "in_progress", input="how"),
        Activity("other"),
        UsageReported(Usage(4400, 110)),
        TurnEnded("end_turn", "I write."),
    ]


@pytest.mark.parametrize("runtime", PLAYS)
async def test_what_is_no_json_is_shown_and_does_no_harm(stage: Stage, bin_: Bin, runtime: str) -> None:
    odd = [{"type": "assistant", "message": 7}, {"type": "item.completed", "item": None}, {"type": 5}, {}]
    seen = await played(stage, bin_, runtime, "Warning: old node", "[1]", *odd, *PLAYS[runtime])
    assert [event.line for event in seen if isinstance(event, Output)] == ["Warning: old node", "[1]"]
    assert seen[-1] == TurnEnded("end_turn", "All done.")


FAILURES: list[tuple[str, list[dict[str, Any]], str]] = [
    (CLAUDE, [INIT, result(is_error=True, subtype="error_during", errors=["no such session"])], "it said: no such"),
    (CLAUDE, [INIT, result(is_error=True, result="Invalid API key · Please run /login")], "it said: Invalid API key"),
    (CLAUDE, [INIT], "it ended without saying that its turn is over"),
    (CODEX, [THREAD, {"type": "turn.failed", "error": {"message": "stream closed"}}], "it said: stream closed"),
    (CODEX, [THREAD, {"type": "error", "message": "unauthorized"}], "it said: unauthorized"),
    (CODEX, [], "it ended without saying that its turn is over"),
]  # fmt: skip


@pytest.mark.parametrize(("runtime", "lines", "cause"), FAILURES)
async def test_a_turn_that_fails_says_why(
    stage: Stage, bin_: Bin, runtime: str, lines: list[dict[str, Any]], cause: str
) -> None:
    with pytest.raises(AgentFailed) as failed:
        await played(stage, bin_, runtime, *lines)
    assert failed.value.cause.startswith(cause)
    assert not isinstance(failed.value, ProviderLimited)


async def test_an_error_that_it_gets_over_is_none(stage: Stage, bin_: Bin) -> None:
    again = {"type": "error", "message": "Reconnecting... 1/5 (429 Too Many Requests)"}
    seen = await played(stage, bin_, CODEX, THREAD, again, *PLAYS[CODEX])
    assert seen[-1] == TurnEnded("end_turn", "All done.")


LIMITS = [
    (CLAUDE, [INIT, result(is_error=True, result="Claude AI usage limit reached|4102444800")]),
    (CLAUDE, [INIT, said(text("x")), result(result="You've hit your session limit · resets 3pm (UTC)")]),
    (CODEX, [THREAD, {"type": "turn.failed", "error": {"message": "You've hit your usage limit."}}]),
    (CODEX, [THREAD, {"type": "error", "message": "exceeded retry limit, last status: 429 Too Many Requests"}]),
]  # fmt: skip


@pytest.mark.parametrize(("runtime", "lines"), LIMITS)
async def test_a_limit_of_the_provider_is_no_failure_of_the_agent(
    stage: Stage, bin_: Bin, runtime: str, lines: list[dict[str, Any]]
) -> None:
    with pytest.raises(ProviderLimited):
        await played(stage, bin_, runtime, *lines)


async def test_a_program_that_fails_tells_its_last_words(stage: Stage, bin_: Bin) -> None:
    bin_.prints("codex", [], code=3, said="no rollout found")
    session = await opened(stage, bin_, CODEX)
    with pytest.raises(AgentFailed) as failed:
        await events(session)
    await session.close()
    assert (failed.value.cause, failed.value.detail) == ("it exited with code 3", "no rollout found")


@pytest.mark.parametrize(
    ("more", "stop"),
    [({"stop_reason": "refusal"}, "refusal"), ({"subtype": "error_max_turns"}, "max_turn_requests")],
)
async def test_a_turn_that_claude_stops_early_says_how(
    stage: Stage, bin_: Bin, more: dict[str, Any], stop: str
) -> None:
    seen = await played(stage, bin_, CLAUDE, INIT, result(**more))
    assert seen[-1] == TurnEnded(stop, "All done.")  # type: ignore[arg-type]


@pytest.mark.parametrize(("runtime", "line"), [(CLAUDE, INIT), (CODEX, THREAD)])
async def test_a_cancel_ends_the_program(stage: Stage, bin_: Bin, runtime: str, line: dict[str, Any]) -> None:
    bin_.hangs(PROGRAM[runtime], line)
    session = await opened(stage, bin_, runtime)
    turn = asyncio.ensure_future(events(session))
    await eventually("it has a name", lambda: session.session_id)
    began = time.monotonic()
    await session.cancel()
    assert time.monotonic() - began < 2 * STOP_SECONDS  # a busy machine is allowed for
    assert (await turn)[-1] == TurnEnded("cancelled", "")
    await session.close()
    assert inhabitants(stage.worktree) == []
    assert lock_is_free(stage.root / "run" / "lock")


# --- continuing after MAWEP


@pytest.mark.parametrize(
    ("runtime", "place"),
    [
        (CLAUDE, f".claude/projects/-tmp-x/{ID}.jsonl"),
        (CODEX, f".codex/sessions/2026/11/22/rollout-2026-{ID}.jsonl"),
    ],
)
async def test_a_conversation_that_is_kept_is_continued(
    stage: Stage, bin_: Bin, runtime: str, place: str
) -> None:
    path = stage.root / "home" / place
    path.parent.mkdir(parents=True)
    path.touch()
    bin_.prints(PROGRAM[runtime], PLAYS[runtime])
    session = await opened(stage, bin_, runtime, resume=ID)
    assert session.loadable
    await events(session)
    await session.close()
    assert ID in bin_.starts(PROGRAM[runtime])[0]["argv"]


@pytest.mark.parametrize("runtime", PLAYS)
@pytest.mark.parametrize("name", [ID, "../../etc/passwd", "*", "--help"])
async def test_one_that_is_not_kept_is_lost(stage: Stage, bin_: Bin, runtime: str, name: str) -> None:
    with pytest.raises(ResumeUnsupported):
        await opened(stage, bin_, runtime, resume=name)


async def test_a_name_that_could_be_an_option_is_not_taken(stage: Stage, bin_: Bin) -> None:
    lines = [{**THREAD, "thread_id": "--dangerous"}, COMPLETED]
    bin_.prints("codex", lines)
    session = await opened(stage, bin_, CODEX)
    await events(session)
    assert session.session_id is None
    await session.close()


# --- what it is told


@pytest.mark.parametrize("runtime", PLAYS)
async def test_its_tools_and_keys_are_on_no_command_line(stage: Stage, bin_: Bin, runtime: str) -> None:
    tools = ToolEndpoint(("python3", "relay.py"), {"MAWEP_TOOLS_TOKEN": "token-of-tools"})
    model = ModelEndpoint("http://127.0.0.1:9", "token-of-model")
    bin_.prints(PROGRAM[runtime], PLAYS[runtime])
    session = await opened(
        stage, bin_, runtime, tools=tools, model=model, home=stage.root / "home", model_name="m"
    )
    await events(session)
    await session.close()
    (start,) = bin_.starts(PROGRAM[runtime])
    assert "token-of" not in " ".join(start["argv"])
    assert "token-of-model" in start["env"].values()
    assert "k" not in start["env"].values()
    if runtime == CLAUDE:
        config = json.loads((stage.root / "home" / "mawep-claude-tools.json").read_text())
        assert config["mcpServers"]["mawep"]["env"] == dict(tools.env)
    else:
        assert 'mcp_servers.mawep.env_vars=["MAWEP_TOOLS_TOKEN"]' in start["argv"]
        assert start["env"]["MAWEP_TOOLS_TOKEN"] == "token-of-tools"
        assert 'model="m"' in start["argv"]
