"""What follows a failure: repair rounds, retries, halting."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import promises
from tests.support.world import World

pytestmark = pytest.mark.e2e


def test_a_red_gate_is_repaired_by_the_agent_that_is_told(tmp_path: Path) -> None:
    world = World(
        tmp_path, verify={"commands": ["if grep -q worng *.txt; then echo 'worng is wrong'; exit 1; fi"]}
    )
    world.issue(101)
    mend = 'grep -q "worng is wrong" "$MAWEP_FEEDBACK_FILE" && echo right > a.txt'
    world.agent(101, f'if [ -n "$MAWEP_FEEDBACK_FILE" ]; then {mend}; else echo worng > a.txt; fi\n')
    ended = world.start()
    assert ended.code == 0, ended.said
    assert world.lines("began") == ["101 a1", "101 a1"]
    assert (world.repo / "a.txt").read_text() == "right\n"
    promises.kept(world)


def test_a_retry_is_a_new_attempt_in_a_new_place(tmp_path: Path) -> None:
    world = World(tmp_path, agents={"max_retries": 1})
    world.issue(101)
    world.agent(101, "echo attempt $MAWEP_ATTEMPT > work\n[ $MAWEP_ATTEMPT = 2 ]\n")
    ended = world.start()
    assert ended.code == 0, ended.said
    assert world.lines("began") == ["101 a1", "101 a2"]
    assert (world.repo / "work").read_text() == "attempt 2\n"
    promises.kept(world)


def test_halt_lets_what_runs_finish_and_starts_nothing_more(tmp_path: Path) -> None:
    world = World(tmp_path, orchestrator={"max_agents": 2, "on_failure": "halt"})
    world.issues({101: [], 102: [], 103: []})
    world.agent(101, World.until_let("102-began") + "exit 1\n")
    world.agent(102, 'touch "$root/102-began"\n' + World.until_let("101-failed") + "echo work > work\n")
    live = world.begin_start()
    live.until("101 has failed", lambda: world.stands(101) == "failed")
    world.let("101-failed")
    ended = live.wait()
    assert ended.code == 1, ended.said
    assert (ended.states[101], ended.states[102]) == ("failed: agent_error", "landed")
    assert ended.states[103] not in ("landed", "failed")
    assert len(world.lines("began")) == 2
    promises.kept(world, [102])


def test_a_setup_command_runs_before_agents_and_gates(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        {".gitignore": "ready\n"},
        workspace={"setup": ["echo ready > ready"]},
        verify={"commands": ["test -e ready"], "slots": 2},
    )
    world.issues({101: [], 102: []})
    world.agent(101, "cp ready work-101\n")
    ended = world.start()
    assert ended.code == 0, ended.said
    assert (world.repo / "work-101").read_text() == "ready\n"
    promises.kept(world)


def test_two_that_are_red_only_together_land_one_and_park_one(tmp_path: Path) -> None:
    world = World(tmp_path, verify={"commands": ["test ! -e a -o ! -e b"], "slots": 2})
    world.issues({101: [], 102: [], 103: []})
    world.agent(101, "touch a\n")
    world.agent(102, "touch b\n")
    ended = world.start()
    assert ended.code == 1, ended.said
    assert sorted([ended.states[101], ended.states[102]]) == ["landed", "parked"]
    parked = 101 if ended.states[101] == "parked" else 102
    assert "together with main" in world.explain(parked)
    promises.kept(world, {101, 102, 103} - {parked})


def test_what_does_not_merge_is_parked_with_its_hunks(tmp_path: Path) -> None:
    world = World(tmp_path, {"shared.txt": "one\n  two\nthree\n"})
    world.issues({101: [], 102: [], 103: [101, 102]})
    for number, other in ((101, 102), (102, 101)):
        wait = f'touch "$root/{number}"\n' + World.until_let(str(other))
        world.agent(number, f"{wait}sed -i 's/two/by {number}/' shared.txt\n")
    ended = world.start()
    assert ended.code == 1, ended.said
    assert sorted([ended.states[101], ended.states[102]]) == ["landed", "parked"]
    assert ended.states[103] == "blocked"
    parked = 101 if ended.states[101] == "parked" else 102
    explained = world.explain(parked)
    assert "shared.txt" in explained
    assert f"\n      by {parked}" in explained
    promises.kept(world, {101, 102} - {parked})
