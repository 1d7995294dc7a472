"""Providers that take nothing more for a while: nothing fails, and everything goes on by itself."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support import promises
from tests.support.world import Live, World

pytestmark = pytest.mark.e2e

LIMITED = """\
if [ -n "$MAWEP_FEEDBACK_FILE" ]; then echo rest >> work; return; fi
echo half > work
echo "usage limit reached"
date -u -d "+{seconds} seconds" +%Y-%m-%dT%H:%M:%SZ
exit 75
"""


def limited(root: Path, seconds: int) -> World:
    """#101 runs into a limit; #102 waits for it, and #103 is driven in another way."""
    other = {"label": "docs", "runtime": "command", "command": "echo x > other"}
    world = World(
        root, agents={"routes": [other]}, orchestrator={"max_agents": 1, "worktree_base": "../worktrees"}
    )
    world.issue(101)
    world.issue(102, after=[101])
    world.issue(103, labels=["docs"])
    world.agent(101, LIMITED.format(seconds=seconds))
    return world


def paused(world: World) -> Live:
    """A run whose one agent waits for its provider."""
    live = world.begin_start()
    live.until("it waits for its provider", lambda: world.events(ev.ProviderLimitHit))
    return live


def test_an_attempt_goes_on_by_itself_when_its_provider_says(tmp_path: Path) -> None:
    world = limited(tmp_path, 6)  # MAWEP has to hear of it before that
    ended = world.start()
    assert ended.code == 0, ended.said
    assert (world.repo / "work").read_text() == "half\nrest\n"
    assert [event.attempt for event in world.events(ev.AttemptAssigned) if event.issue == 101] == [1]
    assert len(world.events(ev.AttemptContinued)) == 1
    promises.kept(world)


def test_it_is_shown_everywhere_and_a_person_lifts_it(tmp_path: Path) -> None:
    world = limited(tmp_path, 3600)
    live = paused(world)
    assert "usage limit reached" in world.explain(101)
    assert "provider_limit" in world.explain(101)
    status = json.loads(world.run("status", "--json").out)
    (limit,) = status["limits"]
    assert (limit["runtime"], limit["stated"]) == ("command", True)
    assert "command waits for its provider until" in world.run("status").out
    assert world.run("resume").code == 0
    ended = live.wait()
    assert ended.code == 0, ended.said
    promises.kept(world)


def test_killed_in_the_middle_of_a_pause_it_is_resumed_there(tmp_path: Path) -> None:
    world = limited(tmp_path, 3600)
    paused(world).kill()
    live = world.begin("resume", "--json")
    live.until("it goes on", lambda: world.events(ev.RunResumed) and world.run("status").code == 0)
    assert world.events(ev.AttemptContinued) == []
    assert world.stands(101) == "assigned"
    live.until("it hears us", lambda: world.run("resume").code == 0)
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert (world.repo / "work").read_text() == "half\nrest\n"
    assert [event.attempt for event in world.events(ev.AttemptAssigned) if event.issue == 101] == [1]
    promises.kept(world)


def test_ctrl_c_in_the_middle_of_a_pause_ends_cleanly_and_keeps_the_attempt(tmp_path: Path) -> None:
    world = limited(tmp_path, 3600)
    live = paused(world)
    live.send(signal.SIGINT)
    ended = live.wait()
    assert ended.code == 130, ended.said
    assert world.events(ev.AttemptInterrupted) == []
    live = world.begin("resume", "--json")
    live.until("it hears us", lambda: world.events(ev.RunResumed) and world.run("resume").code == 0)
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert (world.repo / "work").read_text() == "half\nrest\n"
    promises.kept(world)
