"""A run whose process was killed: what verbs say about it, and the three ways on from there."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.site import WAIT, WORK, Site, make_site
from tests.support.repos import git
from tests.support.waiting import eventually


@pytest.fixture
async def dead(tmp_path: Path) -> Site:
    """A run that was killed while 101 was worked on."""
    site = make_site(tmp_path, agent=WAIT)
    with site.running("start", "--issues", "all") as start:
        await eventually("#101 is worked on", lambda: site.states().get(101) == "working", timeout=60)
        start.kill()
        start.communicate()
    return site


async def test_resume_goes_on_with_it(dead: Site) -> None:
    for verb in (
        ["pause"],
        ["send", "101", "hello"],
        ["answer", "101", "x"],
        ["cancel", "102"],
        ["approve", "101"],
    ):
        said = dead.mawep(*verb, code=2)
        assert "is not running" in said.err
        assert "mawep resume" in said.err
    assert dead.status()["phase"] == "interrupted"
    assert dead.status()["alive"] is False
    refused = dead.mawep("start", "--issues", "101", code=2)
    assert "was interrupted" in refused.err
    assert "mawep resume" in refused.err
    assert "mawep cancel" in refused.err
    dead.go()
    document = dead.mawep("resume", "--json", code=0).document
    assert document["outcome"] == "landed"
    assert dead.mawep("audit", code=0).out.endswith("Everything fits.\n")
    assert "nothing to resume" in dead.mawep("resume", code=2).err
    assert "has ended" in dead.mawep("resume", document["run"], code=2).err
    assert "No run is under way" in dead.mawep("pause", code=2).err


async def test_resume_without_rerun_fails_what_was_lost(dead: Site) -> None:
    document = dead.mawep("resume", "--no-rerun", "--json", code=1).document
    issues = {issue["number"]: issue for issue in document["issues"]}
    assert issues[101]["reason"] == "lost"
    assert issues[102]["state"] == "blocked"


async def test_cancel_gives_it_up_and_keeps_what_there_is(dead: Site) -> None:
    said = dead.mawep("cancel", code=0)
    assert "3 issues cancelled, 0 landed" in said.out
    assert "branch feature/101-issue-101" in said.out
    assert set(dead.states().values()) == {"cancelled"}
    assert git(dead.repository, "rev-parse", "--verify", "feature/101-issue-101")
    assert list(dead.worktrees.glob("agent-0-issue-101*"))
    (report,) = dead.runs.glob("*/report.json")
    assert json.loads(report.read_text())["outcome"] == "failed"
    assert "nothing to resume" in dead.mawep("resume", code=2).err
    dead.go()
    assert dead.mawep("start", "--issues", "all", "--json", code=0).document["outcome"] == "landed"


async def test_retry_of_an_ended_run_goes_on_with_it(tmp_path: Path) -> None:
    site = make_site(tmp_path, agent=f"[ -e $SITE/go ] || exit 3; {WORK}")
    site.mawep("start", "--issues", "all", code=1)
    assert site.states() == {101: "failed", 102: "blocked", 103: "blocked"}
    assert "blocked by #101" in site.mawep("retry", "102", code=2).err
    assert "not in this run" in site.mawep("retry", "999", code=2).err
    assert "mawep resume" in site.mawep("retry", "101", "--no-run", code=0).out
    assert site.status()["phase"] == "interrupted"
    assert "was interrupted" in site.mawep("start", "--issues", "102", code=2).err
    site.mawep("resume", code=1)
    site.go()
    assert site.mawep("retry", "101", "--json", code=0).document["outcome"] == "landed"
    assert "landed" in site.mawep("retry", "101", code=2).err
    assert len(list(site.runs.iterdir())) == 1


async def test_what_only_waits_for_a_clean_checkout_is_landed_by_resume(tmp_path: Path) -> None:
    site = make_site(
        tmp_path, {101: []}, agent=f"echo mine >> $SITE/shop/README.md; echo 1 > README.md; {WORK}"
    )
    said = site.mawep("start", "--issues", "all", code=3)
    assert "README.md" in said.err
    assert "mawep resume" in said.err
    assert (site.repository / "README.md").read_text() == "hello\nmine\n"
    assert "README.md" in site.mawep("explain", "101", code=0).out
    git(site.repository, "checkout", "--quiet", "README.md")
    assert site.mawep("resume", "--json", code=0).document["outcome"] == "landed"
    assert (site.repository / "README.md").read_text() == "1\n"


async def test_ctrl_c_leaves_a_run_that_resume_finishes(tmp_path: Path) -> None:
    site = make_site(tmp_path, agent=WAIT)
    with site.running("start", "--issues", "all", "--json") as start:
        await eventually("#101 is worked on", lambda: site.states().get(101) == "working", timeout=60)
        start.terminate()
        out, err = start.communicate(timeout=60)
        assert start.returncode == 130, err
    assert json.loads(out)["outcome"] == "interrupted"
    site.go()
    assert site.mawep("resume", "--json", code=0).document["outcome"] == "landed"


def died_moving(site: Site) -> str:
    """Make a run that has landed one that died right after it had journalled its last move; where that came from."""
    (path,) = site.runs.glob("*/journal.db")
    with sqlite3.connect(path) as db:
        query = "SELECT seq, json FROM events WHERE type = 'MoveIntended' ORDER BY seq DESC LIMIT 1"
        seq, text = db.execute(query).fetchone()
        db.execute("DELETE FROM events WHERE seq > ?", (seq,))
    db.close()
    old: str = json.loads(text)["old"]
    return old


@pytest.mark.parametrize("ref_moved", [True, False], ids=["after the move", "between checkout and branch"])
def test_giving_up_completes_a_landing_that_was_half_done(ref_moved: bool, site: Site) -> None:
    site.mawep("start", "--issues", "all", code=0)
    new = git(site.repository, "rev-parse", "main")
    old = died_moving(site)
    if not ref_moved:
        git(site.repository, "update-ref", "refs/heads/main", old)
        assert git(site.repository, "status", "--porcelain"), "the checkout is ahead of its branch"
    said = site.mawep("cancel", code=0)
    assert "0 issues cancelled, 3 landed" in said.out
    assert "is complete" in said.out
    assert git(site.repository, "rev-parse", "main") == new
    assert git(site.repository, "status", "--porcelain") == ""
    assert set(site.states().values()) == {"landed"}
    assert site.mawep("audit", code=0)


def test_a_run_whose_target_was_rewritten_can_still_be_given_up(site: Site) -> None:
    site.mawep("start", "--issues", "all", code=0)
    died_moving(site)
    git(site.repository, "reset", "--quiet", "--hard", "main~3")
    git(site.repository, "commit", "--quiet", "--amend", "-m", "another history")
    assert "contain" in site.mawep("resume", code=3).err
    assert "given up" in site.mawep("cancel", code=0).out
    assert site.status()["phase"] == "ended"
