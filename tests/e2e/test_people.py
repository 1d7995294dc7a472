"""People who work in their repository while a run is on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import promises
from tests.support.repos import commit
from tests.support.world import Live, World

pytestmark = pytest.mark.e2e


def held(world: World, *arguments: str) -> Live:
    """A run whose one agent has begun and waits for `let("on")`."""
    world.issue(101)
    world.agent(101, World.until_let("on") + "echo work > work\nmkdir new\necho new > new/file\n")
    live = world.begin_start(*arguments)
    live.until("#101 works", lambda: world.stands(101) == "working")
    return live


@pytest.mark.parametrize(
    ("spoil", "mend", "named"),
    [
        (
            lambda w: (w.repo / "README.md").write_text("mine\n"),
            lambda w: w.git("checkout", "README.md"),
            "README.md",
        ),
        (lambda w: (w.repo / "work").write_text("mine\n"), lambda w: (w.repo / "work").unlink(), "work"),
    ],
    ids=["a changed file", "an untracked file in the way"],
)
def test_landing_waits_for_a_dirty_checkout(
    spoil: Callable[[World], object], mend: Callable[[World], object], named: str, tmp_path: Path
) -> None:
    world = World(tmp_path)
    live = held(world)
    spoil(world)
    world.let("on")
    ended = live.wait()
    assert ended.code == 3, ended.said
    assert named in ended.said
    assert named in world.explain(101)
    assert promises.landings(world) == []
    mend(world)
    resumed = world.resume()
    assert resumed.code == 0, resumed.said
    promises.kept(world)


def test_a_run_that_is_resumed_with_another_gate_lands_nothing_on_the_word_of_the_one_before(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    live = held(world)
    (world.repo / "work").write_text("mine\n")
    world.let("on")
    assert live.wait().code == 3
    (world.repo / "work").unlink()
    resumed = world.resume("--set", "verify.commands=['test ! -e work']")
    assert resumed.states == {101: "parked"}, resumed.said
    assert promises.landings(world) == []


def test_an_untracked_file_that_is_not_in_the_way_is_nobodys_business(tmp_path: Path) -> None:
    world = World(tmp_path)
    live = held(world)
    (world.repo / "notes").write_text("mine\n")
    world.let("on")
    assert live.wait().code == 0
    assert (world.repo / "notes").read_text() == "mine\n"
    (world.repo / "notes").unlink()
    promises.kept(world)


def test_a_target_that_went_on_is_composed_on_and_gated_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    live = held(world)
    theirs = commit(world.repo, {"theirs": "theirs\n"})
    world.let("on")
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert world.git("merge-base", "--is-ancestor", theirs, "main") == ""
    assert (world.repo / "theirs").exists()
    promises.kept(world)


def test_a_target_without_what_landed_stops_the_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.issues({101: [], 102: [101]})
    world.agent(102, World.until_let("on") + "echo work > work\n")
    live = world.begin_start()
    live.until("#102 works", lambda: world.stands(102) == "working")
    landed = world.git("rev-parse", "main")
    world.git("reset", "--quiet", "--hard", "main^")
    world.let("on")
    ended = live.wait()
    assert ended.code == 3, ended.said
    assert landed[:12] in ended.said
    assert "does not contain" in ended.said
    world.git("reset", "--quiet", "--hard", landed)
    resumed = world.resume()
    assert resumed.code == 0, resumed.said
    promises.kept(world)


def held_at(sign: Path) -> str:
    """A piece of a gate's script: it says that it has come here, and waits for the sign."""
    return f'touch "{sign}-held"; while [ ! -e "{sign}" ]; do sleep 0.02; done'


@pytest.mark.parametrize(
    "tidying", [("gc", "--quiet", "--prune=now"), ("clean", "-ffdxq"), ("worktree", "prune")], ids=" ".join
)
def test_tidying_up_loses_nothing(tidying: tuple[str, ...], tmp_path: Path) -> None:
    """Nothing is moved meanwhile: `git clean` takes what a checkout has written and its index does not have yet."""
    alone = f"[ -e work ] && [ -e issue-102.txt ] || {{ {held_at(tmp_path / 'alone')}; }}"
    together = f"[ ! -e work ] || [ ! -e issue-102.txt ] || {{ {held_at(tmp_path / 'together')}; }}"
    world = World(tmp_path, verify={"commands": [alone, together]})
    world.issues({101: [], 102: [], 103: [101, 102]})
    world.agent(101, "echo work > work\n" + World.until_let("on"))

    def tidy() -> None:
        world.git("reflog", "expire", "--expire=now", "--all")
        world.git(*tidying)

    live = world.begin_start()
    live.until("a candidate is checked", (tmp_path / "alone-held").exists)
    tidy()
    world.let("alone")
    live.until("it has landed", lambda: world.stands(102) == "landed")
    world.let("on")
    live.until("the other is checked on top of it", (tmp_path / "together-held").exists)
    tidy()
    world.let("together")
    ended = live.wait()
    assert ended.code == 0, ended.said
    promises.kept(world)


def test_two_runs_on_two_targets_go_on_side_by_side(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.issues({101: [], 102: []})
    world.git("branch", "other")
    world.agent(101, 'touch "$root/101"\n' + World.until_let("102") + "echo 1 > one\n")
    world.agent(102, 'touch "$root/102"\n' + World.until_let("101") + "echo 2 > two\n")
    here = world.begin("start", "-i", "101", "--json")
    there = world.begin("start", "-i", "102", "--json", "--set", "orchestrator.target_branch=other")
    assert [live.wait().code for live in (here, there)] == [0, 0], here.said + there.said
    assert world.git("show", "main:one") == "1"
    assert world.git("show", "other:two") == "2"
    promises.nothing_runs(world)
    assert world.git("status", "--porcelain") == ""


def test_a_second_start_on_the_same_target_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    live = held(world)
    second = world.start()
    assert second.code == 2
    assert "mawep resume" in second.said
    assert "mawep cancel" in second.said
    world.let("on")
    assert live.wait().code == 0
    promises.kept(world)
