"""The sprint of the demonstration by pull requests: proposed, checked, reviewed, put right, merged, closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.forge.outside import everything_once
from tests.forge.people import People
from tests.forge.sprint import NUMBERS, REMARK, Sprint
from tests.forge.world import ForgeWorld

pytestmark = [pytest.mark.forge, pytest.mark.timeout(300)]


def test_a_sprint_lands_by_pull_requests(checked_world: ForgeWorld, tmp_path: Path) -> None:
    world = checked_world
    people = People(world, red=2, disputed=3)
    sprint = Sprint(
        tmp_path / "sprint",
        world,
        landing={"mode": "pull_request"},
        more={"github": {"poll_seconds": 10}},
        second={2: [REMARK[2]], 3: [REMARK[3]]},
    )
    live = sprint.begin_start()
    live.until("the run is over", lambda: people.act() or live.process.poll() is not None, timeout=240)
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert set(ended.states.values()) == {"landed"}
    pulls = world.pulls()
    assert len(pulls) == len(NUMBERS)
    assert all(pull["merged_at"] for pull in pulls)
    assert people.was_red and people.was_disputed
    for number in NUMBERS:
        assert world.show(number)["state"] == "closed"
        assert len([c for c in world.comments(number) if c["body"].startswith("<!-- mawep:status:")]) == 1
    everything_once(world, NUMBERS)
    assert world.bare.git("show", "main:payments/providers/card.py").endswith(
        REMARK[2]["append"]["text"].strip()
    )
    assert world.bare.git("show", "main:payments/providers/wallet.py").endswith(
        REMARK[3]["append"]["text"].strip()
    )
