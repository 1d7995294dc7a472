"""Whole runs behind walls: what agents commit lands, what they keep at home lasts, and a kill leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mawep.core import events as ev
from mawep.core.model import FailureReason
from tests.e2e.test_acp_agents import HALF, WORK, ask_again, die_half_way, scripted
from tests.support.repos import commit
from tests.support.world import World, wait_until

pytestmark = pytest.mark.e2e


def walled(root: Path, script: str, files: dict[str, str] | None = None, **config: Any) -> World:
    """A world whose agents run this script behind walls; its file is all that they see of our root."""
    program = root / "walled.sh"
    root.mkdir(exist_ok=True)
    program.write_text(script)
    agents = {"command": ["sh", str(program)], "sandbox": "required", **config.pop("agents", {})}
    return World(root / "w", files, agents=agents, **config)


@pytest.mark.parametrize("kind", ["required", "landlock"])
def test_commits_and_what_is_left_uncommitted_land_in_order(tmp_path: Path, kind: str) -> None:
    script = """\
    test "$MAWEP_ISSUE" = 101 || test -e two-101.txt || exit 1
    echo one > one-$MAWEP_ISSUE.txt; git add .; git commit -qm "mine" || exit 1
    echo two > two-$MAWEP_ISSUE.txt
    test -s "$MAWEP_PROMPT_FILE" && test -s "$MAWEP_ISSUE_FILE" || exit 1
    """
    gate = "git diff --exit-code HEAD && git log --oneline | grep -q mine && test -e two-101.txt"
    world = walled(tmp_path, script, agents={"sandbox": kind}, verify={"commands": [gate]})
    world.issues({101: [], 102: [101], 103: [101]})
    ended = world.start()
    assert ended.states == {101: "landed", 102: "landed", 103: "landed"}
    assert world.git("log", "--format=%an", "--author=agent-", "--grep=mine").count("agent-") == 3
    assert world.git("fsck", "--strict", "--no-dangling") == ""
    kept = [path for name in (".private", ".homes") for path in (world.root / "worktrees" / name).iterdir()]
    assert kept == []


def test_a_git_directory_that_cannot_be_read_fails_its_attempt_and_no_other(tmp_path: Path) -> None:
    script = """\
    echo mine > mine-$MAWEP_ISSUE.txt; git add .; git commit -qm mine
    if [ "$MAWEP_ISSUE" = 101 ]; then rm -rf "$(git rev-parse --git-dir)"/refs "$(git rev-parse --git-dir)"/HEAD; fi
    true
    """
    world = walled(tmp_path, script)
    world.issues({101: [], 102: []})
    ended = world.start()
    assert ended.states == {101: "failed: import_refused", 102: "landed"}
    (failed,) = world.events(ev.AttemptFailed)
    assert failed.reason is FailureReason.IMPORT_REFUSED
    assert failed.salvage is not None
    assert world.git("show", f"{failed.salvage}:mine-101.txt") == "mine"


def test_a_repaired_turn_finds_its_home_and_its_commits(tmp_path: Path) -> None:
    script = """\
    if [ -n "$MAWEP_FEEDBACK_FILE" ]; then
      test "$(cat "$HOME/session")" = kept && git log --oneline | grep -q first && echo x > fixed.txt
    else
      echo kept > "$HOME/session"; echo a > a.txt; git add .; git commit -qm first
    fi
    """
    world = walled(tmp_path, script, verify={"commands": ["test -e fixed.txt"]})
    world.issue(101)
    ended = world.start()
    assert ended.states == {101: "landed"}


def test_a_kill_leaves_no_process_and_resume_collects_what_had_ended(tmp_path: Path) -> None:
    script = """\
    echo a > a-$MAWEP_ISSUE.txt; git add .; git commit -qm early
    test "$MAWEP_ISSUE" = 102 && { setsid sleep 98765 & sleep 98765; }
    true
    """
    world = walled(tmp_path, script, verify={"commands": ["true"]})
    world.issues({101: [], 102: []})
    live = world.begin_start()
    live.until(
        "102 is at work and 101 has landed", lambda: world.stands(101) == "landed" and world.processes()
    )
    live.until("102 has committed", lambda: list(world.root.glob("worktrees/agent-*-102/a-102.txt")))
    live.kill()
    wait_until("no process of an agent is left", lambda: not _asleep(), timeout=20)
    program = tmp_path / "walled.sh"
    program.write_text("echo b > b.txt\n")
    ended = world.resume()
    assert ended.states == {101: "landed", 102: "landed"}


def _asleep() -> list[str]:
    """Processes of the test's agents that still live."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if line.strip() == "sleep 98765":
                found.append(place.name)
    return found


def test_a_session_that_is_kept_at_home_goes_on_after_a_kill(tmp_path: Path) -> None:
    ask = {"ask": {"text": "Go on?", "options": []}}
    world = scripted(tmp_path, {101: [HALF, ask, WORK]}, sandbox="required")
    die_half_way(world)
    live = world.begin("resume", "--json")
    ask_again(live, world)
    assert world.run("answer", "101", "yes").code == 0
    ended = live.wait()
    assert ended.states == {101: "landed"}
    assert [event.attempt for event in world.events(ev.AttemptAssigned)] == [1]
    assert (world.repo / "half").read_text() == "precious\n"


def test_a_scripted_agent_works_beside_one_behind_walls(tmp_path: Path) -> None:
    seen = "test -e /etc/shadow && echo open > who.txt || echo walled > who.txt"
    scripts = tmp_path / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "102.yaml").write_text(json.dumps({"steps": [WORK]}))
    routes = [{"label": "easy", "runtime": "scripted"}]
    world = walled(tmp_path / "r", seen, agents={"script_dir": str(scripts), "routes": routes})
    world.issues({101: [], 102: []})
    page = world.repo / "issues" / "102.md"
    commit(world.repo, {"issues/102.md": page.read_text().replace("title:", "labels: [easy]\ntitle:")})
    ended = world.start()
    assert ended.states == {101: "landed", 102: "landed"}
    assert (world.repo / "who.txt").read_text() == "walled\n"


def test_what_is_kept_at_home_and_in_git_counts_for_the_limit_of_the_disk(tmp_path: Path) -> None:
    script = 'head -c 20000000 /dev/urandom > "$HOME/big"; while [ ! -e never ]; do sleep 0.1; done\n'
    world = walled(tmp_path, script, agents={"limits": {"disk_gb": 0.01}})
    world.issue(101)
    ended = world.start()
    assert ended.states == {101: "failed: agent_error"}
    assert "on the disk" in world.explain(101)
