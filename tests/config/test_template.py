"""The configuration that `mawep init` writes."""

from __future__ import annotations

from pathlib import Path

from mawep.config import default_config_text, load_config
from tests.config.support import problems, write

FOUND = {
    "orchestrator.target_branch": "trunk",
    "issues.path": "docs/my issues",
    "workspace.setup": ["npm ci"],
    "workspace.setup_inputs": ["package-lock.json"],
    "agents.runtime": "acp",
    "agents.command": ["agent", "--acp", "${X}"],
    "verify.commands": ['npm test -- --grep "a, b"', "echo ${CI} # ü"],
}


def test_it_holds_what_was_found(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, default_config_text(FOUND)), (), {})
    assert config.orchestrator.target_branch == "trunk"
    assert config.issues.path == tmp_path / "docs/my issues"
    assert config.workspace.setup == ("npm ci",)
    assert config.agents.command == ("agent", "--acp", "${X}")
    assert config.verify.commands == ('npm test -- --grep "a, b"', "echo ${CI} # ü")


def test_what_nobody_could_know_is_left_to_a_person(tmp_path: Path) -> None:
    text = default_config_text({})
    assert [line.split(": ")[1] for line in problems(write(tmp_path, text))] == [
        "agents.runtime",
        "verify.commands",
    ]
    filled = text.replace("# runtime: command", "runtime: command").replace("# command: ./", "command: ./")
    load_config(write(tmp_path, filled.replace("# commands:", "commands:")), (), {})


def test_issues_come_from_github_where_the_repository_is_there_and_has_no_folder_of_them(
    tmp_path: Path,
) -> None:
    rest = {key: value for key, value in FOUND.items() if key != "issues.path"}
    found = {**rest, "github.repository": "acme/shop", "issues.tracker": "github"}
    config = load_config(write(tmp_path, default_config_text(found)), (), {"GITHUB_TOKEN": "ghp_secret"})
    assert (config.issues.tracker, config.github.repository) == ("github", "acme/shop")
    assert config.github.token == "ghp_secret"


def test_a_folder_of_issues_comes_first_and_github_is_suggested(tmp_path: Path) -> None:
    text = default_config_text({**FOUND, "github.repository": "acme/shop"})
    config = load_config(write(tmp_path, text), (), {})
    assert (config.issues.tracker, config.github.repository) == ("folder", None)
    active = text.replace("# tracker", "tracker").replace("\n  # ", "\n  ")
    assert load_config(write(tmp_path, active), (), {"GITHUB_TOKEN": "x"}).github.repository == "acme/shop"


def test_it_is_short_and_no_line_is_long() -> None:
    lines = default_config_text(FOUND).splitlines()
    assert len(lines) < 30
    assert max(map(len, default_config_text({}).splitlines())) <= 110
