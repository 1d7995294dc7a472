"""Two packages that have nothing to do with one another: neither waits for the other's gate."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support import promises
from tests.support.world import Live, World

pytestmark = pytest.mark.e2e


class Lanes:
    """#1 and #2 change the one package, #3 the other; the first gate of the two together waits until `go` is let.

    Those of each alone wait until `judge` is let.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        alone, both = self._until("judge"), self._until("go")
        api = (
            f"echo api $(ls api) >> {root}/gated; if [ -e api/1 -a -e api/2 ]; then {both}; else {alone}; fi"
        )
        scopes = [
            {"name": "api", "paths": ["api"], "commands": [api]},
            {"name": "web", "paths": ["web"], "commands": [f"echo web $(ls api) >> {root}/gated"]},
        ]
        self.world = World(
            root,
            {"api/first": "1\n", "web/first": "1\n"},
            orchestrator={"max_agents": 3},
            verify={"commands": [], "scopes": scopes, "slots": 2},
            landing={"lanes": True},
        )
        self.world.issues({1: (), 2: (), 3: ()})
        for number in (1, 2):
            self.world.agent(
                number, f'{self.world.until_let("both")}echo "$MAWEP_ISSUE" > "api/$MAWEP_ISSUE"\n'
            )
        self.world.agent(3, f"{self.world.until_let('three')}echo 3 > web/3\n")

    def _until(self, name: str) -> str:
        return f"while [ ! -e {self.root}/{name} ]; do sleep 0.02; done"

    def gated(self) -> list[str]:
        """What the gate commands were run on, in order."""
        gated = self.root / "gated"
        return gated.read_text().splitlines() if gated.exists() else []

    def together(self) -> bool:
        return "api 1 2 first" in self.gated()

    def until_two_are_gated_together(self) -> Live:
        """Until what #1 and #2 made is composed and gated, while #3 is at work."""
        world = self.world
        mawep = world.begin_start()
        mawep.until("all agents work", lambda: len(world.events(ev.AttemptStarted)) == 3)
        world.let("both")
        mawep.until("both wait for their gates", lambda: len(world.events(ev.CandidateImported)) == 2)
        world.let("judge")
        mawep.until("what they made is gated together", self.together)
        return mawep

    def until_the_other_has_landed(self) -> Live:
        """Until #3 is on the target, while the gate of #1 and #2 goes on."""
        mawep = self.until_two_are_gated_together()
        self.world.let("three")
        mawep.until(
            "the other package has landed, and all of it is done",
            lambda: self.world.events(ev.TargetMoved) and promises.landings(self.world) == [3],
        )
        return mawep


def test_one_package_lands_while_the_other_is_gated_and_no_gate_is_run_again(tmp_path: Path) -> None:
    lanes = Lanes(tmp_path)
    world = lanes.world
    mawep = lanes.until_the_other_has_landed()
    (aside,) = world.run("status", "--json").document["landing"]["aside"]
    assert sorted(aside) == [1, 2]
    assert "gating beside" in world.run("status").out
    world.let("go")
    ended = mawep.wait()
    assert ended.states == {1: "landed", 2: "landed", 3: "landed"}, ended.said
    assert sorted(lanes.gated()) == ["api 1 2 first", "api 1 first", "api 2 first", "web first"]
    assert world.git("ls-tree", "-r", "--name-only", "main", "api", "web").split() == [
        *("api/1", "api/2", "api/first", "web/3", "web/first")
    ]
    audit = world.run("audit")
    assert audit.code == 0, audit.said
    assert "gate green" in world.run("logs", "1", "--gate").out
    promises.kept(world)
    with sqlite3.connect(world.directory.journal) as db:  # as if a scope had been another one
        db.execute(
            """UPDATE events SET json = replace(json, '["web"]', '["no"]') WHERE type = 'RunStarted'"""
        )
    db.close()
    problems = world.run("audit", "--json").document["problems"]
    assert any("its gate read something else" in problem["detail"] for problem in problems)


def test_a_run_that_dies_with_a_batch_set_aside_lands_all_of_it(tmp_path: Path) -> None:
    lanes = Lanes(tmp_path)
    lanes.until_the_other_has_landed().kill()
    lanes.world.let("go")
    ended = lanes.world.resume()
    assert ended.states == {1: "landed", 2: "landed", 3: "landed"}, ended.said
    assert sum(line == "web first" for line in lanes.gated()) == 1
    assert lanes.world.run("audit").code == 0
    promises.kept(lanes.world)


def test_a_gate_beside_a_move_that_waits_for_a_clean_checkout_is_not_broken_off(tmp_path: Path) -> None:
    lanes = Lanes(tmp_path)
    world = lanes.world
    mawep = lanes.until_two_are_gated_together()
    (world.repo / "web" / "3").write_text("mine\n")
    world.let("three")
    mawep.until("the move waits", lambda: world.events(ev.MoveBlocked))
    world.let("go")
    ended = mawep.wait()
    assert ended.code == 3, ended.said
    assert len(world.events(ev.GateFinished)) == 4, ended.said
    (world.repo / "web" / "3").unlink()
    ended = world.resume()
    assert ended.states == {1: "landed", 2: "landed", 3: "landed"}, ended.said
    assert lanes.gated().count("api 1 2 first") == 1
    promises.kept(world)


def test_a_run_resumed_without_lanes_lands_no_tree_that_the_gate_has_not_seen(tmp_path: Path) -> None:
    """Since then the gate has a command that reads everything."""
    lanes = Lanes(tmp_path)
    world = lanes.world
    mawep = world.begin_start()
    mawep.until("all agents work", lambda: len(world.events(ev.AttemptStarted)) == 3)
    mawep.kill()
    for name in ("both", "judge", "three", "go"):
        world.let(name)
    apart = "verify.commands=['! { test -e api/1 && test -e web/3; }']"
    ended = world.resume("--set", "landing.lanes=false", "--set", apart)
    landed = promises.landings(world)
    assert sorted(landed) in ([1, 2], [2, 3]), ended.said
    promises.kept(world, landed)


def test_what_is_changed_on_the_target_by_hand_is_gated_with_it(tmp_path: Path) -> None:
    """The verdict of a lane holds for what its scopes read: here somebody changes just that."""
    lanes = Lanes(tmp_path)
    world = lanes.world
    mawep = lanes.until_the_other_has_landed()
    (world.repo / "api" / "theirs").write_text("1\n")
    world.git("add", "api/theirs")
    world.git("commit", "-q", "-m", "by hand")
    world.let("go")
    ended = mawep.wait()
    assert ended.states == {1: "landed", 2: "landed", 3: "landed"}, ended.said
    assert "api 1 2 first theirs" in lanes.gated()
    promises.kept(world)
