"""`mawep resolve`: a person takes up what is parked, in a worktree of their own, and it lands."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.core import events as ev
from mawep.state.runs import list_runs
from tests.chaos.test_boundaries import die_at
from tests.support import promises
from tests.support.repos import git, write
from tests.support.world import World

pytestmark = pytest.mark.e2e

FILE = "gemeinsam/süß.txt"


def place(world: World) -> Path:
    """Where the person resolves it."""
    (found,) = [path for path in (world.root / "worktrees").iterdir() if path.name.startswith("resolve-")]
    return found


def commit_there(world: World, text: str) -> None:
    write(place(world) / FILE, text)
    git(place(world), "add", "--all")
    git(place(world), "commit", "--quiet", "-m", "both")


def until(number: int) -> str:
    return World.until_let(f"go-{number}")


@pytest.fixture
def parked(tmp_path: Path) -> World:
    """#102 conflicts with #101, which has landed before it, and is parked."""
    world = World(tmp_path, conflict_resolution={"semantic_merge": False})
    for number in (101, 102):
        world.issue(number)
        world.agent(number, until(number) + f"mkdir gemeinsam; echo from {number} > '{FILE}'\n")
    mawep = world.begin_start()
    both = {101: "working", 102: "working"}
    mawep.until("both are at work", lambda: {n: world.stands(n) for n in both} == both)
    world.let("go-101")
    mawep.until("#101 has landed", lambda: world.stands(101) == "landed")
    world.let("go-102")
    ended = mawep.wait()
    assert ended.states == {101: "landed", 102: "parked"}, ended.said
    return world


def test_a_person_resolves_it_and_it_lands(parked: World) -> None:
    told = parked.run("resolve", "102")
    assert told.code == 0, told.said
    assert str(place(parked)) in told.out and FILE in told.out
    text = (place(parked) / FILE).read_text()
    assert "from 101" in text and "from 102" in text and "|||||||" in text
    notes = (parked.directory.path / "resolve" / "102.md").read_text()
    assert "Do piece 102." in notes and "<<<<<<<" in notes
    assert parked.run("resolve", "102").out == told.out, "asked again it is the same"
    assert parked.run("cleanup", "--all").code == 0
    assert place(parked).is_dir(), "it is theirs"
    commit_there(parked, "from 101\nfrom 102\n")
    ended = parked.run("resolve", "102", "--continue", "--json")
    assert (ended.code, ended.states) == (0, {101: "landed", 102: "landed"}), ended.said
    assert parked.git("show", f"main:{FILE}") == "from 101\nfrom 102"
    assert parked.run("audit").code == 0
    refs = parked.git("for-each-ref", "--format=%(refname)").split()
    assert [ref for ref in refs if "resolve" in ref or "102" in ref] == []
    assert not any("resolve-" in path.name for path in (parked.root / "worktrees").iterdir())
    promises.checkout_is_the_target(parked)
    promises.nothing_is_broken(parked)


def test_what_is_not_finished_is_not_taken(parked: World) -> None:
    early = parked.run("resolve", "102", "--continue")
    assert (early.code, "is not being resolved" in early.said) == (2, True)
    parked.run("resolve", "102")
    before = parked.git("for-each-ref", "refs/mawep")
    tree = place(parked)

    def refused(why: str) -> bool:
        said = parked.run("resolve", "102", "--continue")
        return said.code == 2 and why in said.said and FILE in said.said + FILE

    assert refused("is still in conflict")
    git(tree, "add", "--all")
    assert refused("the merge in")
    git(tree, "commit", "--quiet", "-m", "with markers")
    assert refused(f"conflict markers are committed in {FILE}")
    write(tree / FILE, "both\n")
    assert refused("is not committed")
    assert parked.git("for-each-ref", "refs/mawep") == before
    assert parked.events(ev.CandidateOffered) == []


def test_to_let_go_of_it_loses_no_commit(parked: World) -> None:
    parked.run("resolve", "102")
    assert parked.run("resolve", "102", "--abort").code == 0
    assert "resolve" not in parked.git("for-each-ref")
    parked.run("resolve", "102")
    commit_there(parked, "both\n")
    head = git(place(parked), "rev-parse", "HEAD").strip()
    said = parked.run("resolve", "102", "--abort")
    assert (said.code, "stays on branch" in said.out) == (0, True)
    assert head in parked.git("for-each-ref", "refs/heads")
    assert parked.run("resolve", "102").code == 0, "it can be begun anew beside that"
    assert parked.run("explain", "102", "--json").document["state"] == "parked"


