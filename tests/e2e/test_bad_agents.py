"""Agents that go wrong: the issue fails with the reason, its work is kept, dependents are blocked, the rest lands."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import promises
from tests.support.world import Ended, World

pytestmark = pytest.mark.e2e

BAD, DEPENDENT, OTHER = 101, 102, 103


def run_with(root: Path, script: str, **config: Mapping[str, Any]) -> tuple[World, Ended]:
    """A run with one bad agent, an issue that depends on its, and one that does not."""
    world = World(root, **config)
    world.issues({BAD: [], DEPENDENT: [BAD], OTHER: []})
    world.agent(BAD, script)
    return world, world.start()


def failed_for(reason: str, world: World, ended: Ended) -> None:
    """The bad issue failed for `reason`, and that is said; nothing else is harmed."""
    assert ended.code == 1, ended.said
    assert ended.states == {BAD: f"failed: {reason}", DEPENDENT: "blocked", OTHER: "landed"}
    promises.kept(world, [OTHER])
    assert reason in world.explain(BAD)
    assert f"#{BAD}" in world.explain(DEPENDENT)


def salvaged(world: World, file: str) -> str:
    """What the salvage of the bad issue has in a file."""
    ref = world.state().issues[BAD].salvage
    assert ref is not None
    return world.git("show", f"{ref}:{file}")


def test_one_that_crashes(tmp_path: Path) -> None:
    world, ended = run_with(tmp_path, "echo precious > half\necho 'out of ideas' >&2\nexit 3\n")
    failed_for("agent_error", world, ended)
    assert salvaged(world, "half") == "precious"
    assert "out of ideas" in world.explain(BAD)


def test_one_that_is_killed_from_outside(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.issues({BAD: [], DEPENDENT: [BAD], OTHER: []})
    world.agent(BAD, 'echo precious > half\necho $$ > "$root/pid"\n' + World.until_let("never"))
    live = world.begin_start()
    pid = live.until("the agent runs", lambda: world.lines("pid"))
    os.kill(int(pid[0]), signal.SIGKILL)
    failed_for("agent_error", world, live.wait())
    assert salvaged(world, "half") == "precious"


def test_one_that_hangs(tmp_path: Path) -> None:
    hang = "echo precious > half\nsleep 1000\n"
    world, ended = run_with(tmp_path, hang, agents={"stall_timeout_minutes": 0.06})
    failed_for("stalled", world, ended)
    assert salvaged(world, "half") == "precious"


def test_one_that_takes_too_long(tmp_path: Path) -> None:
    busy = "echo precious > half\nwhile :; do sleep 0.1; echo on and on; done\n"
    world, ended = run_with(tmp_path, busy, agents={"turn_timeout_minutes": 0.06})
    failed_for("timeout", world, ended)
    assert salvaged(world, "half") == "precious"


def test_one_that_leaves_a_file_of_holes(tmp_path: Path) -> None:
    """It takes no room, so no limit ends the agent; git would read terabytes of it."""
    hole = "echo precious > half\ntruncate -s 4T disk.img\n"
    world, ended = run_with(tmp_path, hole)
    failed_for("workspace_error", world, ended)
    assert salvaged(world, "half") == "precious"
    assert "'disk.img' alone has 4398.0 (holes count)" in world.explain(BAD)
    assert "4398.0 GB to read, the limit is 50" in world.explain(BAD)


def test_one_that_does_nothing(tmp_path: Path) -> None:
    failed_for("no_changes", *run_with(tmp_path, "true\n"))


def test_one_that_breaks_the_gate(tmp_path: Path) -> None:
    gate = {"commands": ["if test -e bad; then echo 'this is bad'; exit 1; fi"]}
    world, ended = run_with(tmp_path, "echo precious > bad\n", verify=gate, agents={"repair_rounds": 1})
    failed_for("gate_failed", world, ended)
    assert salvaged(world, "bad") == "precious"
    assert "this is bad" in world.explain(BAD)
    assert len(world.lines("began")) == 3  # twice the bad one: once more than the first time


def test_one_that_edits_a_claimed_file(tmp_path: Path) -> None:
    world = World(tmp_path, {"shared.txt": "mine\n"})
    world.issues({BAD: [], DEPENDENT: [BAD]})
    world.issue(OTHER, files=["shared.txt"])
    world.agent(BAD, 'echo precious > shared.txt\ntouch "$root/written"\n')
    world.agent(OTHER, "echo changed > shared.txt\n" + World.until_let("over"))
    live = world.begin_start("--set", "agents.repair_rounds=1")
    live.until("it has failed", lambda: world.stands(BAD) == "failed")
    world.let("over")
    failed_for("claim_conflict", world, live.wait())
    assert salvaged(world, "shared.txt") == "precious"
    assert "shared.txt" in world.explain(BAD)
    assert (world.repo / "shared.txt").read_text() == "changed\n"


def test_one_that_edits_a_protected_path(tmp_path: Path) -> None:
    evil = "mkdir -p .github/workflows\necho precious > .github/workflows/evil.yml\n"
    world, ended = run_with(tmp_path, evil)
    failed_for("protected_path", world, ended)
    assert salvaged(world, ".github/workflows/evil.yml") == "precious"
    assert ".github/workflows/evil.yml" in world.explain(BAD)


def test_one_that_leaves_grandchildren_in_sessions_of_their_own(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.issues({BAD: [], OTHER: []})
    world.agent(BAD, f"setsid sh -c 'sleep 1000 #{tmp_path}' &\necho work > work\n")
    world.agent(OTHER, f"setsid sh -c 'sleep 1000 #{tmp_path}' &\nexit 1\n")
    ended = world.start()
    assert ended.code == 1, ended.said
    promises.kept(world, [BAD])


def test_one_that_lies_to_git(tmp_path: Path) -> None:
    """It points its HEAD at the target; what it wrote goes to its own branch all the same."""
    world, ended = run_with(tmp_path, "echo work > work\ngit symbolic-ref HEAD refs/heads/main\n")
    assert ended.code == 0, ended.said
    promises.kept(world)


def test_one_that_puts_its_tree_on_the_target_and_fails(tmp_path: Path) -> None:
    """Its tree is not a checkout of a person's: nobody has to clean it before the others land."""
    evil = "echo precious > half\ngit symbolic-ref HEAD refs/heads/main\ngit add half\nexit 3\n"
    world, ended = run_with(tmp_path, evil)
    failed_for("agent_error", world, ended)
    assert salvaged(world, "half") == "precious"


def test_one_that_names_a_file_in_no_encoding(tmp_path: Path) -> None:
    world, ended = run_with(tmp_path, "echo work > \"$(printf 'w\\377rk')\"\n")
    assert ended.code == 0, ended.said
    assert ended.document["issues"][0]["files"] == ["w?rk"]
    promises.kept(world)
