"""ACP agents: what goes wrong with them, questions, and sessions that outlive MAWEP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mawep.core import events as ev
from tests.chaos.test_boundaries import START, die_at
from tests.support import promises
from tests.support.world import Live, World

pytestmark = pytest.mark.e2e

WORK = {"write": {"path": "work", "text": "work\n"}}
HALF = {"write": {"path": "half", "text": "precious\n"}}


def scripted(root: Path, scripts: dict[int, list[dict[str, Any]]], **agents: Any) -> World:
    """A world whose agents follow these scripts; they take their time only where a script says so."""
    (root / "scripts").mkdir(parents=True)
    world = World(
        root,
        agents={"runtime": "scripted", "command": None, "script_dir": str(root / "scripts"), **agents},
        orchestrator={"max_agents": 6, "worktree_base": "../worktrees"},
    )
    for number, steps in scripts.items():
        world.issue(number)
        (root / "scripts" / f"{number}.yaml").write_text(json.dumps({"steps": steps}))
    return world


def salvaged(world: World, number: int) -> str:
    """What is kept of the half that an agent had done."""
    return world.git("show", f"{world.state().issues[number].salvage}:half")


def test_each_fails_in_its_own_way_and_the_rest_lands(tmp_path: Path) -> None:
    world = scripted(
        tmp_path,
        {
            101: [HALF, {"crash": 3}],
            102: [HALF, {"hang": True}],
            103: [HALF, {"refuse": True}],
            104: [HALF, {"ask": {"text": "Which colour?", "options": ["red", "blue"]}}],
            105: [HALF, {"garbage": True}],
            106: [{"leave": "setsid"}, {"sleep": 0.1}, WORK],
        },
        stall_timeout_minutes=0.07,
        input_timeout_minutes=0.05,
    )
    ended = world.start()
    assert ended.code == 1, ended.said
    assert ended.states == {
        101: "failed: agent_error",
        102: "failed: stalled",
        103: "failed: agent_refused",
        104: "failed: input_timeout",
        105: "failed: agent_error",
        106: "landed",
    }
    promises.kept(world, [106])
    assert [salvaged(world, number) for number in range(101, 106)] == ["precious"] * 5
    assert "Which colour?" in world.explain(104)
    assert "agent_refused" in world.explain(103)


def test_a_question_is_answered_by_a_person(tmp_path: Path) -> None:
    ask = {"ask": {"text": "Which colour?", "options": ["red", "blue"]}}
    world = scripted(tmp_path, {101: [ask, {"write": {"path": "colour", "text": "${ANSWER}\n"}}]})
    live = world.begin_start()
    live.until("it asks", lambda: world.stands(101) == "needs_input")
    assert "Which colour?" in world.explain(101)
    assert world.run("answer", "101", "green").code == 2
    answered = world.run("answer", "101", "blue")
    assert answered.code == 0, answered.said
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert (world.repo / "colour").read_text() == "blue\n"
    promises.kept(world)


def die_half_way(world: World) -> None:
    """Die when the agent has done half of its work and asks, before the bus knows that its question is written down.

    The next process hears the question once more, from an attempt that is no longer the one at work.
    """
    die_at(world, "journal QuestionAsked after 1", *START)
    assert world.stands(101) == "needs_input"


def ask_again(live: Live, world: World) -> None:
    """Wait until the agent that goes on with a killed attempt asks."""
    live.until(
        "it asks again", lambda: world.events(ev.AttemptReclaimed) and world.stands(101) == "needs_input"
    )


def test_a_session_that_can_be_loaded_is_continued_after_a_kill(tmp_path: Path) -> None:
    ask = {"ask": {"text": "Go on?", "options": []}}
    world = scripted(tmp_path, {101: [HALF, ask, WORK]})
    die_half_way(world)
    live = world.begin("resume", "--json")
    ask_again(live, world)
    assert world.run("answer", "101", "yes").code == 0
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert [event.attempt for event in world.events(ev.AttemptAssigned)] == [1]
    assert len(world.events(ev.AttemptReclaimed)) == 1
    assert (world.repo / "half").read_text() == "precious\n"
    promises.kept(world)


def test_without_consent_a_session_that_can_be_loaded_is_continued_too(tmp_path: Path) -> None:
    ask = {"ask": {"text": "Go on?", "options": []}}
    world = scripted(tmp_path, {101: [HALF, ask, WORK]}, input_timeout_minutes=0.05)
    die_half_way(world)
    ended = world.resume("--no-rerun")
    assert ended.code == 1, ended.said
    assert ended.states == {101: "failed: input_timeout"}
    assert salvaged(world, 101) == "precious"
    promises.kept(world, [])
