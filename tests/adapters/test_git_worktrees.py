"""Worktrees: changed under a lock, listed without git."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.adapters.git_worktrees import list_worktrees, worktrees_locked
from tests.support.repos import branch, commit, git, make_repository
from tests.support.waiting import eventually


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    return await find_repository(make_repository(tmp_path / "r", {"f": "1\n"}))


@pytest.fixture
def path(repository: Repository) -> Path:
    return repository.common_dir.parent


ADD = """
import asyncio, subprocess, sys
from pathlib import Path
from mawep.adapters.git import find_repository
from mawep.adapters.git_worktrees import worktrees_locked

async def main(path, place, count):
    repository = await find_repository(Path(path))
    for number in range(int(count)):
        async with worktrees_locked(repository):
            command = ("git", "-C", path, "worktree", "add", "--quiet", "--detach", f"{place}-{number}")
            subprocess.run(command, check=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_concurrent_worktree_add_through_the_lock_never_fails(path: Path, tmp_path: Path) -> None:
    """Unlocked, 8 at a time, one in twelve fails (`failed to read .git/worktrees/N/commondir`)."""
    others = [
        subprocess.Popen(
            [sys.executable, "-c", ADD, str(path), str(tmp_path / f"w{number}"), "6"], stderr=subprocess.PIPE
        )
        for number in range(4)
    ]
    said = [await asyncio.to_thread(other.communicate) for other in others]
    assert [other.returncode for other in others] == [0] * 4, said
    assert len(git(path, "worktree", "list").splitlines()) == 25


async def test_waiting_for_the_lock_can_be_cancelled(repository: Repository, path: Path) -> None:
    other = await find_repository(path)
    async with worktrees_locked(other):
        waiting = asyncio.create_task(_hold(repository))
        await eventually("it waits", repository.worktrees_lock.locked)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await _hold(repository)


async def _hold(repository: Repository) -> None:
    async with worktrees_locked(repository):
        pass


async def test_they_are_listed_with_branch_and_what_is_under_way(
    repository: Repository, path: Path, tmp_path: Path
) -> None:
    side = branch(path, "side", {"f": "side\n"})
    commit(path, {"f": "main\n"})
    git(path, "worktree", "add", "--quiet", "--detach", str(tmp_path / "detached"), side)
    git(path, "worktree", "add", "--quiet", str(tmp_path / "rebasing"), "side")
    git(tmp_path / "rebasing", "rebase", "main", check=False)
    git(path, "merge", "side", check=False)
    (path / ".git" / "worktrees" / "half made").mkdir()
    assert [(tree.name, tree.path, tree.branch, tree.under_way) for tree in list_worktrees(repository)] == [
        (None, path, "refs/heads/main", "merge"),
        ("detached", tmp_path / "detached", None, None),
        ("rebasing", tmp_path / "rebasing", "refs/heads/side", "rebase"),
    ]
    linked = await find_repository(tmp_path / "detached")
    assert list_worktrees(linked) == list_worktrees(repository)


async def test_a_bare_repository_has_only_linked_ones(path: Path, tmp_path: Path) -> None:
    git(path, "clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    repository = await find_repository(tmp_path / "bare.git")
    assert list_worktrees(repository) == ()
    git(tmp_path / "bare.git", "worktree", "add", "--quiet", str(tmp_path / "one"), "main")
    assert [listed.path for listed in list_worktrees(repository)] == [tmp_path / "one"]


async def test_a_separate_git_directory_has_its_main_work_tree(tmp_path: Path) -> None:
    git(
        tmp_path,
        "init",
        "--quiet",
        "--initial-branch=main",
        "--separate-git-dir",
        str(tmp_path / "x.git"),
        "w",
    )
    commit(tmp_path / "w", {"f": "1\n"})
    repository = await find_repository(tmp_path / "w")
    assert [listed.path for listed in list_worktrees(repository)] == [tmp_path / "w"]
