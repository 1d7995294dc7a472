"""One run over several repositories: dependencies between them hold, agents are shared, nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support import promises
from tests.support.several import Several
from tests.support.world import World

pytestmark = pytest.mark.e2e

API, WEB, DOCS = "acme/api", "acme/Web", "acme/docs"
EASY = 'sleep 0.2; echo done > "issue-$MAWEP_ISSUE.txt"'
BESIDE = 'until [ "$(grep -c + "{root}/busy")" -ge 2 ]; do sleep 0.02; done; '
"""A piece of an agent's script: the first one waits until another one is at work."""


def when(world: World, kind: type[ev.Event], number: int) -> datetime:
    """The first moment at which something happened to an issue."""
    for recorded in world.journal():
        event = recorded.event
        if isinstance(event, kind):
            steps = [step.issue for step in getattr(event, "steps", ())]
            if number in (getattr(event, "issue", None), *steps):
                return recorded.at
    raise AssertionError(f"nothing like that happened to #{number}")


def busy(several: Several, numbers: range) -> None:
    """Give every issue an agent that takes a moment; the first does not end before another one has begun."""
    for name in several.worlds:
        for number in numbers:
            several.agent(name, number, BESIDE.format(root=several.root) + EASY)


def test_what_waits_across_repositories_starts_when_it_has_landed_there_and_agents_are_shared(
    tmp_path: Path,
) -> None:
    several = Several(tmp_path, API, WEB, DOCS, agents=2)
    several.issues(
        api={1: [], 2: [], 3: ["acme/Web#2"]},
        Web={1: ["acme/api#1"], 2: [1]},
        docs={1: [], 2: [], 3: ["acme/api#3", "acme/web#1", 1]},
    )
    busy(several, range(1, 4))
    ended = several.run("start", "--issues", "all", "--json")
    assert ended.code == 0, ended.said
    document = ended.document
    assert document["outcome"] == "landed"
    assert list(document["repositories"]) == [API, WEB, DOCS]
    assert set(several.states().values()) == {"landed"}
    api, web, docs = several.worlds.values()
    for later, number, earlier, on in (
        (web, 1, api, 1),
        (api, 3, web, 2),
        (docs, 3, api, 3),
        (docs, 3, web, 1),
    ):
        assert when(later, ev.AttemptAssigned, number) > when(earlier, ev.TargetMoved, on)
    assert several.most_at_once() == 2
    for world in several.worlds.values():
        promises.kept(world)


def test_a_failure_blocks_what_waits_for_it_elsewhere_and_nothing_else(tmp_path: Path) -> None:
    several = Several(tmp_path, API, WEB)
    several.issues(api={1: []}, Web={1: ["acme/api#1"], 2: []})
    several[API].agent(1, "exit 3")
    ended = several.run("start", "--issues", "all", "--json")
    assert ended.code == 1, ended.said
    assert several.states() == {"acme/api#1": "failed", "acme/Web#1": "blocked", "acme/Web#2": "landed"}
    (blocked,) = [one for one in ended.document["repositories"][WEB]["issues"] if one["number"] == 1]
    assert "acme/api#1" in blocked["reason"]


