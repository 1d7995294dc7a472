"""A lock file that conflicts is made anew by a configured command, behind the gate's walls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_walls import walled
from tests.support.world import World

pytestmark = pytest.mark.e2e

LOCK = "sort needs.txt | tr '\\n' ' ' > all.lock"
ADD = 'if [ "$MAWEP_ISSUE" = 101 ]; then sed -i 1ifirst needs.txt; else echo last >> needs.txt; fi\n'
GATE = f"cp all.lock found && {LOCK} && cmp all.lock found"
FILES = {"needs.txt": "b\nc\nd\ne\n", "all.lock": "b c d e "}


def world_with(root: Path, command: str) -> World:
    """Two issues, each with a need more; the lock has them all in one line."""
    rules = {"regenerate": [{"files": ["*.lock"], "command": command}]}
    (root / "outside").write_text("nothing inside the walls sees this")
    world = walled(root, ADD + LOCK, FILES, verify={"commands": [GATE]}, conflict_resolution=rules)
    world.issues({101: [], 102: []})
    return world


def test_a_lock_in_conflict_lands_as_the_command_makes_it(tmp_path: Path) -> None:
    world = world_with(tmp_path, f"test ! -e {tmp_path}/outside && {LOCK}")
    ended = world.start()
    assert ended.states == {101: "landed", 102: "landed"}, ended.said
    assert world.git("show", "main:all.lock").split() == ["b", "c", "d", "e", "first", "last"]
    assert "- all.lock: regenerated (" in world.git("log", "-3", "--format=%B", "main")


def test_a_lock_that_cannot_be_made_parks_its_candidate_with_the_conflict(tmp_path: Path) -> None:
    world = world_with(tmp_path, "exit 3")
    ended = world.start()
    assert sorted(ended.states.values()) == ["landed", "parked"], ended.said
    assert "not made anew" in ended.said
    (parked,) = (number for number, state in ended.states.items() if state == "parked")
    assert "does not merge cleanly with main: all.lock" in world.explain(parked)
