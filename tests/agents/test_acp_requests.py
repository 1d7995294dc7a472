"""What an ACP agent asks of us: leave, files, terminals. A scripted agent asks, whatever real ones do."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import pytest

from mawep.agents.base import (
    AgentEvent,
    AgentFailed,
    PermissionDecided,
    PlanChanged,
    QuestionAsked,
    ResumeUnsupported,
    ToolEndpoint,
    TurnEnded,
)
from mawep.agents.options import Permissions, Rule
from mawep.agents.quirks import Manners
from mawep.core.model import PlanEntry
from tests.agents.conftest import Stage, events, inhabitants
from tests.agents.test_acp import ONCE, answered, permission, update
from tests.support.waiting import eventually

SERVED = Manners(files=True, terminals=True)


def request(method: str, **params: Any) -> str:
    return json.dumps({"id": 77, "method": method, "params": {"sessionId": "s", **params}})


async def asks(stage: Stage, frame: str, manners: Manners = SERVED, **options: Any) -> dict[str, Any]:
    """What the agent is answered to one request."""
    session = await stage.rogue(frame, manners=manners, **options)
    await events(session)
    await session.close()
    return answered(stage)


# --- leave

BY_RULE = [
    (Permissions("deny"), "execute", (), False),
    (Permissions("deny", (Rule("allow", "execute"),)), "execute", (), True),
    (Permissions("allow", (Rule("deny", "execute"),)), "execute", (), False),
    (Permissions("allow", (Rule("deny", path="docs/**"),)), "edit", ("docs/a.md",), False),
    (Permissions("allow", (Rule("deny", path="docs/**"),)), "edit", ("src/a.py", "docs/a.md"), False),
    (Permissions("allow", (Rule("deny", path="docs/**"),)), "edit", ("src/a.py",), True),
    (Permissions("allow", (Rule("deny", path="docs/**"),)), "execute", (), True),
    (
        Permissions("deny", (Rule("allow", "edit", "docs/**"), Rule("deny", "edit", "docs/a.md"))),
        "edit",
        ("docs/a.md",),
        True,
    ),
    (Permissions("allow", (Rule("deny", "read"),)), "read", ("src/a.py",), False),
]


@pytest.mark.parametrize(("permissions", "kind", "paths", "allowed"), BY_RULE)
async def test_the_first_rule_that_fits_decides(
    stage: Stage, permissions: Permissions, kind: str, paths: tuple[str, ...], allowed: bool
) -> None:
    frame = permission(ONCE, kind=kind, locations=[{"path": path} for path in paths])
    said = await asks(stage, frame, Manners(), permissions=permissions)
    assert said["result"]["outcome"]["optionId"] == ("y" if allowed else "n")


async def test_what_others_claimed_is_refused_whatever_a_rule_allows(stage: Stage) -> None:
    frame = permission(ONCE, kind="edit", locations=[{"path": "locked.txt"}])
    allowing = Permissions("allow", (Rule("allow", "edit", "**"),))
    said = await asks(stage, frame, Manners(), permissions=allowing)
    assert said["result"]["outcome"]["optionId"] == "n"


@pytest.mark.parametrize(("answer", "chosen"), [("yes", "y"), ("no", "n")])
async def test_a_person_is_asked_where_a_rule_says_so(stage: Stage, answer: str, chosen: str) -> None:
    frame = permission(ONCE, kind="execute", title="make deploy")
    session = await stage.rogue(frame, permissions=Permissions("allow", (Rule("ask", "execute"),)))
    seen: list[AgentEvent] = []
    async for event in session.prompt("go"):
        seen.append(event)
        if isinstance(event, QuestionAsked):
            assert event.question.text == "May the agent do this? execute: make deploy"
            assert event.question.options == ("yes", "no")
            await session.answer(event.question.id, answer)
    await session.close()
    (decision,) = [event for event in seen if isinstance(event, PermissionDecided)]
    assert decision.allowed is (answer == "yes")
    assert answered(stage)["result"]["outcome"]["optionId"] == chosen


async def test_questions_are_put_one_at_a_time(stage: Stage) -> None:
    asked = json.dumps({"id": 78, "method": "_mawep/question", "params": {"text": "Which?"}})
    session = await stage.rogue(
        "burst=1", permission(ONCE, kind="execute"), asked, permissions=Permissions("ask")
    )
    texts = []
    async for event in session.prompt("go"):
        if isinstance(event, QuestionAsked):
            texts.append(event.question.text)
            await asyncio.sleep(0)
            assert len(texts) in {1, 2}
            await session.answer(event.question.id, "yes")
    await session.close()
    assert sorted(texts) == ["May the agent do this? execute: change it", "Which?"]


async def test_a_question_that_nobody_answered_is_cancelled_with_the_turn(stage: Stage) -> None:
    session = await stage.rogue(permission(ONCE, kind="execute"), permissions=Permissions("ask"))
    turn = asyncio.ensure_future(events(session))
    await eventually("it asks", lambda: "request_permission" in stage.transcript.read_text())
    await session.cancel()
    assert isinstance((await turn)[-1], TurnEnded)
    await session.close()
    assert answered(stage)["result"]["outcome"] == {"outcome": "cancelled"}


async def test_an_agent_that_stops_when_it_is_refused_something_is_told_to_go_on(stage: Stage) -> None:
    frame = permission(ONCE, kind="edit", locations=[{"path": "locked.txt"}])
    session = await stage.rogue("once=1", frame, manners=Manners(rejection_ends_turn=True))
    assert (await events(session))[-1] == TurnEnded("end_turn", "")
    await session.close()
    prompts = [
        f["msg"] for f in stage.frames() if f["dir"] == "out" and f["msg"].get("method") == "session/prompt"
    ]
    texts = [prompt["params"]["prompt"][0]["text"] for prompt in prompts]
    assert texts[0] == "do it"
    assert texts[1].startswith("That was refused: locked.txt is declared by issue 7.")
    assert len(texts) == 2


async def test_one_that_is_refused_again_and_again_is_not_told_for_ever(stage: Stage) -> None:
    frame = permission(ONCE, kind="edit", locations=[{"path": "locked.txt"}])
    session = await stage.rogue(frame, manners=Manners(rejection_ends_turn=True))
    await events(session)
    await session.close()
    prompts = [f for f in stage.frames() if f["dir"] == "out" and f["msg"].get("method") == "session/prompt"]
    assert len(prompts) == 6


# --- files


async def test_a_file_is_read_whole_or_in_part(stage: Stage) -> None:
    (stage.worktree / "a.txt").write_text("one\ntwo\nthree\n")
    whole = request("fs/read_text_file", path=str(stage.worktree / "a.txt"))
    assert (await asks(stage, whole))["result"]["content"] == "one\ntwo\nthree\n"


async def test_some_lines_of_a_file_are_read(stage: Stage) -> None:
    (stage.worktree / "a.txt").write_text("one\ntwo\nthree\n")
    part = request("fs/read_text_file", path=str(stage.worktree / "a.txt"), line=2, limit=1)
    assert (await asks(stage, part))["result"]["content"] == "two\n"


async def test_a_file_is_written_with_the_directories_on_its_way(stage: Stage) -> None:
    path = stage.worktree / "deep" / "er" / "new.txt"
    assert (await asks(stage, request("fs/write_text_file", path=str(path), content="x\n")))["result"] == {}
    assert path.read_text() == "x\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["new.txt"]


async def test_a_file_that_is_written_keeps_its_mode(stage: Stage) -> None:
    path = stage.worktree / "run.sh"
    path.write_text("old")
    path.chmod(0o755)
    await asks(stage, request("fs/write_text_file", path=str(path), content="new"))
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o755)


@pytest.mark.parametrize("method", ["fs/read_text_file", "fs/write_text_file"])
@pytest.mark.parametrize(
    "path", ["/etc/hostname", "../outside.txt", "link/passwd", "leaf", ".git/config", "sub/.GIT/x"]
)
async def test_no_file_outside_of_the_worktree_or_of_git_is_touched(
    stage: Stage, method: str, path: str
) -> None:
    (stage.root / "outside.txt").write_text("secret")
    (stage.worktree / "link").symlink_to("/etc")
    (stage.worktree / "leaf").symlink_to(stage.root / "outside.txt")
    named = path if path.startswith("/") else str(stage.worktree / path)
    said = await asks(stage, request(method, path=named, content="evil"))
    assert said["error"]["code"] in {-32000, -32002}
    assert "secret" not in json.dumps(said)
    assert (stage.root / "outside.txt").read_text() == "secret"


async def test_a_pipe_is_not_read_for_ever(stage: Stage) -> None:
    os.mkfifo(stage.worktree / "pipe")
    said = await asks(stage, request("fs/read_text_file", path=str(stage.worktree / "pipe")))
    assert said["error"]["message"].endswith("is not a file")


async def test_a_missing_file_is_said_to_be_missing(stage: Stage) -> None:
    said = await asks(stage, request("fs/read_text_file", path=str(stage.worktree / "none")))
    assert said["error"]["code"] == -32002


@pytest.mark.parametrize("permissions", [Permissions(), Permissions("deny")])
async def test_a_write_is_judged_like_a_request_for_leave(stage: Stage, permissions: Permissions) -> None:
    path = stage.worktree / ("locked.txt" if permissions.default == "allow" else "free.txt")
    frame = request("fs/write_text_file", path=str(path), content="x")
    said = await asks(stage, frame, permissions=permissions)
    assert said["error"]["code"] == -32000
    assert not path.exists()


# --- terminals


async def test_a_terminal_runs_in_the_worktree_and_is_gone_with_the_session(stage: Stage) -> None:
    made = request("terminal/create", command="echo $GREETING > said; sleep 600",
                   env=[{"name": "GREETING", "value": "hello"}])  # fmt: skip
    session = await stage.rogue(made, manners=SERVED)
    await events(session)
    said = stage.worktree / "said"
    await eventually("it has spoken", lambda: said.exists() and said.read_text().endswith("\n"))
    assert answered(stage)["result"]["terminalId"] == "terminal-1"
    await session.close()
    assert said.read_text() == "hello\n"
    assert inhabitants(stage.worktree) == []


CONVERSATION = """\
import json, sys
def ask(id, method, **params):
    frame = {"jsonrpc": "2.0", "id": id, "method": method, "params": {"sessionId": "s", **params}}
    print(json.dumps(frame), flush=True)
    reply = json.loads(sys.stdin.readline())
    return reply.get("result", reply.get("error"))
