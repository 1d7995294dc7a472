"""`kill -9` around the push and between the remote and the branch here: resume completes what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.test_boundaries import START, die_at
from tests.e2e.test_push import Site
from tests.support.remotes import somebody_pushes

pytestmark = pytest.mark.chaos

POINTS = (
    "effect MoveIntended before 1",
    "effect MoveIntended after 1",
    "journal TargetMoved after 1",
    "call mawep.adapters.git_remote:Remote.push before 2",
    "call mawep.adapters.git_remote:Remote.push after 2",
    "call mawep.adapters.git_checkout:_write_durably after 1",
    "call mawep.stages.land:update_refs_again before 1",
    "call mawep.stages.land:update_refs_again after 1",
    "call mawep.adapters.git_remote:Remote.fetch after 2",
)


@pytest.mark.parametrize("point", POINTS)
def test_push_that_dies_anywhere_is_completed(point: str, tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.issues(101, 102)
    die_at(site.world, point, *START)
    resumed = site.world.resume()
    assert resumed.code == 0, resumed.said
    site.kept([101, 102])


def test_push_that_dies_and_is_built_upon_has_landed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.issues(101)
    die_at(site.world, "call mawep.adapters.git_remote:Remote.push after 2", *START)
    somebody_pushes(site.bare, {"theirs.txt": "1\n"})
    resumed = site.world.resume()
    assert resumed.code == 0, resumed.said
    assert site.world.lines("began") == ["101 a1"]
    site.world.git("pull", "--quiet", "--ff-only", "origin", "main")
    site.kept([101])