def test_what_a_person_made_is_gated_and_parked_again_when_it_is_red(parked: World) -> None:
    parked.run("resolve", "102")
    commit_there(parked, "bad\n")
    gate = ("--set", f"verify.commands=[\"! grep -q bad '{FILE}'\"]")
    ended = parked.run("resolve", "102", "--continue", "--json", *gate)
    assert (ended.code, ended.states) == (1, {101: "landed", 102: "parked"}), ended.said
    assert "made of it does not pass the gate" in parked.explain(102)
    commit_there(parked, "good\n")
    ended = parked.run("resolve", "102", "--continue", "--json", *gate)
    assert ended.states == {101: "landed", 102: "landed"}, ended.said


def test_a_live_run_takes_it_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, conflict_resolution={"semantic_merge": False})
    for number in (101, 102, 103):
        world.issue(number)
        world.agent(number, until(number) + f"mkdir gemeinsam; echo {number} > '{FILE}'\n")
    world.agent(103, until(103) + "echo 103 > issue-103.txt\n")
    mawep = world.begin_start()
    mawep.until("#102 and #103 are at work", lambda: world.stands(102) == world.stands(103) == "working")
    world.let("go-101")
    mawep.until("#101 has landed", lambda: world.stands(101) == "landed")
    world.let("go-102")
    mawep.until("#102 is parked", lambda: world.stands(102) == "parked")
    assert world.run("resolve", "102").code == 0
    commit_there(world, "both\n")
    said = world.run("resolve", "102", "--continue")
    assert (said.code, "#102 goes on with" in said.out) == (0, True), said.said
    mawep.until("#102 has landed", lambda: world.stands(102) == "landed")
    again = world.run("resolve", "102", "--continue")
    assert (again.code, "#102 is landed" in again.said) == (2, True)
    assert world.run("resolve", "102", "--abort").code == 0
    world.let("go-103")
    mawep.wait()
    assert not any(path.name.startswith("resolve-") for path in (world.root / "worktrees").iterdir())


def test_a_revert_that_is_parked_is_resolved_as_well(parked: World) -> None:
    write(parked.repo / FILE, "from 101, and more\n")
    git(parked.repo, "commit", "--quiet", "--all", "-m", "later work")
    assert parked.run("revert", "101", "--json").states == {101: "parked"}
    assert parked.run("resolve", "101").code == 0
    write(place(parked) / FILE, "and more\n")
    git(place(parked), "add", "--all")
    git(place(parked), "commit", "--quiet", "-m", "take it out by hand")
    ended = parked.run("resolve", "101", "--continue", "--json")
    assert ended.states == {101: "reverted"}, ended.said
    assert parked.git("show", f"main:{FILE}") == "and more"
    assert parked.run("start", "--issues", "101", "--json").code in (0, 1), "it can be done anew"


@pytest.mark.chaos
@pytest.mark.parametrize(
    "point",
    [
        "call mawep.stages.workspace.handover:update_refs after 1",
        "call mawep.stages.workspace.handover:make_entry after 1",
        "call mawep.stages.workspace.handover:merge_there before 1",
        "call mawep.cli.resolving:merge_there after 1",
    ],
)
def test_a_worktree_for_a_person_that_is_half_made_is_made_anew(point: str, parked: World) -> None:
    die_at(parked, point.replace("handover:merge_there", "handover:_begun"), "resolve", "102")
    assert parked.run("resolve", "102").code == 0
    commit_there(parked, "both\n")
    assert parked.run("resolve", "102", "--continue", "--json").states == {101: "landed", 102: "landed"}


@pytest.mark.chaos
@pytest.mark.parametrize("point", ["journal CandidateOffered before 1", "journal CandidateOffered after 1"])
def test_what_is_handed_in_while_mawep_dies_lands_once(point: str, parked: World) -> None:
    parked.run("resolve", "102")
    commit_there(parked, "both\n")
    die_at(parked, point, "resolve", "102", "--continue", "--json")
    before = point.endswith("before 1")
    ended = parked.run("resolve", "102", "--continue", "--json") if before else parked.resume()
    assert ended.states == {101: "landed", 102: "landed"}, ended.said
    assert len(list_runs(parked.repo / ".git")) == 1
    assert parked.git("log", "--first-parent", "--format=%s", "main").count("Merge #102") == 1
