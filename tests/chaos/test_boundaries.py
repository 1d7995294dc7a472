"""`kill -9` at every boundary of every effect, then `mawep resume`: the run ends as if nothing had happened."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.chaos.scenarios import (
    CHAIN,
    CLASHING,
    FAILING,
    FOLLOWING,
    LIMITED,
    MANY,
    OVERTAKEN,
    REPAIRED,
    RESOLVED,
    RETURNED,
    REVIEWED,
    STOPPED,
    Scenario,
)
from tests.support import promises
from tests.support.world import Ended, World

pytestmark = pytest.mark.chaos

START = ("start", "--issues", "all", "--json")
CRASHING = (sys.executable, "-m", "tests.chaos.crashing")
HOUSE = Path(__file__).parents[2]

INTENTS = {
    "AttemptAssigned": (CHAIN, "TurnEnded"),
    "ImportIntended": (CHAIN, "CandidateImported"),
    "GateIntended": (CHAIN, "GateFinished"),
    "CandidateQueued": (CHAIN, "CandidateQueued"),
    "LandingOpened": (CHAIN, "LandingComposed"),
    "SealIntended": (CHAIN, "LandingSealed"),
    "MoveIntended": (CHAIN, "TargetMoved"),
    "RetireIntended": (CHAIN, "WorkspacesRetired"),
    "RepairIntended": (REPAIRED, "RepairIntended"),
    "AttemptContinued": (LIMITED, "AttemptContinued"),
    "StopIntended": (STOPPED, "AttemptFailed"),
    "ProbeIntended": (CLASHING, "ProbeComposed"),
    "ReviewIntended": (REVIEWED, "ReviewFinished"),
    "BreaksSought": (OVERTAKEN, "BreaksFound"),
}
"""Every intent with a run that has it, and its done event (or itself, if nothing is journalled when it is done)."""

EFFECTS = [
    pytest.param(scenario, point, id=point.replace(" ", "-"))
    for intent, (scenario, done) in INTENTS.items()
    for point in (f"effect {intent} before 1", f"effect {intent} after 1", f"journal {done} after 1")
]

INSIDE = {
    "a worktree is made": (
        CHAIN,
        (
            "call mawep.stages.workspace.registry:Registry.create after 1",
            "call mawep.stages.workspace.trees:Trees.check_out after 1",
            "call mawep.stages.workspace.layout:make_entry after 1",
            "call mawep.stages.workspace.workspaces:Workspaces._make_branch after 1",
            "call mawep.stages.workspace.layout:move_entry before 1",
            "call mawep.stages.workspace.layout:move_entry after 1",
            "call mawep.stages.workspace.workspaces:Workspaces.lend after 1",
        ),
    ),
    "an agent's work is committed for it": (
        CHAIN,
        (
            "call mawep.stages.workspace.commit:commit_tree after 1",
            "call mawep.stages.workspace.commit:update_refs after 1",
        ),
    ),
    "a result is handed in": (
        CHAIN,
        (
            "call mawep.coordination.leases:Leases.acquire after 1",
            "call mawep.coordination.leases:Leases.commit before 1",
            "call mawep.coordination.leases:Leases.commit after 1",
            "journal AttemptStarted after 1",
        ),
    ),
    "a candidate is taken in": (
        CHAIN,
        (
            "call mawep.stages.acceptance:make_durable after 1",
            "call mawep.stages.acceptance:hold after 1",
        ),
    ),
    "a review is made": (
        REVIEWED,
        (
            "call mawep.stages.workspace.reading:Readings.forget after 1",
            "call mawep.worker.reviewer:open_recorded after 1",
            "call mawep.worker.reviewer:Reviewer._converse after 1",
            "call mawep.worker.reviewer:Reviewer.review after 1",
            "journal ReviewFinished before 2",
        ),
    ),
    "a gate has run": (CHAIN, ("call mawep.stages.verify:run after 1",)),
    "merges are made": (
        CHAIN,
        (
            "call mawep.stages.land:commit_tree after 1",
            "call mawep.stages.land:hold after 1",
            "call mawep.stages.land:hold before 2",
            "call mawep.stages.land:hold after 2",
        ),
    ),
    "the gate chooses among ways to merge": (
        RESOLVED,
        (
            "call mawep.stages.land.resolve:_put after 1",
            "call mawep.stages.land:hold after 4",
            "journal LandingComposed after 2",
            "effect GateIntended before 4",
            "journal GateFinished after 3",
            "journal GateFinished after 4",
            "journal LandingSealed after 2",
        ),
    ),
    "work goes back to its agent": (
        RETURNED,
        (
            "journal CandidateReturned before 1",
            "journal CandidateReturned after 1",
            "effect RepairIntended before 1",
            "effect RepairIntended after 1",
            "call mawep.stages.workspace.commit:update_refs after 3",
            "call mawep.stages.workspace.merges:conclude before 3",
            "journal CandidateQueued after 3",
        ),
    ),
    "a branch follows the target": (
        FOLLOWING,
        (
            "call mawep.stages.workspace.following:update_refs before 1",
            "call mawep.stages.workspace.following:update_refs after 1",
            "call mawep.stages.workspace.workspaces:Workspaces.follow after 1",
        ),
    ),
    "the target moves": (
        CHAIN,
        (
            "call mawep.adapters.git_checkout:_write_durably after 1",
            "call mawep.stages.land:update_refs_again before 1",
            "call mawep.stages.land:update_refs_again after 1",
        ),
    ),
    "a checkout is torn": (MANY, ("tear many written 1", "tear many written 300")),
    "an attempt is retired": (
        CHAIN,
        (
            "call mawep.stages.workspace.workspaces:Workspaces.discard before 1",
            "call mawep.stages.workspace.trees:Trees.dispose after 1",
            "call mawep.stages.workspace.workspaces:Workspaces.discard after 1",
            "call mawep.stages.land:forget_refs after 1",
        ),
    ),
    "work is salvaged": (
        FAILING,
        (
            "call mawep.stages.workspace.salvage:Salvager.salvage before 1",
            "call mawep.stages.workspace.salvage:update_refs before 1",
            "call mawep.stages.workspace.salvage:Salvager.salvage after 1",
            "journal AttemptFailed before 1",
        ),
    ),
    "the run begins or stops": (CHAIN, ("journal RunStarted after 1",)),
}

INSIDES = [
    pytest.param(scenario, point, id=f"{what}: {point}".replace(" ", "-"))
    for what, (scenario, points) in INSIDE.items()
    for point in points
]


def crashing(world: World, point: str, *arguments: str) -> Ended:
    """How `mawep` ended to which something happened at a point."""
    path = os.pathsep.join([str(HOUSE), os.environ.get("PYTHONPATH", "")])
    return world.begin(*arguments, program=CRASHING, MAWEP_CRASH=point, PYTHONPATH=path).wait()


def die_at(world: World, point: str, *arguments: str) -> None:
    """Run `mawep` until it dies at a point; fails if it never comes there."""
    ended = crashing(world, point, *arguments)
    assert ended.code == -9, f"it never came to {point}:\n{ended.said}"


def made_again(ended: Ended) -> bool:
    """True when objects had gone and were written once more; a server that is slow is started again as well."""
    return any(words in ended.said for words in ("made again", "committed again"))


@pytest.mark.parametrize(("scenario", "point"), [*EFFECTS, *INSIDES])
def test_a_run_that_dies_there_is_gone_on_with(scenario: Scenario, point: str, tmp_path: Path) -> None:
    world = scenario.make(tmp_path)
    die_at(world, point, *START)
    scenario.must_have_come_true(world, world.resume())


def test_what_a_reviewer_had_beside_its_checkout_is_gone_after_a_resume(tmp_path: Path) -> None:
    world = REVIEWED.make(tmp_path)
    die_at(world, "call mawep.worker.reviewer:Reviewer._converse after 1", *START)
    places = [world.root / "worktrees" / name for name in (".private", ".homes", ".tmp")]
    assert any(path for place in places if place.exists() for path in place.iterdir())
    REVIEWED.must_have_come_true(world, world.resume())
    assert [path for place in places if place.exists() for path in place.iterdir()] == []


@pytest.mark.parametrize(
    "point",
    [
        "journal RunResumed after 1",
        "effect AttemptReclaimed before 1",
        "effect AttemptReclaimed after 1",
        "journal AttemptFailed after 1",
        "effect AttemptAssigned after 1",
    ],
)
def test_a_run_that_dies_again_while_it_is_resumed_is_gone_on_with(point: str, tmp_path: Path) -> None:
    world = CHAIN.make(tmp_path)
    die_at(
        world,
        "call mawep.stages.workspace.workspaces:Workspaces.lend after 1",
        "start",
        "--issues",
        "all",
        "--json",
    )
    die_at(world, point, "resume", "--json")
    CHAIN.must_have_come_true(world, world.resume())


@pytest.mark.parametrize(
    "point",
    [
        "call mawep.state.journal:_take_lock after 1",
        "call mawep.state.journal:_connect after 1",
        "journal RunStarted before 1",
    ],
)
def test_a_run_that_dies_before_its_first_event_has_never_been(point: str, tmp_path: Path) -> None:
    world = CHAIN.make(tmp_path)
    die_at(world, point, *START)
    assert world.resume().code == 2
    CHAIN.must_have_come_true(world, world.start())


def test_what_a_dead_process_was_told_is_not_done_by_the_next(tmp_path: Path) -> None:
    world = CHAIN.make(tmp_path)
    die_at(world, "effect AttemptAssigned after 1", *START)
    CHAIN.must_have_come_true(world, world.resume())
    assert world.lines("began") == ["101 a2", "102 a1"]


def test_a_run_that_dies_after_its_last_event_has_ended(tmp_path: Path) -> None:
    world = CHAIN.make(tmp_path)
    die_at(world, "journal RunEnded after 1", *START)
    resumed = world.resume()
    assert resumed.code == 2
    assert "nothing to resume" in resumed.said
    assert set(world.run("report", "--json").states.values()) == {"landed"}
    assert world.run("cleanup").code == 0
    promises.kept(world)


def test_what_a_dead_process_left_is_taken_over_by_the_next_run(tmp_path: Path) -> None:
    world = CHAIN.make(tmp_path)
    die_at(world, "journal RunEnded after 1", *START)
    world.issue(103)
    ended = world.start()
    assert ended.code == 0, ended.said
    assert ended.states == {103: "landed"}


def test_the_work_of_a_stopped_attempt_is_kept_whenever_mawep_dies(tmp_path: Path) -> None:
    world = STOPPED.make(tmp_path)
    die_at(world, "effect StopIntended after 1", *START)
    world.resume()
    salvage = world.state().issues[101].salvage
    assert salvage is not None
    assert world.git("show", f"{salvage}:bad") == "precious"


@pytest.mark.parametrize(
    "point",
    [
        "prune mawep.stages.workspace.commit:update_refs before 1",
        "prune mawep.stages.land:kept before 1",
        "prune mawep.stages.land:kept before 2",
    ],
)
def test_what_a_person_prunes_before_it_is_kept_is_made_again(point: str, tmp_path: Path) -> None:
    world = CHAIN.make(tmp_path)
    ended = crashing(world, point, *START)
    assert made_again(ended)
    CHAIN.must_have_come_true(world, ended)


@pytest.mark.parametrize("time", ["1", "2"], ids=["composed", "sealed"])
def test_what_is_kept_for_a_ref_is_not_pruned(time: str, tmp_path: Path) -> None:
    world = CHAIN.make(tmp_path)
    ended = crashing(world, f"prune mawep.stages.land:hold before {time}", *START)
    assert not made_again(ended)
    CHAIN.must_have_come_true(world, ended)


@pytest.mark.parametrize("time", ["1", "2"], ids=["composed", "sealed"])
def test_what_was_kept_for_a_ref_by_a_run_that_died_is_let_go(time: str, tmp_path: Path) -> None:
    world = CHAIN.make(tmp_path)
    die_at(world, f"call mawep.stages.land:hold before {time}", *START)
    store = world.repo / ".git/objects/pack"
    assert len(list(store.glob("*.keep"))) == 1
    CHAIN.must_have_come_true(world, world.resume())
    assert not list(store.glob("*.keep"))
