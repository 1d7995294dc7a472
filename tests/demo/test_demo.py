"""The demonstration is real: every script leaves tests that pass, and the sprint merges cleanly."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import pytest

from mawep import demo
from mawep.agents.script import Step, load
from mawep.config import load_config
from mawep.errors import GitError, InfrastructureError, UsageError

SPRINT = {101: [], 102: [101], 103: [101], 104: [101], 105: [101, 104]}
LARGEST_PAUSE = 2.0


def script(number: int) -> tuple[Step, ...]:
    """The steps of the script of an issue."""
    return load(demo.HERE / "scripts" / f"{number}.yaml").steps(0)


def git(repository: Path, *arguments: str, check: bool = True) -> str:
    """What git prints, without the newline at its end."""
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout.strip()


def gate(repository: Path) -> subprocess.CompletedProcess[str]:
    """Run the project's own tests on what is in its work tree."""
    return subprocess.run(
        [sys.executable, "-m", "unittest", "-q"],
        cwd=repository,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def carry_out(number: int, repository: Path) -> None:
    """Do the edits of a script by hand, and commit whatever they leave."""
    for step in script(number):
        match step.action, step.value:
            case "write", {"path": path, "text": text}:
                (repository / path).parent.mkdir(parents=True, exist_ok=True)
                (repository / path).write_text(text)
            case "replace", {"path": path, "old": old, "new": new}:
                before = (repository / path).read_text()
                assert before.count(old) == 1, f"{number}: {path} has not exactly one {old!r}"
                (repository / path).write_text(before.replace(old, new))
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", f"issue {number}")


@pytest.fixture(scope="module")
def sprint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration with a branch `issue/<number>` for each issue, made on what it depends on."""
    repository = demo.create(tmp_path_factory.mktemp("demo") / "shop")
    for number, dependencies in SPRINT.items():
        base = f"issue/{dependencies[-1]}" if dependencies else "main"
        git(repository, "switch", "--quiet", "--create", f"issue/{number}", base)
        carry_out(number, repository)
    git(repository, "switch", "--quiet", "main")
    return repository


def test_creates_a_repository_with_one_commit_and_a_clean_tree(tmp_path: Path) -> None:
    repository = demo.create(tmp_path / "new" / "shop")
    assert git(repository, "rev-list", "--count", "main") == "1"
    assert git(repository, "status", "--porcelain") == ""
    assert {"issues", "scripts", "mawep.yaml", "payments", "tests"} <= {
        path.name for path in repository.iterdir()
    }
    assert gate(repository).returncode == 0


def test_its_configuration_is_valid(tmp_path: Path) -> None:
    config = load_config(demo.create(tmp_path / "shop") / "mawep.yaml", [], {})
    assert (config.agents.runtime, config.orchestrator.max_agents) == ("scripted", 5)


def test_takes_an_empty_directory_and_refuses_a_full_one(tmp_path: Path) -> None:
    demo.create(tmp_path)
    with pytest.raises(UsageError, match="not an empty directory"):
        demo.create(tmp_path)
    assert git(tmp_path, "rev-list", "--count", "main") == "1"


@pytest.mark.parametrize("number", SPRINT)
def test_every_script_adds_tests_that_pass(sprint: Path, tmp_path: Path, number: int) -> None:
    before = f"issue/{number}^"
    ran = []
    for name, commit in (("before", before), ("after", f"issue/{number}")):
        tree = tmp_path / name
        tree.mkdir()
        archive = subprocess.run(
            ["git", "-C", sprint, "archive", commit], check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True)
        completed = gate(tree)
        assert completed.returncode == 0, completed.stderr
        ran.append(int(completed.stderr.split("Ran ")[1].split()[0]))
    assert ran[1] > ran[0]


@pytest.mark.parametrize("order", list(permutations([102, 103, 104])), ids=str)
def test_the_three_that_start_together_merge_cleanly_in_any_order(
    sprint: Path, order: tuple[int, ...]
) -> None:
    head = git(sprint, "rev-parse", "issue/101")
    for number in (*order, 105):
        branch = f"issue/{number}"
        tree, *rest = git(sprint, "merge-tree", "--write-tree", head, branch).splitlines()
        assert rest == []
        head = git(sprint, "commit-tree", tree, "-p", head, "-p", branch, "-m", f"land {number}")
    worktree = sprint.parent / f"landed-{'-'.join(map(str, order))}"
    git(sprint, "worktree", "add", "--quiet", "--detach", str(worktree), head)
    completed = gate(worktree)
    assert completed.returncode == 0, completed.stderr
    assert "None yet." not in (worktree / "README.md").read_text()


def test_102_and_103_touch_the_same_files(sprint: Path) -> None:
    touched = [
        set(git(sprint, "diff", "--name-only", "issue/101", f"issue/{number}").splitlines())
        for number in (102, 103)
    ]
    assert touched[0] & touched[1] == {"README.md", "payments/providers/__init__.py"}


def test_the_scripts_show_every_kind_of_cooperation() -> None:
    actions = {number: {step.action for step in script(number)} for number in SPRINT}
    assert all({"plan", "say", "write", "run", "usage", "sleep"} <= done for done in actions.values())
    assert "announce" in actions[104]
    assert [number for number, done in actions.items() if "commit" not in done] == [105]
    assert all(step.stop_on_reject for step in script(102) if step.action in {"write", "replace"})
    assert sum(step.action == "usage" for step in script(103)) > 1


def test_no_script_pauses_for_long() -> None:
    for number in SPRINT:
        assert sum(step.value for step in script(number) if step.action == "sleep") <= LARGEST_PAUSE


def test_the_issues_depend_on_each_other_as_the_scripts_do() -> None:
    numbers = [int(path.name.split("-")[0]) for path in sorted((demo.HERE / "issues").iterdir())]
    assert numbers == sorted(SPRINT)
    assert sorted(int(path.stem) for path in (demo.HERE / "scripts").iterdir()) == sorted(SPRINT)


@pytest.mark.parametrize(
    ("program", "error", "said"),
    [(None, InfrastructureError, "git is not installed"), ("exit 3", GitError, "exited 3")],
)
def test_says_what_is_wrong_with_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, error: type[Exception], said: str
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    if program is not None:
        (programs / "git").write_text(f"#!/bin/sh\n{program}\n")
        (programs / "git").chmod(0o700)
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(error, match=said):
        demo.create(tmp_path / "shop")
