"""`kill -9` at random moments of a sprint on a forge, each followed by `mawep resume`: everything is there once.

`MAWEP_FORGE_KILLS` says at how many moments; each takes some ten seconds.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.forge.outside import everything_once
from tests.forge.people import People
from tests.forge.sprint import NUMBERS, REMARK, WHOLE, Sprint
from tests.forge.world import BOT, ForgeWorld
from tests.support import promises
from tests.support.waiting import let_pass_now

pytestmark = [pytest.mark.forge, pytest.mark.timeout(900)]

KILLS = int(os.environ.get("MAWEP_FORGE_KILLS", "4"))
PROPOSED = int(os.environ.get("MAWEP_FORGE_KILLS", "2"))
"""The same for the sprint of pull requests, which takes a minute each."""
EVENTS_OF_PULLS = 120
EVENTS = 95
"""About how many events the sprint has."""
LABELS = {"working": "mawep: working", "landed": "mawep: landed"}


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_sprint_killed_at_any_moment_leaves_everything_once(
    seed: int, forge_world: ForgeWorld, tmp_path: Path
) -> None:
    world, chance = forge_world, random.Random(seed)
    landing = {"push": True}
    sprint = Sprint(tmp_path / "sprint", world, landing=landing, more={"github": {"labels": LABELS}})
    live, after = sprint.begin_start(), chance.uniform(0, EVENTS)
    moment = f"event {after:.0f} or the end"
    live.until(moment, lambda: len(sprint.journal()) >= after or over(sprint), timeout=WHOLE)
    let_pass_now(chance.uniform(0, 0.5))  # also between the last event and the last word to the forge
    live.kill()
    if over(sprint):
        assert sprint.run("cleanup").code == 0
    else:
        ended = sprint.resume() if sprint.has_run else sprint.start()
        assert ended.code == 0, ended.said
        assert {world.show(number)["state"] for number in NUMBERS} == {"closed"}
        assert all(world.comments(number, by=BOT) for number in NUMBERS)
    promises.kept(sprint)
    assert world.head() == sprint.git("rev-parse", "main")
    everything_once(world, NUMBERS)


@pytest.mark.parametrize("seed", range(PROPOSED))
def test_a_sprint_of_pull_requests_killed_at_any_moment_leaves_everything_once(
    seed: int, forge_world: ForgeWorld, tmp_path: Path
) -> None:
    world, chance = forge_world, random.Random(1000 + seed)
    people = People(world, red=2, disputed=3)
    sprint = Sprint(
        tmp_path / "sprint",
        world,
        landing={"mode": "pull_request"},
        more={"github": {"poll_seconds": 10}},
        second={2: [REMARK[2]], 3: [REMARK[3]]},
    )
    live, after = sprint.begin_start(), chance.uniform(0, EVENTS_OF_PULLS)

    def struck() -> bool:
        people.act()
        return len(sprint.journal()) >= after or over(sprint)

    live.until(f"event {after:.0f} or the end", struck, timeout=400)
    let_pass_now(chance.uniform(0, 0.5))
    live.kill()
    if over(sprint):
        assert sprint.run("cleanup").code == 0
    else:
        live = sprint.begin("resume", "--json") if sprint.has_run else sprint.begin_start()
        live.until("the run is over", lambda: people.act() or live.process.poll() is not None, timeout=480)
        ended = live.wait()
        assert ended.code == 0, ended.said
        assert {world.show(number)["state"] for number in NUMBERS} == {"closed"}
    everything_once(world, NUMBERS)
    assert len([pull for pull in world.pulls() if pull["merged_at"]]) == len(NUMBERS)


def over(sprint: Sprint) -> bool:
    """True when the run has written down its end."""
    return sprint.has_run and sprint.state().ended is not None
