"""`mawep resolve` and `mawep revert` in a run over several repositories."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support import promises
from tests.support.repos import git, write
from tests.support.several import Several
from tests.support.world import World

pytestmark = pytest.mark.e2e

API, WEB = "acme/api", "acme/Web"


def test_what_is_parked_in_one_of_them_is_resolved_by_name_and_frees_what_waits_in_another(
    tmp_path: Path,
) -> None:
    several = Several(tmp_path, API, WEB, conflict_resolution={"semantic_merge": False})
    several.issues(api={1: [], 2: []}, Web={1: ["acme/api#2"]})
    api = several[API]
    several.agent(API, 1, "echo one > shared.txt")
    several.agent(API, 2, World.until_let("go") + "echo two > shared.txt")
    started = several.begin("start", "--issues", "all", "--json")
    started.until("#1 has landed", lambda: api.stands(1) == "landed")
    api.let("go")
    ended = started.wait()
    assert several.states() == {"acme/api#1": "landed", "acme/api#2": "parked", "acme/Web#1": "blocked"}
    assert ended.code == 1
    assert "which repository?" in several.run("resolve", "2").said
    assert (
        "`mawep resolve acme/api#2` or `mawep retry acme/api#2`" in several.run("explain", "acme/API#2").out
    )
    told = several.run("resolve", "acme/API#2")
    assert (told.code, "mawep resolve acme/api#2 --continue" in told.out) == (0, True), told.said
    (tree,) = (path for path in (tmp_path / "trees").rglob("resolve-2-*") if path.is_dir())
    write(tree / "shared.txt", "one\ntwo\n")
    git(tree, "commit", "--quiet", "-am", "both")
    resolved = several.run("resolve", "acme/api#2", "--continue", "--json")
    assert resolved.code == 0, resolved.said
    assert set(several.states().values()) == {"landed"}
    assert api.git("show", "main:shared.txt") == "one\ntwo"
    assert not tree.exists()
    for world in several.worlds.values():
        promises.landed_once(world, world.edges)
        promises.nothing_runs(world)


@pytest.fixture
def landed(tmp_path: Path) -> Several:
    """`acme/Web#1` has landed on top of `acme/api#1`."""
    several = Several(tmp_path, API, WEB)
    several.issues(api={1: [], 2: []}, Web={1: ["acme/api#1"]})
    several.agent(API, 1, "echo one > shared.txt")
    several.agent(API, 2, "echo two > two.txt")
    several.agent(WEB, 1, "echo one > one.txt")
    assert several.run("start", "--issues", "all").code == 0
    return several


def test_what_depends_on_it_in_another_repository_is_listed_first(landed: Several) -> None:
    api, web = landed[API], landed[WEB]
    for extent in ((), ("--with-dependents",)):
        refused = landed.run("revert", "acme/api#1", *extent)
        assert refused.code == 2
        commit = (web.state().issues[1].landed_as or "")[:7]
        assert f"in other repositories depends on acme/api#1: acme/Web#1 ({commit})" in refused.said
        assert "mawep revert acme/Web#1" in refused.said
    assert landed.run("revert", "acme/web#1", "--json").states == {1: "reverted"}
    assert landed.run("revert", "acme/api#1", "--json").states == {1: "reverted"}
    assert "one.txt" not in web.git("ls-tree", "--name-only", "main")
    assert "shared.txt" not in api.git("ls-tree", "--name-only", "main")
    assert landed.run("audit").code == 0
    again = landed.run("start", "--issues", "all", "--json")
    assert (again.code, set(landed.states().values())) == (0, {"landed"}), again.said
    for world in landed.worlds.values():
        promises.nothing_is_broken(world)
        promises.nothing_runs(world)


def test_a_revert_is_a_run_by_itself_that_the_same_configuration_goes_on_with(landed: Several) -> None:
    api = landed[API]
    slow = ("--set", f"verify.commands=[\"while test ! -e '{api.root}/go'; do sleep 0.05; done\"]")
    started = landed.begin("revert", "acme/api#2", *slow)
    started.until(
        "it is gated", lambda: api.has_run and api.events(ev.RevertIntended) and api.events(ev.GateIntended)
    )
    started.send(signal.SIGKILL)
    started.wait()
    api.let("go")
    resumed = landed.run("resume", "--json")
    assert (resumed.code, resumed.states) == (0, {2: "reverted"}), resumed.said
    assert "There is nothing to resume" in landed.run("resume").said
    retried = landed.run("retry", "acme/api#2", "--json")
    assert (retried.code, retried.states) == (0, {2: "landed"}), retried.said
    assert landed.run("cleanup").code == 0


def test_a_live_run_takes_it_back_and_what_waits_elsewhere_waits_again(tmp_path: Path) -> None:
    several = Several(tmp_path, API, WEB, agents=4)
    several.issues(api={1: [], 2: []}, Web={1: ["acme/api#1", 2], 2: [], 3: []})
    several.agent(API, 1, "echo one > shared.txt")
    several.agent(API, 2, World.until_let("go") + "echo two > two.txt")
    several.agent(WEB, 2, World.until_let("go") + "echo two > two.txt")
    several.agent(WEB, 3, World.until_let("end") + "echo three > three.txt")
    api, web = several[API], several[WEB]
    started = several.begin("start", "--issues", "all", "--json")
    started.until("#1 has landed", lambda: api.stands(1) == "landed")
    said = several.run("revert", "acme/api#1")
    assert (said.code, "#1 is being reverted" in said.out) == (0, True), said.said
    started.until("#1 is reverted", lambda: api.stands(1) == "reverted")
    web.let("go")
    started.until("what waits for it is blocked", lambda: web.stands(1) == "blocked")
    again = several.run("retry", "acme/api#1")
    assert again.code == 0, again.said
    started.until("it works on top of that", lambda: web.stands(1) in ("working", "landed"))
    api.let("go")
    web.let("end")
    ended = started.wait()
    assert (ended.code, set(several.states().values())) == (0, {"landed"}), ended.said
    for world in several.worlds.values():
        promises.nothing_is_broken(world)
