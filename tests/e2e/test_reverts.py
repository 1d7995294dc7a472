"""`mawep revert`: what landed is taken back through the queue and the gate, and can land again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.chaos.test_boundaries import die_at
from tests.support import promises
from tests.support.world import World

pytestmark = pytest.mark.e2e


@pytest.fixture
def landed(tmp_path: Path) -> World:
    """#102 has landed on top of #101, and #103 beside both."""
    world = World(tmp_path, verify={"commands": ["test ! -e red || test -e issue-103.txt"]})
    world.issues({101: (), 102: (101,), 103: ()})
    world.agent(101, "echo one > shared.txt\n")
    world.agent(102, "echo two >> shared.txt\n")
    assert world.start().code == 0
    return world


def there(world: World) -> set[str]:
    """The files on the target that agents made."""
    return {name for name in world.git("ls-tree", "--name-only", "main").split() if name.endswith(".txt")}


def all_is_well(world: World) -> None:
    """What must hold after a run that took something back."""
    promises.checkout_is_the_target(world)
    promises.nothing_is_broken(world)
    promises.nothing_runs(world)
    promises.nothing_is_left_but_what_is_kept(world)


def subjects(world: World) -> str:
    return world.git("log", "--first-parent", "--format=%s", "main")


def test_a_landing_is_taken_back_and_the_issue_can_land_again(landed: World) -> None:
    before = landed.git("rev-parse", "main")
    ended = landed.run("revert", "103", "--json")
    assert (ended.code, ended.states) == (0, {103: "reverted"}), ended.said
    assert there(landed) == {"shared.txt"}
    (issue,) = ended.document["issues"]
    assert issue["reverted_as"] == landed.git("rev-parse", "main")
    assert landed.git("rev-parse", "main^") == before
    assert (
        landed.git("log", "-1", "--format=%(trailers:key=Mawep-Reverts,valueonly)", "main").strip() == "103"
    )
    assert landed.git("status", "--porcelain") == ""
    assert len(landed.events(ev.GateFinished)) == 1, "what is gated by itself is what lands"
    assert landed.run("audit").code == 0
    again = landed.run("revert", "103")
    assert (again.code, "has not landed" in again.said) == (2, True)
    assert landed.start().states == {103: "landed"}
    assert "issue-103.txt" in there(landed)
    assert landed.run("revert", "103", "--json").states == {103: "reverted"}
    all_is_well(landed)


def test_what_depends_on_it_is_listed_first_and_nothing_is_touched(landed: World) -> None:
    refs, runs = landed.git("for-each-ref"), landed.directory
    said = landed.run("revert", "101")
    commit = landed.state().issues[102].landed_as or ""
    assert said.code == 2
    assert f"What has landed since depends on #101: #102 Piece 102 ({commit[:7]})" in said.said
    assert "mawep revert 101 --with-dependents" in said.said
    assert (landed.git("for-each-ref"), landed.directory) == (refs, runs)


def test_it_goes_with_what_depends_on_it_in_one_landing(landed: World) -> None:
    ended = landed.run("revert", "101", "--with-dependents", "--json")
    assert ended.code == 0, ended.said
    assert there(landed) == {"issue-103.txt"}
    reverted = landed.git("log", "-1", "--format=%(trailers:key=Mawep-Reverts,valueonly)", "main")
    assert reverted.split() == ["102", "101"]
    assert landed.start().states == {101: "landed", 102: "landed"}


def test_a_revert_that_later_work_builds_on_is_parked_with_its_hunks(landed: World) -> None:
    before = landed.git("rev-parse", "main")
    ended = landed.run("revert", "101", "--only", "--json")
    assert (ended.code, ended.states) == (1, {101: "parked"})
    assert landed.git("rev-parse", "main") == before
    told = landed.explain(101)
    assert "later work builds on what #101 brought: shared.txt" in told and "mawep resolve 101" in told
    assert landed.run("start", "--issues", "101").code == 2, "it has landed still"


def test_a_revert_that_is_red_does_not_land(landed: World) -> None:
    (landed.repo / "red").touch()
    landed.git("add", "red")
    landed.git("commit", "--quiet", "-m", "now the gate needs #103")
    before = landed.git("rev-parse", "main")
    assert landed.run("revert", "103", "--json").states == {103: "parked"}
    assert landed.git("rev-parse", "main") == before
    assert "the revert does not pass the gate" in landed.explain(103)


def test_a_live_run_takes_it_into_its_queue(landed: World) -> None:
    landed.issue(104)
    landed.agent(104, World.until_let("go") + "echo four > issue-104.txt\n")
    mawep = landed.begin_start()
    mawep.until("#104 is at work", lambda: landed.stands(104) == "working")
    said = landed.run("revert", "103")
    assert (said.code, "#103 is being reverted" in said.out) == (0, True), said.said
    mawep.until("#103 is reverted", lambda: landed.stands(103) == "reverted")
    assert landed.run("revert", "103").code == 2
    landed.let("go")
    ended = mawep.wait()
    assert (ended.code, ended.states) == (0, {103: "reverted", 104: "landed"}), ended.said
    assert there(landed) == {"shared.txt", "issue-104.txt"}


def test_what_is_at_work_on_top_of_it_is_not_pulled_away(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.issues({101: (), 102: (101,)})
    world.agent(102, World.until_let("go") + "echo two > issue-102.txt\n")
    mawep = world.begin_start()
    mawep.until("#102 is at work", lambda: world.stands(102) == "working")
    said = world.run("revert", "101")
    assert (said.code, "#102 is under way on top of #101" in said.said) == (2, True)
    world.let("go")
    assert mawep.wait().code == 0


def test_an_unfinished_run_is_named_and_nothing_begins(landed: World) -> None:
    landed.issue(104)
    landed.agent(104, World.until_let("go"))
    mawep = landed.begin_start()
    mawep.until("#104 is at work", lambda: landed.stands(104) == "working")
    mawep.kill()
    said = landed.run("revert", "103")
    assert (said.code, "was interrupted" in said.said) == (2, True)
    assert landed.run("cancel").code == 0
    promises.nothing_runs(landed)


@pytest.mark.parametrize("mode", ["pull_request", "branch_only"])
def test_what_it_does_not_do_is_said(mode: str, landed: World) -> None:
    said = landed.run("revert", "103", "--set", f"landing.mode={mode}")
    assert (said.code, f"landing.mode: {mode}" in said.said) == (2, True)


@pytest.mark.chaos
@pytest.mark.parametrize(
    "point",
    [
        "journal RevertAsked before 1",
        "journal RevertAsked after 1",
        "effect RevertIntended before 1",
        "call mawep.stages.land.revert:hold before 1",
        "effect RevertIntended after 1",
        "journal CandidateImported after 1",
        "journal TargetMoved after 1",
    ],
)
def test_a_revert_that_dies_there_is_gone_on_with(point: str, landed: World) -> None:
    die_at(landed, point, "revert", "103", "--json")
    ended = landed.run("revert", "103", "--json") if point.endswith("Asked before 1") else landed.resume()
    assert ended.states == {103: "reverted"}, ended.said
    assert subjects(landed).count("revert Piece 103") == 1
    assert there(landed) == {"shared.txt"}
    all_is_well(landed)
