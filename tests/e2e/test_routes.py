"""Several ways of driving agents in one run, chosen by label and by the issue itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support import promises
from tests.support.world import World

pytestmark = pytest.mark.e2e

SCRIPT = {"steps": [{"write": {"path": "scripted-103", "text": "by a script\n"}}]}


def mixed(root: Path) -> World:
    """Three issues: one as all are, one by its label, one by its own word."""
    (root / "scripts").mkdir(parents=True)
    (root / "scripts" / "103.yaml").write_text(json.dumps(SCRIPT))
    write = 'printf "%s %s" "$MAWEP_MODEL" "$MAWEP_ISSUE" > by-label'
    docs = {"label": "docs", "runtime": "command", "command": write, "model": "small"}
    demo = {"label": "never", "runtime": "scripted"}
    world = World(root, agents={"script_dir": str(root / "scripts"), "routes": [docs, demo]})
    world.issue(101)
    world.issue(102, labels=["Docs"])
    world.issue(103, runtime="scripted")
    return world


def test_each_issue_is_driven_as_its_label_or_itself_says(tmp_path: Path) -> None:
    world = mixed(tmp_path)
    plan = json.loads(world.run("plan", "--json").out)
    assert plan["runtime"] == "command"
    assert sorted(plan["routed"], key=lambda routed: int(routed["number"])) == [
        {"number": 102, "runtime": "command:docs", "why": "its label `Docs`"},
        {"number": 103, "runtime": "scripted", "why": "the issue says so"},
    ]
    ended = world.start()
    assert ended.code == 0, ended.said
    assert (world.repo / "issue-101.txt").exists()
    assert (world.repo / "by-label").read_text() == "small 102"
    assert (world.repo / "scripted-103").read_text() == "by a script\n"
    assigned = {event.issue: event.runtime for event in world.events(ev.AttemptAssigned)}
    assert assigned == {101: "command", 102: "command:docs", 103: "scripted"}
    assert "driven as command:docs: its label `Docs`" in world.explain(102)
    promises.kept(world)


def test_an_issue_that_asks_for_what_nobody_knows_stops_the_start(tmp_path: Path) -> None:
    world = mixed(tmp_path)
    world.issue(104, runtime="gemeni")
    ended = world.start()
    assert ended.code == 2
    assert "104.md: runtime: there is no `gemeni`; known are `command`, " in ended.said
    assert world.events(ev.RunStarted) == []


def test_past_runs_decide_what_no_label_does(tmp_path: Path) -> None:
    """The default has failed at five issues of a kind, another way has landed five of them."""
    other = {"label": "try", "runtime": "command", "command": 'echo done > "by-other-$MAWEP_ISSUE"'}
    world = World(tmp_path, agents={"routes": [other, "auto"]})
    for number in range(101, 106):
        world.issue(number, labels=["api"])
        world.agent(number, "exit 3\n")
    assert set(world.start().states.values()) == {"failed: agent_error"}
    for number in range(101, 106):
        world.issue(number + 100, labels=["api", "try"])
    numbers = ",".join(map(str, range(201, 206)))
    assert set(world.run("start", "--issues", numbers, "--json").states.values()) == {"landed"}
    world.issue(301, labels=["API"])
    (routed,) = json.loads(world.run("plan", "--issues", "301", "--json").out)["routed"]
    other_did = "command:try landed 5 of 5 (5 without a repair) issues labelled `API`"
    why = f"{other_did}, command landed 0 of 5 (0 without a repair)"
    assert routed == {"number": 301, "runtime": "command:try", "why": why}
    assert why in " ".join(world.run("plan", "--issues", "301").out.split())
    unlearnt = world.run("plan", "--issues", "301", "--json", "--set", "agents.routes=[]")
    assert unlearnt.document["routed"] == []
    assert world.run("start", "--issues", "301", "--json").states == {301: "landed"}
    assert (world.repo / "by-other-301").exists()
    assert f"driven as command:try: {why}" in " ".join(world.explain(301).split())
