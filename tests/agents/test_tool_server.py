"""An attempt's socket: who may speak there, what is understood, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from mawep.adapters.runtime_directory import leave_runtime_directory, runtime_directory
from mawep.agents.tool_server import CONNECTIONS, LINE_LIMIT, PROGRAMS, RELAY, ToolServer
from mawep.agents.tools import TOOLS, Allowance, Refusal, Said, understood
from tests.support.waiting import eventually


@dataclass
class Attempt:
    """One attempt's tools, and the calls that arrived."""

    server: ToolServer
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, *words: str, **env: str) -> tuple[int, str, str]:
        """`mawep …` as a command agent would run it."""
        process = await asyncio.create_subprocess_exec(
            "mawep",
            *words,
            env={"PATH": f"{PROGRAMS}:/usr/bin:/bin", **self.server.endpoint().env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode().strip(), err.decode().strip()


@pytest_asyncio.fixture
async def attempt(tmp_path: Path) -> AsyncIterator[Attempt]:
    directory = runtime_directory(tmp_path)

    async def answer(name: str, arguments: Mapping[str, Any]) -> Said:
        made.calls.append((name, arguments))
        if name == "ask_human":
            await made.hold.wait()
        return Said(f"{name} done", {"calls": len(made.calls)}, ok=name != "claim_files")

    made = Attempt(ToolServer(directory / "t-1-a1", answer))
    await made.server.open()
    yield made
    await made.server.close()
    leave_runtime_directory(tmp_path)
    assert not directory.exists()


async def test_an_mcp_client_on_the_relay_finds_and_calls_the_tools(attempt: Attempt) -> None:
    endpoint = attempt.server.endpoint()
    parameters = StdioServerParameters(
        command=endpoint.command[0], args=list(endpoint.command[1:]), env=dict(endpoint.env)
    )
    async with stdio_client(parameters) as streams, ClientSession(*streams) as client:
        await client.initialize()
        assert [tool.name for tool in (await client.list_tools()).tools] == list(TOOLS)
        result = await client.call_tool("report_progress", {"text": "half", "percent": 50})
        assert not result.is_error
        refused = await client.call_tool("claim_files", {"paths": ["a"]})
        assert refused.is_error
    assert attempt.calls[0] == ("report_progress", {"text": "half", "percent": 50})


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["progress", "half", "--percent", "50"], ("report_progress", {"text": "half", "percent": 50.0})),
        (["blocked", "no key"], ("report_blocked", {"text": "no key"})),
        (["claim", "a.py", "b.py"], ("claim_files", {"paths": ["a.py", "b.py"]})),
        (["messages"], ("read_messages", {})),
        (
            ["breaking-change", "a.py", "pay() is async", "--affects", "web", "--affects", "b.py"],
            (
                "announce_breaking_change",
                {"file": "a.py", "change": "pay() is async", "affects": ["web", "b.py"], "migration": ""},
            ),
        ),
    ],
)
async def test_every_verb_of_the_command_is_a_call(
    attempt: Attempt, words: list[str], call: tuple[str, dict[str, Any]]
) -> None:
    code, out, err = await attempt.run("agent", *words)
    assert attempt.calls == [call]
    understood(*call)
    assert (code, out, err) == (
        (1, "", "claim_files done") if words[0] == "claim" else (0, f"{call[0]} done", "")
    )


async def test_the_command_prints_json(attempt: Attempt) -> None:
    code, out, _ = await attempt.run("agent", "messages", "--json")
    assert (code, json.loads(out)) == (0, {"ok": True, "text": "read_messages done", "calls": 1})


async def test_the_command_waits_for_a_person(attempt: Attempt) -> None:
    asking = asyncio.create_task(attempt.run("agent", "ask", "which?", "--option", "a", "--option", "b"))
    await eventually("it has asked", lambda: attempt.calls)
    assert attempt.calls == [("ask_human", {"question": "which?", "options": ["a", "b"]})]
    attempt.hold.set()
    assert (await asking)[:2] == (0, "ask_human done")


