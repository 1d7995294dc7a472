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


async def complete_move(tree: WorkTree, old: Sha, new: Sha, dirty: tuple[str, ...]) -> tuple[str, ...]:
    """Undo what a `read-tree` that died half way wrote, as far as it is surely its doing.

    A path whose file is exactly what `new` holds there, while the index still has `old`, was written by the
    dead `read-tree` and is put back to `old`, so that the move can be made whole. Returns the dirty paths that
    are somebody else's, untouched.
    """
    changes = {change.path: change for change in await changed_paths_raw(tree, old, new)}
    ours: list[str] = []
    for path in dirty:
        change = changes.get(path)
        if change is None or not await _holds(tree, path, change.new_sha, change.new_mode):
            continue
        ours.append(path)
    others = tuple(path for path in dirty if path not in ours)
    if ours and not others:
        names = "\0".join(path for path in ours if changes[path].old_mode != ABSENT).encode()
        await tree.run("read-tree", old)
        await tree.run("checkout-index", "-f", "-z", "--stdin", input=names)
        for path in ours:
            if changes[path].old_mode == ABSENT:
                (tree.path / path).unlink(missing_ok=True)
        await tree.run("update-index", "-q", "--refresh", check=False)
    return others


async def _holds(tree: WorkTree, path: str, sha: Sha, mode: str) -> bool:
    """True when the file at `path` is what `sha` says; an absent one when `mode` says absent."""
    file = tree.path / path
    if mode == ABSENT or not os.path.lexists(file):
        return mode == ABSENT and not os.path.lexists(file)
    if file.is_symlink():
        content = os.readlink(file).encode("utf-8", "surrogateescape")
    elif file.is_file():
        content = file.read_bytes()
    else:
        return False
    found = await tree.run("hash-object", "-t", "blob", "--no-filters", "--stdin", input=content)
    return found.decode().strip() == sha