MOMENTS: dict[str, Callable[[Several], object]] = {
    "the record is written": Several.records,
    "the first run has begun": lambda several: several[API].has_run,
    "the second run has begun": lambda several: several[WEB].has_run,
    "agents are at work": lambda several: several[API].stands(2) == several[WEB].stands(2) == "working",
    "the first issue has landed": lambda several: several[API].stands(1) == "landed",
    "one run has ended": lambda several: several[API].state().ended,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_every_run_goes_on_with_resume(tmp_path: Path, moment: str) -> None:
    several = Several(tmp_path, API, WEB)
    several.issues(api={1: [], 2: []}, Web={1: ["acme/api#1"], 2: []})
    for name in (API, WEB):
        several[name].agent(2, World.until_let("go") + EASY)
        several[name].agent(1, EASY)
    started = several.begin("start", "--issues", "all")
    if moment == "one run has ended":
        several[API].let("go")
    started.until(moment, lambda: MOMENTS[moment](several))
    started.kill()
    for name in (API, WEB):
        several[name].let("go")
    resumed = several.run("resume", "--json")
    assert resumed.code == 0, resumed.said
    assert len({one.group for one in several.records()}) == 1
    assert set(several.states().values()) == {"landed"}
    assert len(several.states()) == 4
    for world in several.worlds.values():
        promises.landed_once(world, world.edges)
        promises.every_target_was_gated(world)
        promises.agents_were_alone(world)
        promises.nothing_runs(world)
    assert several.run("resume").code == 2


def test_ctrl_c_reaches_every_run_and_resume_goes_on_with_all(tmp_path: Path) -> None:
    several = Several(tmp_path, API, WEB)
    several.issues(api={1: [], 2: []}, Web={1: [], 2: [1]})
    for name in (API, WEB):
        several[name].agent(1, World.until_let("go") + EASY)
    started = several.begin("start", "--issues", "all")
    started.until("both are at work", lambda: several[API].stands(1) == several[WEB].stands(1) == "working")
    started.send(signal.SIGINT)
    for world in several.worlds.values():
        started.until("it has heard", lambda world=world: world.events(ev.Interrupted))  # type: ignore[misc]
        world.let("go")
    ended = started.wait()
    assert ended.code == 130, ended.said
    assert several.states()["acme/Web#2"] == "ready"
    resumed = several.run("resume")
    assert resumed.code == 0, resumed.said
    assert set(several.states().values()) == {"landed"}


def test_what_cannot_be_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    several = Several(tmp_path, API, WEB)
    several.issues(
        api={1: ["acme/web#1"], 2: ["acme/web#2"], 3: ["acme/web#9"], 4: []},
        Web={1: [3], 2: [], 3: ["acme/api#1"]},
    )
    for asked, said in {
        "acme/api#1,acme/web#1,acme/web#3": "acme/api#1 → acme/web#1 → acme/web#3 → acme/api#1",
        "acme/api#2": "which is open and not in the set",
        "acme/api#3": "is not an issue of acme/Web",
        "acme/api#8": "#8 is not an issue of the tracker",
        "4": "#4 of which repository?",
        "acme/else#4": "acme/else#4 is in no repository of the configuration",
    }.items():
        refused = several.run("start", "--issues", asked)
        assert refused.code == 2
        assert said in refused.said
    assert several.records() == []
    assert not any(world.has_run for world in several.worlds.values())
    ended = several.run("start", "--issues", "acme/api#2", "--with-dependencies")
    assert ended.code == 0, ended.said
    assert several.states() == {"acme/api#2": "landed", "acme/Web#2": "landed"}


def test_every_verb_takes_an_issue_by_its_repository_or_all_runs_together(tmp_path: Path) -> None:
    several = Several(tmp_path, API, WEB)
    several.issues(api={1: [], 2: [1]}, Web={1: ["acme/api#1"]})
    several[API].agent(1, World.until_let("go") + '[ -e "$root/good" ] || exit 3\n' + EASY)
    plan = several.run("plan", "--json").document
    assert plan["order"][0] == "acme/api#1"
    assert plan["crossings"] == [{"from": "acme/api#1", "to": "acme/web#1", "source": "front_matter"}]
    assert "acme/web#1 waits for acme/api#1" in several.run("plan").out
    assert "Do piece 1" in several.run("plan", "--prompt", "acme/web#1").out

    started = several.begin("start", "--issues", "all")
    started.until("the agent is at work", lambda: several[API].stands(1) == "working")
    assert "acme/api#1 (working) to land" in several.run("explain", "ACME/WEB#1").out
    status = several.run("status", "--json").document["repositories"]
    assert [len(status[name]["issues"]) for name in (API, WEB)] == [2, 1]
    assert several.run("send", "acme/api#1", "hello").code == 0
    assert several.run("pause").out.count("acme/") == 2
    assert several.run("resume").out.count("acme/") == 2
    several[API].let("go")
    ended = started.wait()
    assert ended.code == 1, ended.said
    assert several.states() == {"acme/api#1": "failed", "acme/api#2": "blocked", "acme/Web#1": "blocked"}
    assert "acme/api#1 is failed" in several.run("explain", "acme/Web#1").out
    assert several.run("explain", "1").code == several.run("explain", "acme/else#1").code == 2
    assert several.run("logs", "acme/api#1").code == 0
    assert several[WEB].run("retry", "1").code == 2

    several[API].let("good")
    retried = several.run("retry", "acme/api#1", "--json")
    assert retried.code == 0, retried.said
    assert set(several.states().values()) == {"landed"}
    for verb in ("status", "watch", "report", "audit"):
        said = several.run(verb)
        assert said.code == 0, said.said
        assert said.out.index(API) < said.out.index(WEB)
    report = several.run("report", "--json").document
    assert report["outcome"] == "landed"
    assert several.run("status", "--all", "--json").document["runs"][0]["repository"] == API
    assert several.run("cleanup", "--all").code == 0
    assert several.run("cancel").code == 2
