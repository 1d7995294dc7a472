"""Verbs on a live run: they reach its process over the bus, and leave no key behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.site import WAIT, Site, make_site
from tests.support.repos import commit
from tests.support.waiting import eventually

ASKING = """\
steps:
  - say: I need to know.
  - ask: {text: Which one?, options: [left, right]}
  - write: {path: asked.txt, text: "asked"}
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Site:
    """A site whose agents wait until they are let go."""
    return make_site(tmp_path, agent=WAIT)


async def working(site: Site, number: int = 101) -> None:
    await eventually(f"#{number} is worked on", lambda: site.states().get(number) == "working", timeout=60)


async def test_pause_cancel_send_and_resume_reach_the_run(waiting: Site) -> None:
    site = waiting
    with site.running("start", "--issues", "all", "--json") as start:
        await working(site)
        assert "paused" in site.mawep("pause", code=0).out
        assert site.status()["phase"] == "paused"
        assert "sent to #101" in site.mawep("send", "101", "hello", code=0).out
        assert "sent to #101" in site.mawep("send", "agent-0", "hello", code=0).out
        assert "not text" in site.mawep("send", "101", "\udcff", code=2).err
        assert "no agent works on agent-1" in site.mawep("send", "agent-1", "hello", code=2).err
        assert "cancelled #103" in site.mawep("cancel", "#103", code=0).out
        assert "resumed" in site.mawep("resume", code=0).out
        assert site.status()["phase"] == "running"
        site.go()
        out, err = start.communicate(timeout=60)
        assert start.returncode == 1, err
    document = json.loads(out)
    states = {issue["number"]: issue["state"] for issue in document["issues"]}
    assert states == {101: "landed", 102: "landed", 103: "cancelled"}
    (keys,) = site.runs.glob("*/keys")
    assert {key.stem for key in keys.iterdir()} == {"orchestrator", "worker-0"}


async def test_a_second_start_is_refused_while_the_run_lives(waiting: Site) -> None:
    site = waiting
    with site.running("start", "--issues", "101") as start:
        await working(site)
        refused = site.mawep("start", "--issues", "102", code=2)
        assert "is running" in refused.err
        assert "mawep resume" in refused.err
        assert "mawep cancel" in refused.err
        busy = site.mawep("cleanup", code=2)
        assert "is running" in busy.err
        site.go()
        start.communicate(timeout=60)
        assert start.returncode == 0
    assert len(list(site.runs.iterdir())) == 1


async def test_cancel_without_numbers_ends_the_run(waiting: Site) -> None:
    site = waiting
    with site.running("start", "--issues", "all") as start:
        await working(site)
        assert "#101, #102, #103" in site.mawep("cancel", code=0).out
        start.communicate(timeout=60)
        assert start.returncode == 1
    assert set(site.states().values()) == {"cancelled"}


async def test_retry_reopens_an_issue_of_a_live_run(tmp_path: Path) -> None:
    agent = f'if [ "$MAWEP_ISSUE$MAWEP_ATTEMPT" = 1011 ]; then exit 3; fi; {WAIT}'
    site = make_site(tmp_path, {101: [], 102: []}, agent=agent)
    with site.running("start", "--issues", "all") as start:
        await eventually("#101 has failed", lambda: site.states().get(101) == "failed", timeout=60)
        assert "only what failed" in site.mawep("retry", "102", code=2).err
        assert "tried again" in site.mawep("retry", "101", code=0).out
        await working(site)
        site.go()
        start.communicate(timeout=60)
        assert start.returncode == 0
    assert site.mawep("explain", "101", "--json", code=0).document["attempts"][0]["reason"] == "agent_error"


async def test_a_question_is_listed_answered_and_approved(tmp_path: Path) -> None:
    site = make_site(tmp_path, {101: [], 102: []})
    config = (site.repository / "mawep.yaml").read_text()
    lines = [line for line in config.splitlines() if "command:" not in line]
    scripted = "\n".join(lines).replace("runtime: command", "runtime: scripted\n    script_dir: scripts")
    yes = ASKING.replace("[left, right]", "[]").replace("asked", "approved")
    files = {"mawep.yaml": scripted, "scripts/101.yaml": ASKING, "scripts/102.yaml": yes}
    commit(site.repository, files)
    with site.running("start", "--issues", "all") as start:
        await eventually(
            "both ask", lambda: list(site.states().values()) == ["needs_input", "needs_input"], timeout=60
        )
        listed = site.mawep("answer", code=0).out
        assert "#101: Which one? (left / right)" in listed
        assert "mawep answer 102" in listed
        assert "not one of: left, right" in site.mawep("answer", "101", "up", code=2).err
        assert "answered #101" in site.mawep("answer", "101", "left", code=0).out
        assert "answered #102" in site.mawep("approve", "102", code=0).out
        _, err = start.communicate(timeout=60)
        assert start.returncode == 0, err
    told = site.mawep("logs", "101", code=0).out
    assert "? asks: Which one?" in told
    assert "» answer: left" in told
    assert "I need to know." in told


async def test_logs_follow_the_agent_until_it_has_finished(tmp_path: Path) -> None:
    site = make_site(tmp_path, {101: []}, agent=f"echo begun; {WAIT}; echo done")
    with site.running("start", "--issues", "all") as start:
        await working(site)
        with site.running("logs", "101", "-f") as follower:
            assert follower.stdout is not None
            assert "attempt 1" in follower.stdout.readline()
            assert "sh -c" in follower.stdout.readline()
            assert "turn 1" in follower.stdout.readline()
            assert "begun" in follower.stdout.readline()
            site.go()
            assert "done" in follower.stdout.readline()
            follower.communicate(timeout=60)
            assert follower.returncode == 0
        start.communicate(timeout=60)
        assert start.returncode == 0
