"""What can be asked of a run that is over: reports, logs, proof, and tidying up."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.site import WORK, Said, Site, make_site
from tests.support.repos import commit, git

HALF = f"if [ $MAWEP_ISSUE = 102 ]; then echo half > half.txt; echo boom; exit 3; fi; {WORK}"


@pytest.fixture
def copied(landed: tuple[Site, Said], tmp_path: Path) -> Site:
    """A copy of the landed site that a test may spoil."""
    site = Site(tmp_path / "shop")
    shutil.copytree(landed[0].repository, site.repository, symlinks=True)
    return site


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Said]:
    """A site on which 102 failed, 104 behind it is blocked, and the rest landed."""
    edges = {101: [], 102: [101], 103: [101], 104: [102]}
    site = make_site(tmp_path_factory.mktemp("failed"), edges, agent=HALF, gate=("echo checked; true",))
    return site, site.mawep("start", "--issues", "all", code=1)


def test_start_ends_with_what_became_of_it(failed: tuple[Site, Said]) -> None:
    _, said = failed
    assert "partial: 2 of 4 issues on main" in said.out
    assert "#102 agent_error  (mawep explain 102)" in said.out
    assert "#101 has landed" in said.err


def test_explain_tells_the_reason_the_evidence_and_the_next_step(failed: tuple[Site, Said]) -> None:
    site, _ = failed
    told = site.mawep("explain", "102", code=0).out
    for part in ("failed (agent_error)", "exited with code 3", "boom", "/salvage/102-a1", "mawep retry 102"):
        assert part in told
    blocked = site.mawep("explain", "#104", "--json", code=0).document
    assert blocked["refusals"] == [{"kind": "blocked", "detail": "#102 is failed (agent_error)"}]


def test_status_and_its_list_of_runs(failed: tuple[Site, Said]) -> None:
    site, _ = failed
    told = site.mawep("status", code=0).out
    for part in ("2 landed", "1 failed", "1 blocked", "#102 is failed (agent_error)"):
        assert part in told
    (run,) = site.mawep("status", "--all", "--json", code=0).document["runs"]
    assert run["phase"] == "ended"
    assert site.mawep("status", run["run"][-6:], "--json", code=0).document["run"] == run["run"]
    assert "No run is called nonsense" in site.mawep("status", "nonsense", code=2).err
    assert "102" in site.mawep("watch", code=0).out


def test_logs_of_the_agent_and_of_the_gate(failed: tuple[Site, Said]) -> None:
    site, _ = failed
    told = site.mawep("logs", "102", code=0).out
    assert "boom" in told
    assert "exited with code 3" in told
    gate = site.mawep("logs", "101", "--gate", code=0).out
    assert "gate green" in gate
    assert "$ echo checked; true" in gate
    assert "    checked" in gate
    assert "no attempt 2" in site.mawep("logs", "102", "--attempt", "2", code=2).err
    assert "nobody has worked on #104" in site.mawep("logs", "104", code=2).err
    assert "No gate has run" in site.mawep("logs", "104", "--gate", code=0).out


def test_report_as_markdown_and_to_a_file(failed: tuple[Site, Said], tmp_path: Path) -> None:
    site, _ = failed
    assert site.mawep("report", "--markdown", code=0).out.startswith("# MAWEP run ")
    assert "partial: 2 of 4" in site.mawep("report", code=0).out
    target = tmp_path / "report.md"
    assert site.mawep("report", "--output", target, code=0).out == ""
    assert "## #102" in target.read_text()
    assert "cannot be written" in site.mawep("report", "-o", tmp_path / "no" / "where.md", code=2).err


def test_audit_notices_a_target_that_was_rewritten(copied: Site) -> None:
    assert copied.mawep("audit", code=0).out.endswith("Everything fits.\n")
    git(copied.repository, "commit", "--quiet", "--amend", "-m", "mine now")
    document = copied.mawep("audit", "--json", code=1).document
    assert {problem["kind"] for problem in document["problems"]} == {"unreachable"}


def test_audit_notices_an_old_copy_of_the_journal(copied: Site) -> None:
    """A copy that ends early verifies by itself; the landing commits name heads that it never had."""
    (path,) = copied.runs.glob("*/journal.db")
    with sqlite3.connect(path) as db:
        (last,) = db.execute("SELECT max(seq) FROM events WHERE type = 'SealIntended'").fetchone()
        db.execute("DELETE FROM events WHERE seq >= ?", (last,))
    db.close()
    document = copied.mawep("audit", "--json", code=1).document
    kinds = {problem["kind"] for problem in document["problems"]}
    assert kinds == {"unknown_landing", "journal"}


def test_audit_notices_an_event_that_was_changed(copied: Site) -> None:
    (path,) = copied.runs.glob("*/journal.db")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE events SET json = replace(json, '101', '102') WHERE type = 'TargetMoved'")
    db.close()
    document = copied.mawep("audit", "--json", code=1).document
    kinds = {problem["kind"] for problem in document["problems"]}
    assert "chain" in kinds
    assert "trailer" in kinds


def test_audit_notices_a_gate_that_was_red(copied: Site) -> None:
    (path,) = copied.runs.glob("*/journal.db")
    with sqlite3.connect(path) as db:
        db.execute(
            """UPDATE events SET json = replace(json, '"green"', '"red"') WHERE type = 'GateFinished'"""
        )
    db.close()
    kinds = {problem["kind"] for problem in copied.mawep("audit", "--json", code=1).document["problems"]}
    assert kinds == {"chain", "gate"}


def test_cleanup_keeps_what_is_young_and_never_touches_the_users_things(tmp_path: Path) -> None:
    site = make_site(tmp_path, {101: [], 102: []}, agent=HALF)
    site.mawep("start", "--issues", "all", code=1)
    git(site.repository, "branch", "mine", "main")
    git(site.repository, "worktree", "add", "--quiet", "-b", "elsewhere", str(tmp_path / "elsewhere"), "main")
    shutil.rmtree(tmp_path / "elsewhere")  # a disk that is unplugged just now
    before = git(site.repository, "for-each-ref")
    dry = site.mawep("cleanup", "--dry-run", "--all", code=0).out
    assert "would remove worktree" in dry
    assert "salvage/102-a1" in dry
    assert git(site.repository, "for-each-ref") == before
    site.mawep("cleanup", code=0)
    assert "salvage/102-a1" in git(site.repository, "for-each-ref")
    assert list(site.worktrees.glob("agent-*"))
    site.mawep("cleanup", "--all", code=0)
    refs = git(site.repository, "for-each-ref", "--format=%(refname)").splitlines()
    assert refs == ["refs/heads/elsewhere", "refs/heads/main", "refs/heads/mine"]
    assert list(site.worktrees.glob("agent-*")) == []
    assert "elsewhere" in git(site.repository, "worktree", "list")
    assert "nothing to remove" in site.mawep("cleanup", code=0).out
    assert site.mawep("audit", code=0)


def test_cleanup_removes_runs_whose_logs_are_old(copied: Site) -> None:
    said = copied.mawep("cleanup", "--set", "cleanup.log_retention_days=0", code=0)
    assert "journal, logs and transcripts" in said.out
    assert list(copied.runs.iterdir()) == []
    assert "no run" in copied.mawep("status", code=2).err


def test_a_branch_that_somebody_went_on_with_is_kept(copied: Site) -> None:
    git(copied.repository, "branch", "feature/101-issue-101", "main")
    copied.mawep("cleanup", code=0)
    assert git(copied.repository, "rev-parse", "--verify", "feature/101-issue-101")


def test_issue_numbers_complete_in_the_shell(
    landed: tuple[Site, Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, _ = landed
    monkeypatch.setenv("_MAWEP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "mawep explain 10")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert site.mawep().out.split() == ["101", "102", "103"]
    monkeypatch.setenv("COMP_WORDS", "mawep st")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert site.mawep().out.split() == ["start", "status"]


def test_a_configuration_that_broke_keeps_nobody_from_looking(copied: Site) -> None:
    commit(copied.repository, {"mawep.yaml": "mawep: {nonsense: true}\n"})
    assert "3 landed" in copied.mawep("status", code=0).out
    (copied.repository / "mawep.yaml").unlink()
    assert "3 landed" in copied.mawep("status", code=0).out
