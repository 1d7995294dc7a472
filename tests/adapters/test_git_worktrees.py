"""Worktrees: added under a lock, listed without git, forgotten by name only."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.adapters.git_worktrees import (
    WorktreeExistsError,
    list_worktrees,
    worktree_add,
    worktree_forget,
    worktree_remove,
    worktrees_locked,
)
from tests.support.repos import branch, commit, git, head, make_repository, write
from tests.support.waiting import eventually


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    return await find_repository(make_repository(tmp_path / "r", {"f": "1\n"}))


@pytest.fixture
def path(repository: Repository) -> Path:
    return repository.common_dir.parent


async def test_it_is_added_at_a_commit_on_a_new_branch(
    repository: Repository, path: Path, tmp_path: Path
) -> None:
    old = head(path)
    commit(path, {"f": "2\n"})
    tree = await worktree_add(repository, tmp_path / "w" / "one", old, branch="feature/101-x")
    assert (tree.path / "f").read_text() == "1\n"
    assert git(tree.path, "status", "--porcelain", "--branch") == "## feature/101-x"
    assert head(tree.path) == old
    assert (tree.name, tree.git_dir) == ("one", path / ".git" / "worktrees" / "one")


async def test_without_a_branch_it_is_detached(repository: Repository, path: Path, tmp_path: Path) -> None:
    tree = await worktree_add(repository, tmp_path / "one", head(path))
    assert git(tree.path, "branch", "--show-current") == ""
    assert git(path, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


@pytest.mark.parametrize("taken", ["directory", "entry"])
async def test_what_is_taken_is_not_touched(
    repository: Repository, path: Path, tmp_path: Path, taken: str
) -> None:
    place = tmp_path / "one" if taken == "directory" else path / ".git" / "worktrees" / "one"
    place.mkdir(parents=True)
    with pytest.raises(WorktreeExistsError):
        await worktree_add(repository, tmp_path / "one", head(path), branch="feature/x")
    assert list(place.iterdir()) == []
    assert "feature/x" not in git(path, "branch")


async def test_concurrent_worktree_add_through_the_lock_succeeds_100_of_100(
    repository: Repository, path: Path, tmp_path: Path
) -> None:
    """Unlocked, 8 at a time, one in twelve fails (`failed to read .git/worktrees/N/commondir`)."""
    base, places = head(path), asyncio.Semaphore(8)

    async def add(number: int) -> Path:
        async with places:
            return (await worktree_add(repository, tmp_path / "w" / str(number), base)).path

    added = await asyncio.gather(*(add(number) for number in range(100)))
    assert all((place / "f").read_text() == "1\n" for place in added)
    assert len(list_worktrees(repository)) == 101


ADD = """
import asyncio, sys
from pathlib import Path
from mawep.adapters.git import find_repository
from mawep.adapters.git_worktrees import worktree_add

async def main(path, place, count):
    repository = await find_repository(Path(path))
    for number in range(int(count)):
        await worktree_add(repository, Path(f"{place}-{number}"), "main")

asyncio.run(main(*sys.argv[1:]))
"""


async def test_the_lock_holds_against_other_processes(path: Path, tmp_path: Path) -> None:
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


async def test_a_half_made_one_is_discarded_by_name_and_rebuilt_under_another(
    repository: Repository, path: Path, tmp_path: Path
) -> None:
    """What `worktree add` leaves when it is killed: an entry that is locked, a directory, a branch."""
    tree = await worktree_add(repository, tmp_path / "one", head(path), branch="feature/1")
    write(tree.git_dir / "locked", "initializing")
    (tree.path / ".git").unlink()
    assert "validation failed" in _refused(path, "worktree", "remove", "--force", "--force", str(tree.path))
    await worktree_remove(repository, "one", tree.path)
    assert not tree.path.exists()
    assert not tree.git_dir.exists()
    again = await worktree_add(repository, tmp_path / "one-a2", head(path), branch="feature/1-a2")
    assert git(again.path, "status", "--porcelain") == ""
    assert "feature/1" in git(path, "branch")


def _refused(path: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=path, capture_output=True, text=True, check=False)
    assert done.returncode != 0, "plain git cannot"
    return done.stderr


async def test_only_the_entry_of_that_path_is_forgotten(
    repository: Repository, path: Path, tmp_path: Path
) -> None:
    git(path, "worktree", "add", "--quiet", "--detach", str(tmp_path / "of the user" / "one"))
    await worktree_forget(repository, "one", tmp_path / "ours" / "one")
    await worktree_forget(repository, "never", tmp_path / "ours" / "never")
    assert [tree.name for tree in list_worktrees(repository)] == [None, "one"]
    await worktree_forget(repository, "one", tmp_path / "of the user" / "one")
    assert [tree.name for tree in list_worktrees(repository)] == [None]
    assert (tmp_path / "of the user" / "one" / "f").exists()


async def test_an_unplugged_worktree_of_the_user_is_left_alone(
    repository: Repository, path: Path, tmp_path: Path
) -> None:
    git(path, "worktree", "add", "--quiet", "--detach", str(tmp_path / "usb"))
    shutil.move(tmp_path / "usb", tmp_path / "unplugged")
    tree = await worktree_add(repository, tmp_path / "ours", head(path))
    await worktree_remove(repository, "ours", tree.path)
    shutil.move(tmp_path / "unplugged", tmp_path / "usb")
    assert git(tmp_path / "usb", "status", "--porcelain") == ""


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
    tree = await worktree_add(repository, tmp_path / "one", "main")
    assert [listed.path for listed in list_worktrees(repository)] == [tree.path]
    assert git(tree.path, "status", "--porcelain") == ""


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
