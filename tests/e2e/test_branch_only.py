"""Runs that land nothing: the target is left alone, and what is done is on branches."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support.repos import git, head, write
from tests.support.world import World

pytestmark = pytest.mark.e2e


def test_the_target_is_left_alone_and_dependents_begin_on_what_they_depend_on(tmp_path: Path) -> None:
    world = World(tmp_path / "w", landing={"mode": "branch_only"})
    world.issues({101: (), 102: (), 103: (101, 102)})
    world.agent(103, "cat issue-101.txt issue-102.txt > both.txt")
    before = head(world.repo, "main")
    write(world.repo / "README.md", "a person is at work here\n")
    ended = world.start()
    assert ended.code == 0, ended.said
    assert "nothing lands on main" in ended.said
    branch = ended.document["target"]["branch"]
    assert branch.startswith("mawep/")
    assert head(world.repo, "main") == before
    assert (world.repo / "README.md").read_text() == "a person is at work here\n"
    assert git(world.repo, "show", f"{branch}:both.txt") == "work on 101\nwork on 102"
    own = [event.branch for event in world.events(ev.AttemptAssigned)]
    kept = git(world.repo, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
    assert sorted(kept) == sorted([*own, "main", branch])
    assert world.run("audit").code == 0
    assert world.run("cleanup").code == 0
    assert sorted(
        git(world.repo, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
    ) == sorted([*own, "main", branch]), "nobody has all of them yet but the branch of the run"


def test_another_run_begins_at_the_target_again(tmp_path: Path) -> None:
    world = World(tmp_path / "w", landing={"mode": "branch_only"})
    world.issue(101)
    first, second = world.start(), world.start()
    assert (first.code, second.code) == (0, 0), second.said
    targets = [ended.document["target"] for ended in (first, second)]
    assert targets[0]["branch"] != targets[1]["branch"]
    assert targets[0]["before"] == targets[1]["before"] == head(world.repo, "main")
