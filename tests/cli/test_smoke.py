"""`mawep doctor --smoke`: every configured agent is tried in earnest."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.cli.site import Site, make_site
from tests.support.repos import commit, git

DISK = ("--set", "workspace.disk_floor_gb=0.01")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return place


def test_an_agent_that_works_passes_and_leaves_nothing(site: Site, temporary: Path) -> None:
    before = git(site.repository, "rev-parse", "HEAD")
    said = site.mawep("doctor", "--smoke", "--json", *DISK, code=0).document
    (trial,) = [check for check in said["checks"] if check["name"] == "command"]
    assert trial["status"] == "ok"
    assert "did its trial in" in trial["detail"]
    assert list(temporary.iterdir()) == []
    assert git(site.repository, "rev-parse", "HEAD") == before
    assert not site.runs.exists()


def test_an_agent_that_fails_is_named_and_its_trial_kept(tmp_path: Path, temporary: Path) -> None:
    site = make_site(tmp_path / "site", agent="'echo no key here; exit 7'")
    said = site.mawep("doctor", "--smoke", *DISK, code=2)
    assert "agent_error" in said.out
    assert "no key here" in said.out
    assert "A run can start" not in said.out
    (kept,) = [entry for entry in temporary.iterdir() if entry.name.startswith("mawep-smoke-")]
    assert str(kept) in said.out
    assert "no key here" in Site(kept / "repository").mawep("logs", "1", code=0).out


def test_every_route_is_tried(site: Site) -> None:
    path = site.repository / "mawep.yaml"
    route = "    routes: [{label: docs, runtime: command, command: 'exit 3'}]\n"
    commit(
        site.repository,
        {"mawep.yaml": path.read_text().replace("    sandbox: off\n", f"    sandbox: off\n{route}")},
    )
    said = site.mawep("doctor", "--smoke", "--json", *DISK, code=2).document
    trials = {
        check["name"]: check["status"] for check in said["checks"] if check["name"].startswith("command")
    }
    assert trials == {"command": "ok", "command:docs": "failed"}


def test_no_trial_where_a_run_could_not_start(site: Site) -> None:
    said = site.mawep(
        "doctor", "--smoke", "--json", "--set", "workspace.disk_floor_gb=1000000", code=2
    ).document
    assert "command" not in {check["name"] for check in said["checks"]}
