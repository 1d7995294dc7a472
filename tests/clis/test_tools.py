"""Real agents use the tools that MAWEP gives them: over MCP, or by the command in a shell of theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mawep.core import events as ev
from tests.clis.crew import PATIENCE, Crew
from tests.clis.fleet import Member
from tests.models.server import ModelServer
from tests.support import promises

pytestmark = [pytest.mark.clis, pytest.mark.timeout(300)]

MCP: tuple[dict[str, Any], ...] = (
    {"tool": {"name": "claim_files", "arguments": {"paths": ["mine.txt"]}}},
    {"announce": {"file": "mine.txt", "change": "it is new", "affects": ["lib/**"]}},
)
SHELL: tuple[dict[str, Any], ...] = (
    {"run": "mawep agent claim mine.txt"},
    {"run": "mawep agent breaking-change mine.txt 'it is new' --affects 'lib/**'"},
)
SEARCHES = "codex"
"""It shows its model no tool of any MCP server, only a search for tools; the scripted model does not search."""


@pytest.mark.parametrize("way", ["mcp", "shell"])
def test_every_agent_calls_its_tools(way: str, member: Member, model: ModelServer, tmp_path: Path) -> None:
    crew = Crew(tmp_path, member, model)
    searches = way == "mcp" and member.runtime.startswith(SEARCHES)
    calls = MCP if way == "mcp" and not searches else SHELL
    work: tuple[dict[str, Any], ...] = (
        {"write": {"path": "mine.txt", "text": "mine\n"}},
        {"commit": "Write mine"},
    )
    crew.piece(101, [*({"do": [one]} for one in (*calls, *work)), {"say": "Written."}])
    ended = crew.begin_start().wait(PATIENCE)
    assert ended.code == 0, ended.said
    if searches:
        requests = map(json.loads, (tmp_path / "requests.jsonl").read_text().splitlines())
        assert any("tool_search" in request["offered"] for request in requests)
    assert [event.paths for event in crew.events(ev.ClaimsTaken)] == [("mine.txt",)]
    announced = [(event.file, event.affects) for event in crew.events(ev.BreakingChangeAnnounced)]
    assert announced == [("mine.txt", ("lib/**",))]
    promises.kept(crew)
