"""A branch that is brought up to the target before its agent goes on; what does not merge is told instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support import promises
from tests.support.repos import git
from tests.support.world import Ended, World

pytestmark = pytest.mark.e2e

FIRST = 'if [ -z "$MAWEP_FEEDBACK_FILE" ]; then\n'
TOLD = 'cp "$MAWEP_FEEDBACK_FILE" "$root/told"\n'


def world_of(root: Path, agent: str, **agents: object) -> World:
    """#101 lands while #102 is at work; what #102 makes first does not pass the gate."""
    files = {"prices.py": "def price(item):\n    return 1\n"}
    world = World(
        root, files, verify={"commands": ["test ! -e bad"]}, conflict_resolution={"follow_target": True}
    )
    world.issue(101)
    world.issue(102)
    world.agent(101, "echo 'def price(item, currency): return 1' > prices.py\n")
    world.agent(102, FIRST + World.until_let("landed") + "touch bad\n" + agent)
    return world


def run(world: World) -> Ended:
    """Let #102 go on when the run knows that #101 has landed."""
    live = world.begin_start()
    live.until("#101 has landed", lambda: world.stands(101) == "landed")
    world.let("landed")
    return live.wait()


def test_an_agent_goes_on_with_the_target_in_its_branch(tmp_path: Path) -> None:
    world = world_of(tmp_path, "else\n" + TOLD + 'cp prices.py "$root/seen"; rm bad; echo done > good\nfi\n')
    ended = run(world)
    assert set(ended.states.values()) == {"landed"}, ended.said
    assert "currency" in (tmp_path / "seen").read_text(), "it has what has landed"
    (moved, _) = world.events(ev.TargetMoved)
    assert f"it contains the target as it is now, {moved.new}" in (tmp_path / "told").read_text()
    candidate = [event for event in world.events(ev.CandidateImported) if event.issue == 102][-1]
    assert candidate.files == ("good",), "and what it brings is its own work"
    assert git(world.repo, "merge-base", moved.new, candidate.commit) == moved.new
    promises.kept(world)


def test_what_does_not_merge_is_left_and_told(tmp_path: Path) -> None:
    other = "echo mine > prices.py\n"
    mend = "git checkout -q HEAD~1 -- prices.py; rm bad; echo done > good\n"
    world = world_of(tmp_path, other + "else\n" + TOLD + 'cp prices.py "$root/seen"\n' + mend + "fi\n")
    ended = run(world)
    assert set(ended.states.values()) == {"landed"}, ended.said
    assert (tmp_path / "seen").read_text() == "mine\n", "nothing was changed"
    told = (tmp_path / "told").read_text()
    assert "does not merge with your branch (prices.py). Nothing was changed: `git merge " in told
    promises.kept(world)


WALLED = """\
if [ "$MAWEP_ISSUE" = 101 ]; then
  echo 'def price(item, currency): return 1' > prices.py
elif [ -z "$MAWEP_FEEDBACK_FILE" ]; then
  for i in $(seq 600); do mawep agent messages | grep -q 'git merge' && break; sleep 0.1; done
  touch bad
else
  rm bad
  git log --format=%s -1 > subject; grep -c currency prices.py > seen; git status --porcelain > status
fi
"""


def test_behind_walls_as_well(tmp_path: Path) -> None:
    files = {"prices.py": "def price(item):\n    return 1\n", "cart.py": "from prices import price\n"}
    world = World(
        tmp_path,
        files,
        verify={"commands": ["test ! -e bad"]},
        agents={"command": ["sh", "-c", WALLED], "sandbox": "required"},
        conflict_resolution={"follow_target": True},
    )
    world.issue(101)
    world.issue(102, files=["cart.py"])
    ended = world.begin_start().wait()
    assert set(ended.states.values()) == {"landed"}, ended.said
    assert (world.repo / "seen").read_text() == "1\n"
    assert (world.repo / "subject").read_text().startswith("Merge the target at ")
    status = (world.repo / "status").read_text().splitlines()
    assert status == [" D bad", "?? seen", "?? status", "?? subject"], "and nothing else differs"
