"""Budgets from the front door: warned of, then stopped with the work kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mawep.core import events as ev
from tests.e2e.test_acp_agents import ask_again
from tests.support import promises
from tests.support.world import World

pytestmark = pytest.mark.e2e

HALF = {"write": {"path": "half", "text": "precious\n"}}
CENTS = {"usage": {"input": 900, "output": 100, "cost_usd": 0.4}}
WAIT = {"sleep": 60}


def scripted(
    root: Path, scripts: dict[int, list[dict[str, Any]]], budget: dict[str, Any], slots: int = 2
) -> World:
    (root / "scripts").mkdir(parents=True)
    said = {"runtime": "scripted", "command": None, "script_dir": str(root / "scripts"), "budget": budget}
    world = World(root, agents=said, orchestrator={"max_agents": slots, "worktree_base": "../worktrees"})
    for number, steps in scripts.items():
        world.issue(number)
        (root / "scripts" / f"{number}.yaml").write_text(json.dumps({"steps": steps}))
    return world


def spent(world: World, number: int) -> float | None:
    """What is written down of the attempt on an issue by now, in dollars."""
    attempt = world.state().issues[number].attempt
    return attempt.usage.cost_usd if attempt else None


def test_an_attempt_is_stopped_at_the_report_that_reaches_its_limit(tmp_path: Path) -> None:
    work = {"write": {"path": "work", "text": "x\n"}}
    world = scripted(
        tmp_path, {101: [HALF, CENTS, CENTS, CENTS, WAIT], 102: [CENTS, work]}, {"attempt_usd": 1.0}
    )
    ended = world.start()
    assert ended.code == 1, ended.said
    assert ended.states == {101: "failed: budget_exceeded", 102: "landed"}
    assert "agents.budget.attempt_usd is used up: $1.20 of $1.00" in world.explain(101)
    assert world.git("show", f"{world.state().issues[101].salvage}:half") == "precious"
    assert [event.key for event in world.events(ev.BudgetWarned)] == ["attempt_usd:101:1"]
    costs = {issue["number"]: (issue["tokens"], issue["cost_usd"]) for issue in ended.document["issues"]}
    assert costs == {101: (None, pytest.approx(1.2)), 102: (1000, 0.4)}
    promises.kept(world, [102])


def test_a_run_ends_when_its_budget_is_used_up_and_goes_on_with_a_greater_one(tmp_path: Path) -> None:
    done = {"write": {"path": "done", "text": "x\n"}}
    scripts = {101: [HALF, CENTS, CENTS], 102: [HALF, CENTS], 103: [done]}  # tokens are told when a turn ends
    world = scripted(tmp_path, scripts, {"run_tokens": 3000}, slots=1)
    ended = world.start()
    assert ended.code == 1, ended.said
    assert ended.states == {101: "landed", 102: "landed", 103: "ready"}
    assert "agents.budget.run_tokens is used up: 3,000 tokens of 3,000 tokens" in world.explain(103)
    assert json.loads(world.run("explain", "103", "--json").out)["refusals"][0]["kind"] == "budget"
    again = world.run("retry", "103", "--json", "--set", "agents.budget.run_tokens=9000")
    assert again.document["issues"][2]["state"] == "landed", again.said
    promises.kept(world)


def test_what_a_killed_attempt_has_spent_is_not_forgotten(tmp_path: Path) -> None:
    ask = {"ask": {"text": "Go on?", "options": []}}
    world = scripted(tmp_path, {101: [HALF, CENTS, CENTS, ask, CENTS, WAIT]}, {"attempt_usd": 1.0})
    live = world.begin_start()
    live.until("it asks", lambda: world.stands(101) == "needs_input")
    live.until("all that it has spent is written down", lambda: spent(world, 101) == 0.8)
    live.kill()
    live = world.begin("resume", "--json")
    ask_again(live, world)
    assert world.run("answer", "101", "yes").code == 0
    ended = live.wait()
    assert ended.states == {101: "failed: budget_exceeded"}, ended.said
    assert "$1.20 of $1.00" in world.explain(101), "the session that is loaded goes on counting"
    promises.kept(world, [])


@pytest.mark.parametrize(
    ("agents", "problem"),
    [
        (
            {"runtime": "command"},
            "an agent of the runtime `command` does not say what it consumes",
        ),
        ({"runtime": "acp", "command": ["true"]}, "and no `model` is set whose price is known"),
        (
            {"runtime": "acp", "command": ["true"], "model": "nobodys-model"},
            "and `nobodys-model` has no price",
        ),
    ],
)
def test_a_budget_in_dollars_that_could_not_hold_stops_the_start(
    tmp_path: Path, agents: dict[str, Any], problem: str
) -> None:
    world = World(tmp_path, agents={**agents, "budget": {"run_usd": 5}})
    world.issue(101)
    ended = world.start()
    assert ended.code == 2
    assert problem in ended.said
    assert not world.has_run
