"""Twelve issues in a diamond, with a shell agent: all of them land, and nothing else is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import promises
from tests.support.world import World, diamond

pytestmark = pytest.mark.e2e


def test_a_diamond_of_twelve_lands_in_order_gated_and_leaves_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, verify={"commands": ["test -f README.md", "sh -n README.md"]})
    world.issues(diamond(10))
    ended = world.start()
    assert ended.code == 0, ended.said
    assert ended.document["outcome"] == "landed"
    assert set(ended.states.values()) == {"landed"}
    promises.kept(world)
    assert world.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    assert sorted(path.name for path in world.repo.glob("issue-*.txt")) == [
        f"issue-{number}.txt" for number in world.edges
    ]
