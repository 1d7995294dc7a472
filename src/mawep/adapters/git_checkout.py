"""The user's own checkout: is it clean against a commit, and bring its files to another commit."""

from __future__ import annotations

import os

from mawep.adapters.git import Repository, Sha, WorkTree
from mawep.adapters.git_objects import ABSENT, changed_paths_raw
from mawep.adapters.git_worktrees import Listed, list_worktrees


def checkouts_of(repository: Repository, branch: str) -> tuple[Listed, ...]:
    """Every work tree that is on `branch` (full ref), the main one included."""
    return tuple(tree for tree in list_worktrees(repository) if tree.branch == branch)


async def dirty_paths(tree: WorkTree, old: Sha, new: Sha) -> tuple[str, ...]:
    """The paths that stand in the way of bringing the files from `old` to `new`, sorted.

    They are tracked files that differ from `old`, staged or not, and untracked ones (ignored too) that the
    move would write over.
    """
    flags = ("-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv")
    dirty: set[str] = set()
    for where in ((), ("--cached",)):
        output = await tree.run("diff", *flags, "--ignore-submodules=dirty", *where, old, "--")
        dirty.update(output.decode("utf-8", "surrogateescape").split("\0")[:-1])
    changes = await changed_paths_raw(tree, old, new)
    leaving = {change.path for change in changes if change.new_mode == ABSENT}
    for change in changes:
        if change.old_mode == ABSENT and (blocker := _blocker(tree, change.path, leaving)):
            dirty.add(blocker)
    return tuple(sorted(dirty))


async def move_checkout(tree: WorkTree, old: Sha, new: Sha) -> None:
    """Bring index and files from `old` to `new`; a local change in the way fails it and nothing is changed.

    The branch is not moved. Files already at `new` stay as they are. Raises LockHeldError or GitError.
    """
    await tree.run("update-index", "-q", "--refresh")
    await tree.run("read-tree", "-m", "-u", old, new)


def _blocker(tree: WorkTree, path: str, leaving: set[str]) -> str | None:
    """What lies where the new file `path` has to go: itself or a parent that is no directory."""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        place = "/".join(parts[:depth])
        if place in leaving:
            return None
        target = tree.path / place
        if not os.path.lexists(target):
            return None
        if depth == len(parts) or target.is_symlink() or not target.is_dir():
            return place
    return None
