"""`kill -9` at fifty moments of a run, each followed by `mawep resume`."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mawep.core.state import State
from tests.chaos.conftest import STRUCK
from tests.support import promises
from tests.support.waiting import let_pass_now
from tests.support.world import Live, World, diamond

pytestmark = pytest.mark.chaos

KILLS = 50
AGAIN = 10
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


def killed(live: Live, world: World, after: float, chance: random.Random) -> None:
    """Kill a run some time after it has that many events, or when it has ended."""
    moment = f"event {after:.0f} or the end"
    live.until(moment, lambda: len(world.journal()) >= after or _is_over(world))
    let_pass_now(chance.uniform(0, 0.02))  # somewhere between two events
    live.kill()


def gone_on_with(world: World) -> Live:
    """The run, resumed, or begun if it never was."""
    return world.begin("resume", "--json") if world.has_run else world.begin_start()


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_run_killed_at_any_moment_is_gone_on_with(
    seed: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(seed)
    world = World(tmp_path)
    world.issues(diamond(10))
    killed(world.begin_start(), world, chance.uniform(0, EVENTS), chance)
    record_property(STRUCK, f"{seed:2}: {struck(world)}")
    if _is_over(world):
        assert world.run("cleanup").code == 0
    else:
        ended = gone_on_with(world).wait()
        assert ended.code == 0, ended.said
    promises.kept(world)


@pytest.mark.parametrize("seed", range(AGAIN))
def test_a_run_in_which_much_goes_wrong_survives_being_killed_again_and_again(
    seed: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(seed)
    world = World(
        tmp_path,
        {"shared": "one\n"},
        verify={"commands": ["test ! -e bad", "test ! -e a -o ! -e b"]},
        conflict_resolution={"semantic_merge": False},
    )
    world.issues({101: [], 102: [], 103: [], 104: [], 105: [101], 106: [102, 105], 107: [103]})
    world.agent(101, 'if [ -n "$MAWEP_FEEDBACK_FILE" ]; then rm -f bad; else touch bad; fi; echo 1 > good\n')
    world.agent(102, "echo a > a\necho mine > shared\n")
    world.agent(103, "echo precious > half\nexit 3\n")
    world.agent(104, "echo b > b\n")
    live, events = world.begin_start(), 0.0
    for _ in range(3):
        events += chance.uniform(0, 30)
        killed(live, world, events, chance)
        record_property(STRUCK, f"again {seed:2}: {struck(world)}")
        if _is_over(world):
            assert world.run("cleanup").code == 0
            return
        events = len(world.journal())
        live = gone_on_with(world)
    ended = live.wait()
    assert ended.code == 1, ended.said
    assert ended.states[101] == ended.states[105] == "landed"
    # Red only together, one of them is parked; who begins anew when the other has landed is red by itself.
    others = {ended.states[102], ended.states[104]}
    assert others in ({"landed", "parked"}, {"landed", "failed: gate_failed"})
    assert (ended.states[103], ended.states[107]) == ("failed: agent_error", "blocked")
    assert ended.states[106] == ("landed" if ended.states[102] == "landed" else "blocked")
    assert world.git("show", f"{world.state().issues[103].salvage}:half") == "precious"
    promises.kept(world, [number for number, state in ended.states.items() if state == "landed"])


def _is_over(world: World) -> bool:
    return world.has_run and world.state().ended is not None
