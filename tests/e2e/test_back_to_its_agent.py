"""Work that does not land goes back to its agent, which merges the target; what it cannot resolve is parked, whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mawep.core import events as ev
from mawep.core.model import FailureReason
from tests.support import promises
from tests.support.world import Ended, World

pytestmark = pytest.mark.e2e

COMMIT = 'git add -A && git -c user.name=a -c user.email=a@example.invalid commit -q -m "say so"\n'
TOGETHER = 'touch "$root/$MAWEP_ISSUE.done"\n' + World.until_let("101.done") + World.until_let("102.done")
MERGE = """\
cp "$MAWEP_FEEDBACK_FILE" "$root/told"
git merge --no-commit $(grep -o '[0-9a-f]\\{40\\}' "$MAWEP_FEEDBACK_FILE" | head -n 1)
"""
RESOLVE = "echo 'colour = both' > shared.txt\n"


def clashing(root: Path, then: str, first: str = "", **config: dict[str, object]) -> World:
    """Two that conflict in one line; `then` is what the agent does that is told of it."""
    world = World(root, {"shared.txt": "colour = red\n"}, **config)
    world.issues({101: [], 102: []})
    begin = f'echo "colour = blue $MAWEP_ISSUE" > shared.txt\n{first}{TOGETHER}'
    for number in (101, 102):
        world.agent(number, f'if [ -z "$MAWEP_FEEDBACK_FILE" ]; then\n{begin}else\n{then}fi\n')
    return world


def loser(ended: Ended) -> int:
    """Whose work was parked."""
    (number,) = (number for number, state in ended.states.items() if state == "parked")
    return number


@pytest.mark.parametrize("commits", [COMMIT, ""], ids=["commits", "leaves it to us"])
def test_who_conflicts_merges_and_lands(tmp_path: Path, commits: str) -> None:
    world = clashing(tmp_path, f"{MERGE}{RESOLVE}{commits}", commits)
    ended = world.start()
    assert ended.code == 0, ended.said
    promises.kept(world)
    assert (world.repo / "shared.txt").read_text() == "colour = both\n"
    (asked,) = world.events(ev.RepairIntended)
    assert asked.merge
    told = (tmp_path / "told").read_text()
    assert "<<<<<<< " in told and "Do piece 101." in told and "Do piece 102." in told
    assert "round 1 of 2" in told
    assert f"#{asked.issue}: its agent is asked to merge the target, round 1" in ended.said
    landed = world.git("log", "-1", "--format=%B")
    account = "- shared.txt: resolved, not as either side wrote it: "
    assert f"Conflicts resolved by its agent:\n\n{account}" in landed


def test_who_does_not_merge_is_parked_after_its_rounds_with_its_hunks(tmp_path: Path) -> None:
    world = clashing(tmp_path, "true\n", conflict_resolution={"max_merge_rounds": 3})
    ended = world.start()
    assert ended.code == 1, ended.said
    number = loser(ended)
    assert [asked.merge for asked in world.events(ev.RepairIntended)] == [True] * 3
    said = world.explain(number)
    assert "its agent was asked 3 times to merge main" in said
    assert f"colour = blue {number}" in said and "<<<<<<< " in said
    branch = next(line for line in world.git("branch", "--list", f"*{number}*").split() if "/" in line)
    assert world.git("show", f"{branch}:shared.txt") == f"colour = blue {number}"


def test_markers_that_are_left_are_seen(tmp_path: Path) -> None:
    script = f'if [ -e "$root/told" ]; then {RESOLVE.strip()}; else\n{MERGE}fi\n{COMMIT}'
    world = clashing(tmp_path, script)
    ended = world.start()
    assert ended.code == 0, ended.said
    (refused,) = world.events(ev.ImportRefused)
    assert (refused.reason, refused.detail) == (
        FailureReason.IMPORT_REFUSED,
        "conflict markers are left in shared.txt",
    )
    assert [asked.merge for asked in world.events(ev.RepairIntended)] == [True, False]


def test_whose_agent_breaks_off_is_parked_and_not_failed(tmp_path: Path) -> None:
    world = clashing(tmp_path, "echo 'too hard' >&2\nexit 3\n")
    said = world.explain(loser(world.start()))
    assert "its agent was to merge main, and failed: agent_error: " in said
    assert "too hard" in said and "<<<<<<< " in said


def test_who_is_red_only_together_is_told_with_the_evidence_and_mends_it(tmp_path: Path) -> None:
    hold = f"while [ ! -e {tmp_path}/judge ]; do sleep 0.02; done"
    gate = "test ! -e a -o ! -e b || { echo 'a and b do not go together'; exit 1; }"
    world = World(tmp_path, verify={"commands": [hold, gate]})
    world.issues({101: [], 102: []})
    for number, name in ((101, "a"), (102, "b")):
        mend = f"{MERGE}git mv {name} other\n{COMMIT}"
        begin = f"echo {name} > {name}\n{TOGETHER}"
        world.agent(number, f'if [ -z "$MAWEP_FEEDBACK_FILE" ]; then\n{begin}else\n{mend}fi\n')
    mawep = world.begin_start()
    mawep.until("both wait for their gates", lambda: len(world.events(ev.CandidateImported)) == 2)
    world.let("judge")
    ended = mawep.wait()
    assert ended.code == 0, ended.said
    promises.kept(world)
    (returned,) = world.events(ev.CandidateReturned)
    assert "together were red" in returned.why
    told = (tmp_path / "told").read_text()
    assert "a and b do not go together" in told and "Do piece 101." in told and "Do piece 102." in told
    assert f"#{returned.issue} goes back to its agent" in ended.said


@pytest.mark.parametrize("commits", [COMMIT, ""], ids=["commits", "leaves it to us"])
@pytest.mark.parametrize("kind", ["required", "landlock"])
def test_behind_walls_it_is_the_same(tmp_path: Path, kind: str, commits: str) -> None:
    commit = "grep -o '[0-9a-f]\\{40\\}' \"$MAWEP_FEEDBACK_FILE\" | head -n 1"
    merge = f"git merge --no-commit $({commit}); echo both > shared.txt"
    script = (
        f'if [ "$MAWEP_FEEDBACK_FILE" ]; then {merge}; else echo "$MAWEP_ISSUE" > shared.txt; fi\n{commits}'
    )
    agents = {"sandbox": kind, "command": ["sh", "-c", script]}
    world = World(tmp_path, {"shared.txt": "none\n"}, agents=agents)
    world.issues({101: [], 102: []})
    ended = world.start()
    assert ended.code == 0, ended.said
    promises.kept(world)
    assert (world.repo / "shared.txt").read_text() == "both\n"
    assert [asked.merge for asked in world.events(ev.RepairIntended)] == [True]


def test_who_merges_is_shown_so_and_can_be_killed_meanwhile(tmp_path: Path) -> None:
    world = clashing(tmp_path, f'touch "$root/merges"\n{World.until_let("go")}{MERGE}{RESOLVE}')
    live = world.begin_start()
    live.until("an agent merges", (tmp_path / "merges").exists)
    issues = json.loads(world.run("status", "--json").out)["issues"]
    (number,) = (one["number"] for one in issues if one["stage"] == "merging")
    assert "<<<<<<< " in world.explain(number)
    live.kill()
    world.let("go")
    ended = world.resume()
    assert ended.code == 0, ended.said
    promises.kept(world)


@pytest.mark.parametrize("kind", ["off", "required"])
def test_an_agent_with_a_session_is_told_in_the_same_session(tmp_path: Path, kind: str) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    agents = {"runtime": "scripted", "command": None, "script_dir": str(scripts), "sandbox": kind}
    world = World(tmp_path / "world", {"shared.txt": "none\n"}, agents=agents)
    merge = {"run": "git merge --no-commit main; echo both > shared.txt; git add shared.txt"}
    for number in (101, 102):
        world.issue(number)
        begin = {"write": {"path": "shared.txt", "text": f"{number}\n"}}
        pages = {"steps": [begin], "on_repair": [[merge, {"commit": "Merge main"}]]}
        (scripts / f"{number}.yaml").write_text(json.dumps(pages))
    ended = world.start()
    assert ended.code == 0, ended.said
    promises.kept(world)
    assert (world.repo / "shared.txt").read_text() == "both\n"
    (asked,) = world.events(ev.RepairIntended)
    sessions = {one.session.id for one in world.events(ev.SessionOpened) if one.issue == asked.issue}
    assert asked.merge and len(sessions) == 1


def test_who_does_not_want_that_has_it_parked_at_once(tmp_path: Path) -> None:
    world = clashing(tmp_path, "exit 3\n", conflict_resolution={"semantic_merge": False})
    ended = world.start()
    assert sorted(ended.states.values()) == ["landed", "parked"], ended.said
    assert not world.events(ev.RepairIntended)
