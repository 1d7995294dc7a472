"""`kill -9` at fifty moments of a run, each followed by `mawep resume`."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mawep.core.state import State
from tests.support import promises
from tests.support.world import World, diamond

pytestmark = pytest.mark.chaos

KILLS = 50
EVENTS = 150
"""About how many events a run of twelve issues has."""


def struck(world: World) -> str:
    """The state that a run was killed in: what was under way, and where its issues were."""
    if not world.has_run:
        return "before it began"
    state = world.state()
    last = type(world.journal()[-1].event).__name__
    return f"{last}; {_under_way(state)}; {_issues(state)}" if state.ended is None else "after it ended"


def _under_way(state: State) -> str:
    kinds = Counter(type(recorded.event).__name__ for recorded in state.effects.values())
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing under way"


def _issues(state: State) -> str:
    return ", ".join(
        f"{count} {where}" for where, count in Counter(str(r.state) for r in state.issues.values()).items()
    )


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_run_killed_at_any_moment_is_gone_on_with(
    seed: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(seed)
    world = World(tmp_path)
    world.issues(diamond(10))
    live = world.begin_start()
    moment = chance.uniform(0, EVENTS)
    live.until(f"event {moment:.0f} or the end", lambda: len(world.journal()) >= moment or _is_over(world))
    time.sleep(chance.uniform(0, 0.02))  # and somewhere between two events
    live.kill()
    record_property("struck", f"{seed:2}: {struck(world)}")
    if _is_over(world):
        assert world.run("cleanup").code == 0
    else:
        ended = world.resume() if world.has_run else world.start()
        assert ended.code == 0, ended.said
    promises.kept(world)


def _is_over(world: World) -> bool:
    return world.has_run and world.state().ended is not None
