"""The sprint of the demonstration on a forge, from issues with native dependencies to what landed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.forge.outside import everything_once
from tests.forge.sprint import NUMBERS, Sprint
from tests.forge.world import ForgeWorld
from tests.support import promises

pytestmark = [pytest.mark.forge, pytest.mark.timeout(300)]


def test_a_sprint_lands_by_pushing(checked_world: ForgeWorld, tmp_path: Path) -> None:
    world = checked_world
    sprint = Sprint(tmp_path / "sprint", world, landing={"push": True})
    ended = sprint.start()
    assert ended.code == 0, ended.said
    assert set(ended.states) == set(NUMBERS)
    assert set(ended.states.values()) == {"landed"}
    assert world.head() == sprint.git("rev-parse", "main")
    promises.kept(sprint)
    everything_once(world, NUMBERS)
    refused = [entry.path for entry in world.requests() if entry.status >= 400]
    assert [path for path in refused if "/compare/" not in path] == []  # asked about before it is pushed