for line in sys.stdin:
    request = json.loads(line)
    result = {"initialize": {"protocolVersion": 1}, "session/new": {"sessionId": "s"}}.get(request["method"], {})
    if request["method"] == "session/prompt":
        made = ask("a", "terminal/create", command=sys.argv[1], args=sys.argv[2:], outputByteLimit=10)
        name = made.get("terminalId", "none")
        said = [made, ask("b", "terminal/wait_for_exit", terminalId=name), ask("c", "terminal/output", terminalId=name),
                ask("d", "terminal/kill", terminalId=name), ask("e", "terminal/release", terminalId=name),
                ask("f", "terminal/output", terminalId=name)]
        open("conversation.json", "w").write(json.dumps(said))
        result = {"stopReason": "end_turn"}
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"""


async def converse(stage: Stage, *command: str, **options: Any) -> list[dict[str, Any]]:
    """What an agent hears that makes a terminal, waits for it, reads it, ends it and forgets it."""
    from mawep.agents.acp import AcpRuntime
    from mawep.agents.options import Options

    launch = stage.launch(sys.executable, "-I", "-S", "-c", CONVERSATION, *command)
    runtime = AcpRuntime(Options(**options), manners=SERVED)
    session = await runtime.open(launch, stage.supervisor, stage.policy, resume=None)
    await events(session)
    await session.close()
    said: list[dict[str, Any]] = json.loads((stage.worktree / "conversation.json").read_text())
    return said


async def test_the_life_of_a_terminal(stage: Stage) -> None:
    made, exited, output, killed, released, gone = await converse(
        stage, "sh", "-c", "echo 0123456789abc; exit 3"
    )
    assert made == {"terminalId": "terminal-1"}
    assert exited == {"exitCode": 3}
    assert output == {"output": "456789abc\n", "truncated": True, "exitStatus": {"exitCode": 3}}
    assert killed in (None, {})
    assert released in (None, {})
    assert gone["code"] == -32002


async def test_a_command_that_is_not_there_is_an_error(stage: Stage) -> None:
    made, *_ = await converse(stage, "no-such-program", "x")
    assert made["message"].startswith("the command does not start")


async def test_a_terminal_is_refused_where_running_things_is(stage: Stage) -> None:
    made, *_ = await converse(
        stage, "true", "x", permissions=Permissions("allow", (Rule("deny", "execute"),))
    )
    assert made["message"] == "`agents.permissions` does not allow it (execute)"


async def test_a_terminal_outside_the_worktree_is_refused(stage: Stage) -> None:
    said = await asks(stage, request("terminal/create", command="true", cwd="/"))
    assert said["error"]["message"] == "/ is outside the worktree"


@pytest.mark.parametrize(
    "method", ["terminal/create", "terminal/output", "fs/read_text_file", "fs/write_text_file"]
)
async def test_nothing_is_served_that_was_not_offered(stage: Stage, method: str) -> None:
    said = await asks(
        stage, request(method, command="true", terminalId="t", path="/a", content=""), manners=Manners()
    )
    assert said["error"]["code"] == -32601


# --- sessions


async def test_the_session_is_put_into_its_mode(stage: Stage) -> None:
    modes = {
        "currentModeId": "plan",
        "availableModes": [{"id": "plan", "name": "P"}, {"id": "work", "name": "W"}],
    }
    opened = f"session/new={json.dumps({'sessionId': 's', 'modes': modes})}"
    session = await stage.rogue(opened, manners=Manners(mode="work"))
    await session.close()
    frames = [f["msg"] for f in stage.frames() if f["dir"] == "out"]
    assert frames[-1]["params"] == {"sessionId": "s", "modeId": "work"}


async def test_a_mode_that_the_agent_does_not_know_fails(stage: Stage) -> None:
    modes = {"currentModeId": "plan", "availableModes": [{"id": "plan", "name": "P"}]}
    opened = f"session/new={json.dumps({'sessionId': 's', 'modes': modes})}"
    with pytest.raises(AgentFailed, match="no mode `work`") as failed:
        await stage.rogue(opened, manners=Manners(mode="work"))
    assert failed.value.cause == "it offers `plan`"


async def test_it_logs_in_before_a_session_is_opened(stage: Stage) -> None:
    session = await stage.rogue(auth="api-key")
    await session.close()
    methods = [f["msg"]["method"] for f in stage.frames() if f["dir"] == "out" and "method" in f["msg"]]
    assert methods == ["initialize", "authenticate", "session/new"]


@pytest.mark.parametrize(
    ("offer", "method"),
    [
        ({"loadSession": True}, "session/load"),
        ({"loadSession": True, "sessionCapabilities": {"resume": {}}}, "session/resume"),
    ],
)
async def test_a_session_is_continued_the_way_that_is_offered(
    stage: Stage, offer: dict[str, Any], method: str
) -> None:
    hello = f"initialize={json.dumps({'protocolVersion': 1, 'agentCapabilities': offer})}"
    tools = ToolEndpoint(("relay", "-x"), {"TOKEN": "t"})
    session = await stage.rogue(hello, resume="old", tools=tools)
    assert (session.session_id, session.loadable) == ("old", True)
    await session.close()
    frame = next(f["msg"] for f in stage.frames() if f["dir"] == "out" and f["msg"].get("method") == method)
    assert frame["params"]["sessionId"] == "old"
    assert [server["name"] for server in frame["params"]["mcpServers"]] == ["mawep"]


async def test_a_new_session_is_given_our_tools(stage: Stage) -> None:
    session = await stage.rogue(tools=ToolEndpoint(("relay", "-x"), {"TOKEN": "t"}))
    await session.close()
    (frame,) = [
        f["msg"] for f in stage.frames() if f["dir"] == "out" and f["msg"].get("method") == "session/new"
    ]
    (server,) = frame["params"]["mcpServers"]
    assert (server["command"], server["args"], [entry["name"] for entry in server["env"]]) == (
        "relay",
        ["-x"],
        ["TOKEN"],
    )


async def test_a_session_that_it_does_not_know_cannot_be_continued(stage: Stage) -> None:
    hello = f"initialize={json.dumps({'protocolVersion': 1, 'agentCapabilities': {'loadSession': True}})}"
    with pytest.raises(ResumeUnsupported, match="cannot continue session old"):
        await stage.rogue(hello, "at=session/load", "do=error", resume="old")


@pytest.mark.parametrize(("outcome", "delivered"), [("injected", True), ("promptRequired", False)])
async def test_a_message_reaches_a_turn_that_takes_it(stage: Stage, outcome: str, delivered: bool) -> None:
    hello = f"initialize={json.dumps({'protocolVersion': 1, '_meta': {'steering': {'supported': True}}})}"
    steered = f"_session/steering={json.dumps({'outcome': outcome})}"
    waits = json.dumps({"id": 5, "method": "_mawep/question", "params": {"text": "?"}})
    session = await stage.rogue(hello, steered, waits)
    assert await session.say("too early") is False
    said = None
    async for event in session.prompt("go"):
        if isinstance(event, QuestionAsked):
            said = await session.say("hurry")
            await session.answer(event.question.id, "go on")
    await session.close()
    assert said is delivered


# --- plans


async def test_a_plan_that_is_the_input_of_a_tool_is_a_plan(stage: Stage) -> None:
    todos = [{"content": "a", "status": "completed"}, {"content": "b", "status": "in_progress"}]
    begun = update(sessionUpdate="tool_call", toolCallId="1", title="todowrite", rawInput={})
    given = update(
        sessionUpdate="tool_call_update", toolCallId="1", title="2 todos", rawInput={"todos": todos}
    )
    session = await stage.rogue(begun, given, manners=Manners(plan_calls=frozenset({"todowrite"})))
    plans = [event for event in await events(session) if isinstance(event, PlanChanged)]
    await session.close()
    assert plans == [PlanChanged((PlanEntry("a", "completed"), PlanEntry("b", "in_progress")))]


async def test_the_notice_of_a_limit_ends_the_turn_as_one(stage: Stage) -> None:
    from mawep.agents.base import ProviderLimited

    text = {"type": "text", "text": "Claude AI usage limit reached|4102444800"}
    session = await stage.rogue(update(sessionUpdate="agent_message_chunk", content=text))
    with pytest.raises(ProviderLimited):
        await events(session)
    await session.close()
