"""Agents whose branches conflict: it is told to one of them, and shown, while both are at work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mawep.core import events as ev
from mawep.orchestrator.conflicts import MOVE
from tests.support.world import World

pytestmark = pytest.mark.e2e

WORK = """\
echo "from $MAWEP_ISSUE" > shared.txt
git add shared.txt
git -c user.name=a -c user.email=a@example.invalid commit -q -m "work on $MAWEP_ISSUE"
"""


def moves(world: World) -> list[ev.MessageSent]:
    """Who was asked to move."""
    return [said for said in world.events(ev.MessageSent) if said.lead == MOVE]


def test_a_conflict_between_live_branches_is_told_while_agents_work(tmp_path: Path) -> None:
    world = World(tmp_path)
    for number, more in ((101, {"priority": "low"}), (102, {})):
        world.issue(number, **more)
        world.agent(number, WORK + world.until_let("go"))
    mawep = world.begin_start()
    (told,) = mawep.until("the conflict is told", lambda: moves(world))
    assert told.issue == 101, "the one of the lower priority is asked"
    assert "<<<<<<<" in told.text and "from 102" in told.text and told.lead
    sentence = "#101 conflicts with #102 in shared.txt; #101 is asked to move"
    status = json.loads(
        mawep.until(
            "status warns", lambda: out if sentence in (out := world.run("status", "--json").out) else ""
        )
    )
    assert any(sentence in warning for warning in status["warnings"])
    (conflict,) = json.loads(world.run("explain", "102", "--json").out)["conflicts"]
    assert (conflict["with"], conflict["files"], conflict["asked"]) == ([101], ["shared.txt"], 101)
    assert "conflicts with #101 in shared.txt" in world.run("explain", "102").out
    world.let("go")
    ended = mawep.wait()
    assert sorted(ended.states.values()) == ["landed", "parked"], ended.said
    between = [said for said in moves(world) if said.message.startswith("conflict-101-102-")]
    assert between == [told], "and told once; who is at work yet when the other lands is told of that"
