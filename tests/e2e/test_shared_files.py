"""Agents that change the same file, or what another issue claims: who is told, who is kept from it, and what lands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mawep.core import events as ev
from mawep.core.touched import RESERVED, SHARED
from tests.support import promises
from tests.support.world import World

pytestmark = pytest.mark.e2e

LINES = "\n".join(f"line {n}" for n in range(20)) + "\n"
FILES = {"src/shared.py": LINES}


def edit(line: int) -> str:
    """A piece of an agent's script: it changes one line of the shared file, without a commit or a word."""
    return f'sed -i "s/^line {line}$/line {line} by $MAWEP_ISSUE/" src/shared.py\n'


def told(world: World) -> dict[int, tuple[str, str]]:
    return {said.issue: (said.text, said.lead) for said in world.events(ev.MessageSent)}


def test_both_agents_are_told_of_a_file_that_they_share(tmp_path: Path) -> None:
    world = World(tmp_path, FILES)
    for number, line in ((101, 2), (102, 17)):
        world.issue(number)
        world.agent(number, edit(line) + world.until_let("go"))
    world.agent(
        102,
        edit(17)
        + 'until mawep agent messages > "$root/read"; grep -q shared.py "$root/read"; do sleep 0.3; done\n'
        "echo more > own.txt\n" + world.until_let("go"),
    )
    live = world.begin_start()
    live.until("both are told", lambda: len(world.events(ev.MessageSent)) == 2)
    assert told(world) == {
        101: ("#102 changes src/shared.py, too", SHARED),
        102: ("#101 changes src/shared.py, too", SHARED),
    }
    live.until("one of them has read it", lambda: "work on the same files" in "\n".join(world.lines("read")))
    live.until("what it does then is seen", lambda: "own.txt" in str(world.events(ev.FilesTouched)))
    (shared,) = json.loads(world.run("explain", "101", "--json").out)["shared"]
    assert (shared["with"], shared["files"]) == ([102], ["src/shared.py"])
    sentence = "#101, #102 all change src/shared.py"
    assert sentence in json.loads(world.run("status", "--json").out)["warnings"]
    assert sentence in world.run("explain", "102").out
    world.let("go")
    ended = live.wait()
    assert set(ended.states.values()) == {"landed"}, ended.said
    assert len(world.events(ev.MessageSent)) == 2
    promises.kept(world)


@pytest.mark.parametrize("policy", ["refuse", "warn", "off"])
def test_what_another_issue_claims_is_written_as_the_policy_says(tmp_path: Path, policy: str) -> None:
    world = World(tmp_path, FILES, conflict_resolution={"on_claim_conflict": policy})
    world.issue(101, files=["src/*.py"])
    world.issue(102)
    world.agent(101, world.until_let("written") + edit(2) + world.until_let("told"))
    world.agent(
        102,
        'if [ -s "$MAWEP_FEEDBACK_FILE" ]; then git checkout -q main -- src; echo x > own.txt\n'
        "else\n" + edit(17) + "fi\n" + world.until_let("seen"),
    )
    live = world.begin_start()
    live.until("the change is seen", lambda: "src/shared.py" in str(world.events(ev.FilesTouched)))
    if policy == "refuse":
        assert told(world) == {102: ("src/shared.py is reserved for #101", RESERVED)}
        world.let("seen")
        live.until("the change is refused", lambda: world.events(ev.ImportRefused))
        live.until("the change is taken back", lambda: world.events(ev.CandidateImported))
        world.let("written")
    else:
        world.let("written")
        live.until("both are told", lambda: told(world).keys() == {101, 102})
        world.let("seen")
    world.let("told")
    ended = live.wait()
    assert set(ended.states.values()) == {"landed"}, ended.said
    assert len(world.events(ev.RepairIntended)) == (policy == "refuse")
    assert (101 in told(world)) is (policy != "refuse")
    kept = world.git("show", "main:src/shared.py")
    assert ("line 2 by 101" in kept, "line 17 by 102" in kept) == (True, policy != "refuse")


@pytest.mark.parametrize(("policy", "together"), [("refuse", False), ("warn", True), ("off", True)])
def test_issues_that_declare_the_same_file_run_together_unless_that_is_refused(
    tmp_path: Path, policy: str, together: bool
) -> None:
    world = World(tmp_path, FILES, conflict_resolution={"on_claim_conflict": policy})
    for number, line in ((101, 2), (102, 17)):
        world.issue(number, files=["src/shared.py"])
        world.agent(number, edit(line) + (world.until_let("go") if together else ""))
    live = world.begin_start()
    if together:
        live.until("both are at work", lambda: len(world.events(ev.AttemptStarted)) == 2)
        assert [world.stands(number) for number in (101, 102)] == ["working", "working"]
        world.let("go")
    ended = live.wait()
    assert set(ended.states.values()) == {"landed"}, ended.said
    seen = [
        type(rec.event)
        for rec in world.journal()
        if isinstance(rec.event, ev.AttemptAssigned | ev.TargetMoved)
    ]
    alternating = [ev.AttemptAssigned, ev.TargetMoved, ev.AttemptAssigned, ev.TargetMoved]
    assert (seen == alternating) is not together


def test_what_waiting_work_is_likely_to_share_is_shown(tmp_path: Path) -> None:
    world = World(tmp_path, FILES, orchestrator={"max_agents": 1})
    for number in (101, 102, 103):
        world.issue(number, text="It is in src/shared.py." if number < 103 else "")
    world.agent(101, world.until_let("go") + edit(2))
    live = world.begin_start()
    live.until("the first is at work", lambda: world.stands(101) == "working")
    status = json.loads(world.run("status", "--json").out)
    (pair,) = status["likely_overlaps"]
    assert (pair["a"], pair["b"], pair["files"][0]) == (101, 102, "src/shared.py")
    named = f"likely to share {', '.join(pair['files'])}"
    assert f"#101 #102 {pair['chance']:.0%} {named}" in world.run("status").out
    explained = world.run("explain", "102").out
    assert "likely to change src/shared.py 90% (named in its text)" in explained
    assert f"{pair['chance']:.0%} {named} with #101" in explained
    document = json.loads(world.run("explain", "102", "--json").out)
    assert document["predicted"][0]["path"] == "src/shared.py"
    overlap = {"with": 101, "chance": pair["chance"], "files": pair["files"]}
    assert document["likely_overlaps"][0] == overlap
    world.let("go")
    assert set(live.wait().states.values()) == {"landed"}
    assert json.loads(world.run("explain", "102", "--json").out)["likely_overlaps"] == []
