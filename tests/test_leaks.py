"""The leak watchers themselves: each must be able to fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.leaks import Territory
from tests.support.waiting import eventually_now

HOUSE = Path(__file__).parent.parent

LEAKY = """
import asyncio, os, subprocess, sys, tempfile

KEPT = []
FOREVER = "import signal; signal.pause()"


def test_process():
    KEPT.append(subprocess.Popen([sys.executable, "-c", FOREVER]))


def test_process_with_a_clean_environment_in_a_session_of_its_own(tmp_path):
    command = [sys.executable, "-c", FOREVER]
    KEPT.append(subprocess.Popen(command, env={}, cwd=tmp_path, start_new_session=True))


def test_descriptor():
    KEPT.append(os.pipe())


def test_temporary_entry():
    tempfile.mkdtemp()


async def test_task():
    KEPT.append(asyncio.create_task(asyncio.Event().wait()))


def test_ref_and_worktree(tmp_path, clean_repository):
    def git(*arguments):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "-m", "first")
    clean_repository(tmp_path, keep=("refs/mawep/kept/",))
    git("update-ref", "refs/mawep/kept/one", "HEAD")
    git("update-ref", "refs/mawep/left/one", "HEAD")
    git("worktree", "add", "--detach", str(tmp_path / "left-tree"))


def test_tidy(tmp_path, clean_repository):
    subprocess.run([sys.executable, "-c", ""], check=True)
    (tmp_path / "file").write_text("kept by pytest itself")


async def test_tidy_task():
    await asyncio.create_task(asyncio.Event().wait()) if False else None
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says about tests that leak."""
    directory = tmp_path_factory.mktemp("leaky")
    (directory / "test_leaky.py").write_text(LEAKY)
    options = f"-c {HOUSE / 'pyproject.toml'} -p tests.conftest -p no:cacheprovider --no-cov -W ignore"
    completed = subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), str(directory / "test_leaky.py")],
        cwd=HOUSE,
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
        capture_output=True,
        text=True,
        check=False,
    )
    return completed.stdout


@pytest.mark.parametrize(
    ("test", "left"),
    [
        ("test_process", "process "),
        ("test_process_with_a_clean_environment_in_a_session_of_its_own", "process "),
        ("test_descriptor", "file descriptor "),
        ("test_temporary_entry", "temporary entry "),
        ("test_task", "<Task "),
        ("test_ref_and_worktree", "ref refs/mawep/left/one"),
        ("test_ref_and_worktree", "left-tree"),
    ],
)
def test_what_is_left_behind_fails_the_test(outcome: str, test: str, left: str) -> None:
    report = outcome.split(f"ERROR at teardown of {test} ")[1].split("ERROR at teardown of ")[0]
    assert "left" in report
    assert left in report
    assert "refs/mawep/kept" not in report


def test_a_tidy_test_passes_under_the_watchers(outcome: str) -> None:
    assert "teardown of test_tidy" not in outcome
    assert "8 passed, 6 errors" in outcome


@pytest.mark.parametrize(("place", "ours"), [("gw1", True), ("gw1/deep", True), ("gw10", False)])
def test_a_process_of_another_test_process_is_not_ours(tmp_path: Path, place: str, ours: bool) -> None:
    (tmp_path / place).mkdir(parents=True)
    territory = Territory("none", tmp_path, (str(tmp_path / "gw1"),))
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path / place) as elsewhere:
        assert territory.owns(elsewhere.pid) is ours
        elsewhere.kill()
    waiting = [sys.executable, "-c", "input()", str(tmp_path / place)]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as named:
        told = Path(f"/proc/{named.pid}/cmdline")  # is empty for a moment yet
        eventually_now("it has its arguments", told.read_bytes)
        assert territory.owns(named.pid) is ours
        named.kill()
