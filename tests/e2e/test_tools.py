"""Agents that talk: to MAWEP, to one another by way of it, and to people, in whole runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mawep.core import events as ev
from mawep.core.model import IssueState
from tests.support import promises
from tests.support.repos import commit
from tests.support.world import World

pytestmark = pytest.mark.e2e

SCRIPTS = {"script_dir": "scripts", "routes": [{"label": "never", "runtime": "scripted"}]}


def scripted(world: World, number: int, *steps: dict[str, Any]) -> None:
    """What the scripted agent on an issue does."""
    commit(world.repo, {f"scripts/{number}.yaml": json.dumps({"steps": steps})}, "write a script")


def seq(world: World, kind: type[ev.AnyEvent], issue: int) -> int:
    """Where the journal has the event of that kind about the issue."""
    return next(
        rec.seq
        for rec in world.journal()
        if isinstance(rec.event, kind)
        and issue in (getattr(rec.event, "issue", None), *(s.issue for s in getattr(rec.event, "steps", ())))
    )


def test_a_breaking_change_reaches_who_works_and_holds_who_has_not_started(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        {"lib/api.py": "def pay(): ...\n", "web/cart.ts": "pay()\n"},
        orchestrator={"max_agents": 2},
        agents=SCRIPTS,
    )
    world.issue(101, runtime="scripted", estimate_hours=3)
    world.issue(102, files=["web/cart.ts"], estimate_hours=2)
    world.issue(103, files=["lib/api.py"], estimate_hours=1)
    change = {
        "file": "lib/api.py",
        "change": "pay() is async",
        "affects": ["web/**"],
        "migration": "await it",
    }
    scripted(
        world,
        101,
        {"run": f'until [ -e "{tmp_path}/here" ]; do sleep 0.02; done'},
        {"tool": {"name": "announce_breaking_change", "arguments": change}},
        {"run": f'until [ -e "{tmp_path}/land" ]; do sleep 0.02; done'},
        {"write": {"path": "new.py", "text": "x = 1\n"}},
        {"commit": "feat: new"},
    )
    world.agent(
        102,
        'touch "$root/here"\n'
        'until mawep agent messages | tee "$root/read" | grep -q "pay() is async"; do sleep 0.3; done\n'
        'mawep agent progress --percent 70 "adapting"\necho "await pay()" > web/cart.ts\n',
    )
    world.agent(103, 'cat "$MAWEP_PROMPT_FILE" > "$root/prompt"\necho "async def pay(): ..." > lib/api.py\n')
    live = world.begin_start()
    live.until("#102 is done", lambda: world.stands(102) in ("queued", "landing", "landed"))
    assert world.stands(103) == "ready"
    explained = json.loads(world.run("explain", "103", "--json").out)
    assert [refusal["kind"] for refusal in explained["refusals"]] == ["breaking_change"]
    assert "#101" in explained["refusals"][0]["detail"]
    world.let("land")
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert "Another agent, agent-0 on #101, announces a breaking change" in "\n".join(world.lines("read"))
    assert seq(world, ev.AttemptAssigned, 103) > seq(world, ev.TargetMoved, 101)
    assert "pay() is async" in "\n".join(world.lines("prompt"))
    promises.kept(world)


def test_a_claim_at_run_time_keeps_another_agent_from_writing(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        agents=SCRIPTS,
    )
    world.issue(101)
    world.issue(102, runtime="scripted")
    world.issue(103)
    world.agent(
        101,
        World.until_let("all-here")
        + 'mawep agent claim shared.txt > "$root/granted"\n'
        + World.until_let("all-tried")
        + "echo mine > shared.txt\n",
    )
    world.agent(
        103,
        'while [ ! -e "$root/granted" ]; do sleep 0.02; done\n'
        'until [ -s "$root/granted" ]; do sleep 0.02; done\n'
        'mawep agent claim shared.txt 2> "$root/refused"\necho x > own-103.txt\n',
    )
    scripted(
        world,
        102,
        {"run": f'until [ -s "{tmp_path}/granted" ]; do sleep 0.02; done'},
        {"tool": {"name": "claim_files", "arguments": {"paths": ["shared.txt"]}}},
        {"write": {"path": "said.txt", "text": "${ANSWER}\n"}},
        {"write": {"path": "shared.txt", "text": "theirs\n"}},
        {"commit": "feat: try"},
    )
    live = world.begin_start()
    world.let("all-here")
    done = {IssueState.QUEUED, IssueState.LANDING, IssueState.LANDED}
    live.until("the others are done", lambda: {world.stands(102), world.stands(103)} <= done)
    world.let("all-tried")
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert world.events(ev.ClaimsTaken) == [
        ev.ClaimsTaken(101, world.events(ev.ClaimsTaken)[0].fence, ("shared.txt",))
    ]
    assert "shared.txt (#101)" in "\n".join(world.lines("refused"))
    assert "shared.txt (#101)" in (world.repo / "said.txt").read_text()
    assert (world.repo / "shared.txt").read_text() == "mine\n"
    assert world.events(ev.ImportRefused) == []
    promises.kept(world)


def test_a_command_agent_reports_asks_a_person_and_goes_on_with_the_answer(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.issue(101)
    world.agent(
        101,
        'mawep agent progress --percent 40 "the parser works"\n'
        'mawep agent blocked "the test server does not answer"\n'
        'mawep agent ask "Which currency?" --option euro --option dollar > currency.txt\n',
    )
    live = world.begin_start()
    live.until("it asks", lambda: world.stands(101) == "needs_input")

    def shown() -> dict[str, Any]:
        return dict(json.loads(world.run("status", "--json").out)["issues"][0])

    issue = live.until("it is seen", lambda: (found := shown())["percent"] and found)
    assert (issue["percent"], issue["percent_claimed"]) == (40.0, True)
    live.until("its trouble is seen", lambda: "test server does not answer" in world.explain(101))
    assert "Which currency?" in world.run("answer").out
    assert world.run("answer", "101", "yen").code == 2
    assert world.run("answer", "101", "euro").code == 0
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert (world.repo / "currency.txt").read_text() == "euro\n"
    promises.kept(world)


@pytest.mark.parametrize("runtime", ["command", "scripted"])
def test_behind_walls_the_tools_are_there_and_nobody_elses(runtime: str, tmp_path: Path) -> None:
    world = World(
        tmp_path,
        agents={"sandbox": "required", "network": "none", "script_dir": str(tmp_path / "scripts")}
        | ({"runtime": "scripted", "command": None} if runtime == "scripted" else {}),
    )
    world.issue(101)
    speak = (
        "mawep agent claim mine.txt > said.txt\n"
        'ls "$(dirname "$MAWEP_TOOLS_SOCKET")" > sockets.txt\n'
        "MAWEP_TOOLS_TOKEN=guessed mawep agent progress no 2>/dev/null || echo refused > guessed.txt\n"
    )
    if runtime == "command":
        commit(world.repo, {"agent.sh": speak}, "write an agent")
        world.configure(agents={"sandbox": "required", "network": "none", "command": ["sh", "agent.sh"]})
    else:
        steps = [
            {"tool": {"name": "claim_files", "arguments": {"paths": ["mine.txt"]}}},
            {"write": {"path": "said.txt", "text": "${ANSWER}\n"}},
            {"run": speak},
            {"commit": "feat: speak"},
        ]
        (tmp_path / "scripts").mkdir()
        (tmp_path / "scripts" / "101.yaml").write_text(json.dumps({"steps": steps}))
    ended = world.start()
    assert ended.code == 0, ended.said
    assert "yours until your issue ends: mine.txt" in (world.repo / "said.txt").read_text()
    assert (world.repo / "sockets.txt").read_text().split() == ["tools.sock"]
    assert (world.repo / "guessed.txt").read_text() == "refused\n"
    assert [event.paths for event in world.events(ev.ClaimsTaken)] == [("mine.txt",)]
    promises.kept(world)
