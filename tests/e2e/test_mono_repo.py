"""A mono-repo: two packages, a library that both need, and pages; only what a change can affect is gated."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.core import events as ev
from mawep.core.model import GateRecord
from tests.support import promises
from tests.support.world import Ended, World

pytestmark = pytest.mark.e2e


def mono_repo(root: Path, **agents: object) -> World:
    """Every gate command writes down that it ran; a package with a file `broken` in it is red."""
    said = f"{root}/gated"

    def scope(name: str, *needs: str, **more: object) -> dict[str, object]:
        check = f"echo {name} >> {said}; test ! -e {name}/broken"
        return {"name": name, "paths": [f"{name}/**"], "needs": list(needs), "commands": [check], **more}

    scopes = [
        scope("lib"),
        scope("api", "lib", labels=["backend"], confine=True, setup=[f"echo set-up >> {said}"]),
        scope("web", "lib"),
        scope("docs", commands=[]),
    ]
    return World(
        root,
        {f"{name}/first.txt": "1\n" for name in ("lib", "api", "web", "docs")},
        verify={"commands": [f"echo all >> {said}"], "scopes": scopes},
        agents={"runtime": "command", "command": ["sh", f"{root}/agent.sh"], "sandbox": "off", **agents},
        orchestrator={"max_agents": 1, "worktree_base": "../worktrees"},
    )


def ran(world: World) -> list[str]:
    """Which gate commands ran, in order."""
    gated = world.root / "gated"
    return gated.read_text().split() if gated.exists() else []


def verdicts(world: World) -> list[GateRecord]:
    return [event.record for event in world.events(ev.GateFinished)]


def landed(ended: Ended, *numbers: int) -> None:
    assert [n for n, state in ended.states.items() if state == "landed"] == list(numbers), ended.said


def test_a_change_in_one_package_runs_only_its_gate_and_that_is_said(tmp_path: Path) -> None:
    world = mono_repo(tmp_path)
    world.issue(1)
    world.agent(1, "echo 1 > web/new.txt\n")
    landed(world.start(), 1)
    assert ran(world) == ["all", "web"]
    (record,) = verdicts(world)
    assert (record.scopes, record.taken_over) == (("web",), ("lib", "api", "docs"))
    (attempt,) = world.run("explain", "1", "--json").document["attempts"]
    assert [gate["scopes"] for gate in attempt["gates"]] == [["web"]]
    assert "gated: web; taken over: lib, api, docs" in world.run("logs", "1", "--gate").out
    assert "gated: web; taken over: lib, api, docs" in world.run("report", "--markdown").out
    assert world.run("audit").code == 0
    promises.kept(world)


def test_what_packages_need_gates_them_too(tmp_path: Path) -> None:
    world = mono_repo(tmp_path)
    world.issue(1)
    world.agent(1, "echo 2 > lib/first.txt\n")
    landed(world.start(), 1)
    assert ran(world) == ["all", "lib", "set-up", "api", "web"]
    promises.kept(world)


def test_what_lies_in_no_scope_gates_everything_and_pages_almost_nothing(tmp_path: Path) -> None:
    world = mono_repo(tmp_path)
    world.issues({1: (), 2: (1,)})
    world.agent(1, "echo 1 > Makefile\n")
    world.agent(2, "echo 2 > docs/first.txt\n")
    landed(world.start(), 1, 2)
    assert ran(world) == ["all", "lib", "set-up", "api", "web", "all"]
    assert [record.scopes for record in verdicts(world)] == [None, ("docs",)]
    promises.kept(world)


def test_a_red_scope_fails_its_issue_and_holds_up_nobody_else(tmp_path: Path) -> None:
    world = mono_repo(tmp_path, repair_rounds=0)
    world.issues({1: (), 2: ()})
    world.agent(1, "touch web/broken\n")
    world.agent(2, "echo 2 > api/new.txt\n")
    ended = world.start()
    assert ended.states == {1: "failed: gate_failed", 2: "landed"}
    assert sorted(ran(world)) == ["all", "all", "api", "set-up", "web"]
    promises.kept(world, [2])


def test_a_batch_is_gated_for_the_scopes_of_all_and_who_spoils_it_is_found(tmp_path: Path) -> None:
    """Each change of the library is good, and so is each of the packages; together two of them are not."""
    world = mono_repo(tmp_path)
    world.configure(
        verify={
            "scopes": [
                {"name": "lib", "paths": ["lib"], "commands": [f"echo lib >> {tmp_path}/gated"]},
                {
                    "name": "api",
                    "paths": ["api"],
                    "needs": ["lib"],
                    "commands": [f"echo api >> {tmp_path}/gated; ! test -e lib/new -a -e api/old"],
                },
                {"name": "web", "paths": ["web"], "commands": [f"echo web >> {tmp_path}/gated"]},
            ],
        },
        orchestrator={"max_agents": 3, "worktree_base": "../worktrees"},
    )
    world.issues({1: (), 2: (), 3: ()})
    wait = "".join(f'while [ ! -e "$root/started-{n}" ]; do sleep 0.02; done\n' for n in (1, 2, 3))
    for number, deed in ((1, "touch lib/new"), (2, "touch api/old"), (3, "touch web/new")):
        world.agent(number, f'touch "$root/started-{number}"\n{wait}{deed}\n')
    ended = world.start()
    states = ended.states
    assert states[3] == "landed"
    assert sorted((states[1], states[2])) == ["landed", "parked"], ended.said
    promises.kept(world, [n for n, state in states.items() if state == "landed"])
    tips = {steps[-1].tree for steps in (event.steps for event in world.events(ev.LandingSealed))}
    green = {record.tree: record.scopes for record in verdicts(world) if record.result == "green"}
    assert tips <= set(green)


def test_an_issue_is_confined_to_the_scopes_of_its_labels(tmp_path: Path) -> None:
    world = mono_repo(tmp_path, repair_rounds=1)
    world.issue(1, labels=["Backend"])
    world.issue(2, labels=["backend"])
    world.agent(1, "echo 1 > api/new.txt; echo 1 > web/new.txt\n")
    world.agent(
        2, "echo 2 > api/two.txt; if [ -e web/two.txt ]; then rm web/two.txt; else echo 2 > web/two.txt; fi\n"
    )
    ended = world.start()
    assert ended.states == {1: "failed: out_of_scope", 2: "landed"}, ended.said
    assert "web/new.txt" in world.run("explain", "1").out
    assert ran(world) == ["all", "set-up", "api"]
    promises.kept(world, [2])


def test_a_run_that_dies_in_a_gate_gates_the_same_scopes_again(tmp_path: Path) -> None:
    """Also where the configuration has other paths meanwhile: the run keeps the scopes that it began with."""
    world = mono_repo(tmp_path)
    scopes = [
        {"name": "api", "paths": ["api"], "commands": [f"echo api >> {tmp_path}/gated; {waits(tmp_path)}"]},
        {"name": "web", "paths": ["web"], "commands": [f"echo web >> {tmp_path}/gated"]},
    ]
    world.configure(verify={"commands": [], "scopes": scopes})
    world.issue(1)
    world.agent(1, "echo 1 > api/new.txt\n")
    live = world.begin_start()
    live.until("the gate runs", lambda: ran(world) == ["api"])
    live.kill()
    world.let("go")
    swapped = [{**scopes[0], "paths": ["web"]}, {**scopes[1], "paths": ["api"]}]
    world.configure(verify={"commands": [], "scopes": swapped})
    ended = world.resume()
    assert ended.states == {1: "landed"}, ended.said
    assert set(ran(world)) == {"api"}
    assert {record.scopes for record in verdicts(world)} == {("api",)}
    promises.kept(world)


def waits(root: Path) -> str:
    return f"while [ ! -e {root}/go ]; do sleep 0.02; done"
