"""Eight issues over two files: a third of the pairs share one, two pairs change the same line; nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support import promises
from tests.support.crowd import EIGHT, GATE, Crowd

pytestmark = pytest.mark.e2e

SETTINGS = {"orchestrator": {"max_agents": 4}, "verify": {"commands": [GATE]}}


def landed(states: dict[int, str]) -> list[int]:
    return [number for number, state in states.items() if state == "landed"]


def test_who_declares_the_same_works_one_after_the_other_and_all_land(tmp_path: Path) -> None:
    crowd = Crowd(tmp_path, EIGHT, policy="refuse", declared=True, **SETTINGS)
    ended = crowd.world.start()
    assert len(landed(ended.states)) == EIGHT.size, ended.said
    assert (crowd.lost(), crowd.at_once, crowd.conflicts) == ([], set(), 0)
    promises.kept(crowd.world)


@pytest.mark.parametrize("merging", [False, True])
def test_without_claims_all_are_told_early_and_what_can_land_lands(tmp_path: Path, merging: bool) -> None:
    crowd = Crowd(tmp_path, EIGHT, policy="off", held=True, merging=merging, **SETTINGS)
    live = crowd.world.begin_start()
    together = {pair for pair in crowd.pairs(EIGHT.sharing) if max(pair) <= 104}

    def told() -> bool:
        said = [(event.issue, event.text[1:4]) for event in crowd.world.events(ev.MessageSent)]
        return all((a, str(b)) in said and (b, str(a)) in said for a, b in together)

    live.until("everybody at work is told of everybody who shares a file", told)
    assert crowd.world.events(ev.TurnEnded) == [], "while all are at work"
    crowd.world.let("go")
    ended = live.wait()
    assert set(ended.states.values()) <= {"landed", "parked"}, ended.said
    parked = {number for number, state in ended.states.items() if state == "parked"}
    clashes = crowd.pairs(EIGHT.clashes)
    assert all(len(parked & set(pair)) <= 1 for pair in clashes)
    assert parked <= {number for pair in clashes for number in pair}, "only what truly conflicts"
    assert bool(parked) is not merging, "two of those that were held conflict"
    assert bool(crowd.world.events(ev.RepairIntended)) is merging
    assert crowd.lost() == []
    promises.kept(crowd.world, landed(ended.states))
