"""Before the first run: `init`, `doctor`, `demo`, help, versions, and how quick the daily verbs are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mawep.cli.main import application
from mawep.cli.verbs import VERBS
from tests.cli.site import Site
from tests.support.repos import commit, git, make_repository


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"Makefile": "all:\n\ttrue\ntest:\n\ttrue\n"}, "make test"),
        ({"Makefile": "all:\n\ttrue\n", "Cargo.toml": ""}, "cargo test"),
        ({"go.mod": "module x\n"}, "go test ./..."),
        ({"package.json": '{"scripts": {"test": "vitest"}}', "package-lock.json": "{}"}, "npm test"),
        ({"package.json": "[not json"}, None),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, "python3 -m pytest -q"),
        ({"tests/test_a.py": "import unittest\n"}, "python3 -m unittest -q"),
        ({"tests/test_a.py": "import pytest\n"}, "python3 -m pytest -q"),
        ({"README.md": "nothing to go by\n"}, None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_init_finds_how_the_project_is_tested(
    files: dict[str, str], command: str | None, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "shop", files, branch="develop")
    site = Site(repository)
    said = site.mawep("init", code=0)
    text = (repository / "mawep.yaml").read_text()
    assert "target_branch: develop" in text
    assert (f'commands: ["{command}"]' in text) is (command is not None)
    assert ("verify.commands" in said.out) is True
    assert ("npm ci" in text) is ("package-lock.json" in files)


def test_what_init_wrote_is_a_configuration_once_the_agent_is_named(tmp_path: Path) -> None:
    site = Site(make_repository(tmp_path / "shop", {"Makefile": "test:\n\ttrue\n", "issues/1.md": "---\n"}))
    site.mawep("init", code=0)
    assert "is there already" in site.mawep("init", code=2).err
    refused = site.mawep("doctor", code=2)
    assert "agents.runtime" in refused.out
    path = site.repository / "mawep.yaml"
    named = "    runtime: command\n    command: ./agent.sh\n"
    path.write_text(path.read_text().replace("    sandbox: required", f"{named}    sandbox: required"))
    commit(site.repository, {"mawep.yaml": path.read_text(), "agent.sh": "#!/bin/sh\n"})
    said = site.mawep("doctor", "--set", "workspace.disk_floor_gb=0.01")
    assert "✗ configuration" not in said.out


@pytest.mark.parametrize(
    "address",
    ["https://github.com/acme/shop.git", "git@github.com:acme/shop", "ssh://git@github.com/acme/shop"],
)
def test_init_in_a_clone_of_a_repository_on_github(address: str, tmp_path: Path) -> None:
    site = Site(make_repository(tmp_path / "shop", {"Makefile": "test:\n\ttrue\n"}))
    git(site.repository, "remote", "add", "origin", address)
    said = site.mawep("init", code=0)
    assert "issues.tracker: github" in said.out and "github.repository: acme/shop" in said.out
    assert "tracker: github" in (site.repository / "mawep.yaml").read_text()


def test_init_outside_of_a_repository(tmp_path: Path) -> None:
    assert "not in a git repository" in Site(tmp_path).mawep("init", code=2).err
    assert list(tmp_path.iterdir()) == []


def test_doctor_exits_2_and_says_what_is_missing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAWEP_REDIS_SERVER", "/nowhere/valkey-server")
    said = site.mawep("doctor", "--json", code=2)
    failed = [check for check in said.document["checks"] if check["status"] == "failed"]
    assert [check["name"] for check in failed] == ["message bus"]
    assert "MAWEP_REDIS_SERVER" in failed[0]["detail"]


def test_demo_lands_five_issues_and_says_where_everything_is(tmp_path: Path) -> None:
    place = tmp_path / "payments"
    said = Site(tmp_path).mawep("demo", "--directory", place, code=0)
    assert "landed: 5 of 5 issues" in said.out
    assert "█ working" in said.out, "there is a chart"
    assert f"cd {place}" in said.out
    landings = git(place, "log", "--first-parent", "--merges", "--format=%s").splitlines()
    assert len(landings) == 5
    assert git(place, "status", "--porcelain") == ""
    assert "not an empty directory" in Site(tmp_path).mawep("demo", "--directory", place, code=2).err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    result = CliRunner().invoke(application(verb), [verb, "--help"], prog_name="mawep")
    assert result.exit_code == 0
    assert f"Usage: mawep {verb} " in result.output
    for example in VERBS[verb]:
        assert example in result.output


def test_the_help_lists_every_verb_in_one_line(site: Site) -> None:
    help_ = site.mawep("--help", code=0).out
    commands = help_.partition("Commands:\n")[2]
    assert [line.split()[0] for line in commands.splitlines()] == list(VERBS)
    assert "..." not in commands, "no summary is cut off"
    assert site.mawep(code=0).out == help_


def test_status_imports_nothing_that_it_does_not_need(site: Site) -> None:
    """A person runs it all day; the packages of a run would more than double its time."""
    heavy = (
        "redis",
        "structlog",
        "cryptography",
        "prometheus_client",
        "mawep.cli.conduct",
        "mawep.config",
        "acp",
    )
    program = (
        "import sys; sys.argv = ['mawep', 'status']\n"
        "from mawep.cli.main import run\n"
        "assert run() == 2\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=site.repository, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