async def test_outside_of_an_attempt_the_command_says_so(attempt: Attempt) -> None:
    code, _, err = await attempt.run("agent", "messages", MAWEP_TOOLS_SOCKET="")
    assert code == 2 and "inside an attempt only" in err
    code, _, err = await attempt.run("status")
    assert code == 2 and "only `mawep agent`" in err


async def test_after_its_end_the_command_says_so(attempt: Attempt) -> None:
    await attempt.server.close()
    code, out, _ = await attempt.run("agent", "messages", "--json")
    assert code == 3 and json.loads(out)["ok"] is False


async def test_who_does_not_know_the_token_is_cut_off_and_counted(attempt: Attempt) -> None:
    code, _, err = await attempt.run("agent", "progress", "hello", MAWEP_TOOLS_TOKEN="guessed")
    assert code == 3 and "MAWEP is gone" in err
    assert (attempt.calls, attempt.server.strangers) == ([], 1)


async def test_one_agent_cannot_speak_as_another(attempt: Attempt) -> None:
    async def nobody(name: str, arguments: Mapping[str, Any]) -> Said:
        raise AssertionError(name)

    other = ToolServer(attempt.server.path.with_name("t-2-a1"), nobody)
    await other.open()
    try:
        stolen = {"MAWEP_TOOLS_SOCKET": str(other.path)}  # its own token, the other's socket
        assert (await attempt.run("agent", "progress", "hello", **stolen))[0] == 3
        assert (attempt.calls, other.strangers) == ([], 1)
    finally:
        await other.close()


async def test_the_socket_is_private_and_goes_with_the_attempt(attempt: Attempt) -> None:
    path = attempt.server.path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(os.fsencode(path)) < 108
    reader, writer = await asyncio.open_unix_connection(path)
    await attempt.server.close()
    assert not path.exists()
    assert await reader.read() == b""  # whoever was connected is cut off
    writer.close()


async def test_a_frame_without_an_end_ends_the_talk(attempt: Attempt) -> None:
    token = attempt.server.endpoint().env["MAWEP_TOOLS_TOKEN"]
    reader, writer = await asyncio.open_unix_connection(attempt.server.path)
    writer.write(f"{token}\n".encode() + b"x" * (LINE_LIMIT + 1))
    assert await reader.read() == b""
    writer.close()


async def test_connections_have_an_end(attempt: Attempt) -> None:
    talks = [await asyncio.open_unix_connection(attempt.server.path) for _ in range(CONNECTIONS + 1)]
    assert await talks[-1][0].read() == b""
    for _, writer in talks:
        writer.close()


def test_the_relay_starts_in_a_moment() -> None:
    """Counted in time of the processor, as the machine may be busy."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    took = []
    for _ in range(5):
        before = spent()
        subprocess.run([sys.executable, "-I", "-S", RELAY], env={}, capture_output=True, check=False)
        took.append(spent() - before)
    assert min(took) < 0.03


def test_what_makes_no_sense_is_refused_in_words() -> None:
    with pytest.raises(Refusal, match="there is no tool"):
        understood("rm", {})
    with pytest.raises(Refusal, match="paths: List should have at most 50"):
        understood("claim_files", {"paths": ["a"] * 51})
    with pytest.raises(Refusal, match="percent"):
        understood("report_progress", {"text": "x", "percent": 101})
    with pytest.raises(Refusal, match="as: Extra inputs"):
        understood("report_blocked", {"text": "x", "as": "agent-1"})


def test_an_agent_that_loops_is_slowed_down_and_stopped() -> None:
    allowance = Allowance(burst=3, per_second=1)
    for _ in range(3):
        allowance.take("report_progress", 0.0)
    with pytest.raises(Refusal, match="too many calls"):
        allowance.take("report_progress", 0.5)
    allowance.take("report_progress", 2.0)
    patient = Allowance()
    for second in range(20):
        patient.take("announce_breaking_change", 2.0 * second)
    with pytest.raises(Refusal, match="called 20 times"):
        patient.take("announce_breaking_change", 100.0)
