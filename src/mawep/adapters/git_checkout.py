"""The user's own checkout: what stands in the way of a move, and bringing its files to another commit.

A note of ours says that a move is under way: one that died half way is completed by the next between the same
commits. Known races: a file saved between our look and `read-tree` makes git refuse; one saved in the
milliseconds in which an interrupted move is completed is written over.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.git import LockHeldError, Repository, Sha, WorkTree
from mawep.adapters.git_objects import ABSENT, SYMLINK, Change, changed_paths_raw, read_blob
from mawep.adapters.git_orphans import remove_stale_lock
from mawep.adapters.git_worktrees import Listed, list_worktrees
from mawep.errors import MawepError


class CheckoutDirtyError(MawepError):
    """Files stand in the way of moving a checkout; nothing was changed. `paths` names them."""

    def __init__(self, checkout: Path, paths: tuple[str, ...]) -> None:
        self.paths = paths
        cause = f"changed, or not tracked and written by the move: {', '.join(paths)}"
        super().__init__(
            f"{checkout} is not clean", cause=cause, next_step="commit them or move them elsewhere"
        )


@dataclass(frozen=True)
class _Standing:
    """Paths that stand in the way, and changes that an earlier try has brought to the new commit already."""

    blocking: frozenset[str]
    moved: tuple[Change, ...]


def checkouts_of(repository: Repository, branch: str) -> tuple[Listed, ...]:
    """Every work tree of people's that is on `branch` (full ref), the main one included.

    A tree of ours is none, whatever branch its agent put it on: it neither goes along nor stands in the way.
    """
    ours = repository.common_dir / "mawep" / "workspaces"
    return tuple(
        tree
        for tree in list_worktrees(repository)
        if tree.branch == branch and not (tree.name and (ours / tree.name).is_dir())
    )


async def dirty_paths(tree: WorkTree, old: Sha, new: Sha) -> tuple[str, ...]:
    """The paths that stand in the way of bringing the files from `old` to `new`, sorted.

    They are tracked files that differ from `old`, staged or not, and untracked ones (ignored too) that the move
    would write over. What is at `new` already stands in nobody's way.
    """
    pending = _pending(tree)
    if await _is_at(tree, new):
        return ()
    blocking = (await _standing(tree, old, new)).blocking
    if blocking and pending:
        blocking = (await _standing(tree, *pending)).blocking
    return tuple(sorted(blocking))


async def move_checkout(tree: WorkTree, old: Sha, new: Sha) -> None:
    """Bring index and files from `old` to `new`, completing what an interrupted move left; no ref is moved.

    An interrupted move between other commits is undone first. Raises CheckoutDirtyError, LockHeldError or
    GitError; nothing of the user's was changed then.
    """
    pending = _pending(tree)
    if pending:
        since = _note(tree).stat().st_mtime
        remove_stale_lock(tree.repository, tree.git_dir / "index.lock", intended_at=since)
    if pending and pending != (old, new) and (await _standing(tree, old, new)).blocking:
        before, after = pending
        await _move(tree, before, after)
        await _move(tree, after, before)
    await _move(tree, old, new)


async def _move(tree: WorkTree, old: Sha, new: Sha) -> None:
    note, resumed = _note(tree), _pending(tree) == (old, new)
    if await _is_at(tree, new):
        note.unlink(missing_ok=True)
        return
    standing = await _standing(tree, old, new)
    if standing.blocking:
        raise CheckoutDirtyError(tree.path, tuple(sorted(standing.blocking)))
    if not resumed:
        _write_durably(note, f"{old} {new}\n")
    try:
        if standing.moved:
            await _complete(tree, await changed_paths_raw(tree, old, new))
        else:
            await tree.run("update-index", "--refresh")
            await tree.run("read-tree", "-m", "-u", old, new)
    except LockHeldError:
        if not resumed:
            note.unlink()
        raise
    note.unlink()


async def _is_at(tree: WorkTree, commit: Sha) -> bool:
    """True when the index is at the commit: `read-tree` writes it last, so the files have been there."""
    return not await _differing(tree, "--cached", commit)


async def _standing(tree: WorkTree, old: Sha, new: Sha) -> _Standing:
    """Which paths are neither at `old` nor at `new`, and which are at `new`."""
    unlike_old, unlike_new, edited, changes = await asyncio.gather(
        _differing(tree, "--cached", old),
        _differing(tree, "--cached", new),
        _differing(tree, old),
        changed_paths_raw(tree, old, new),
    )
    changed = {change.path: change for change in changes}
    suspects = unlike_old | edited | set(_obstacles(tree, changed))
    torn = _pending(tree) == (old, new)
    moved = [
        changed[path]
        for path in sorted(suspects & changed.keys() - (unlike_old & unlike_new))
        if await _has_arrived(tree, changed[path], torn=torn)
    ]
    return _Standing(frozenset(suspects.difference(change.path for change in moved)), tuple(moved))


async def _differing(tree: WorkTree, *against: str) -> set[str]:
    """Tracked paths whose file (with `--cached`: index entry) differs from the commit."""
    flags = ("-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv")
    output = await tree.run("diff", *flags, *against, "--")
    return set(output.decode("utf-8", "surrogateescape").split("\0")[:-1])


def _obstacles(tree: WorkTree, changed: Mapping[str, Change]) -> Iterator[str]:
    """What lies where a new file or a directory for it has to go and does not leave with the move."""
    for path, change in changed.items():
        if change.old_mode != ABSENT:
            continue
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            place = "/".join(parts[:depth])
            target = tree.path / place
            if _leaves(changed.get(place)) or not os.path.lexists(target):
                break
            if target.is_dir() and not target.is_symlink():
                if depth == len(parts) and not _empties(target, tree, changed):
                    yield place
            else:
                yield place
                break


def _leaves(change: Change | None) -> bool:
    return change is not None and change.new_mode == ABSENT


def _empties(directory: Path, tree: WorkTree, changed: Mapping[str, Change]) -> bool:
    """True when every file below the directory leaves with the move."""
    files = (Path(home, name) for home, _, names in os.walk(directory) for name in names)
    return all(_leaves(changed.get(str(file.relative_to(tree.path)))) for file in files)


async def _has_arrived(tree: WorkTree, change: Change, *, torn: bool) -> bool:
    """True when the file is what `new` has there; if a move was `torn`, also when it is missing or a stump."""
    file = tree.path / change.path
    if not os.path.lexists(file):
        return torn or change.new_mode == ABSENT
    if file.is_dir() and not file.is_symlink():
        return change.new_mode == ABSENT
    if change.new_mode == ABSENT or file.is_symlink() != (change.new_mode == SYMLINK):
        return False
    if file.is_symlink():
        return os.fsencode(file.readlink()) == await read_blob(tree, change.new_sha)
    content = file.read_bytes()
    sha = await tree.run("hash-object", "--stdin", f"--path={change.path}", input=content)
    if sha.decode().strip() == change.new_sha:
        return True
    return torn and (await read_blob(tree, change.new_sha)).startswith(content)


async def _complete(tree: WorkTree, changes: Sequence[Change]) -> None:
    """Do what `read-tree` no longer can once some files are at `new`: bring each path of the move there."""
    leaving = [change for change in changes if change.new_mode == ABSENT]
    arriving = [change for change in changes if change.new_mode != ABSENT]
    for change in leaving:
        _take_away(tree.path, change.path)
    entries = [f"{change.new_mode} {change.new_sha}\t{change.path}\0" for change in (*leaving, *arriving)]
    await tree.run("update-index", "--replace", "-z", "--index-info", input=_bytes("".join(entries)))
    names = "".join(f"{change.path}\0" for change in arriving)
    await tree.run("checkout-index", "--force", "--index", "-z", "--stdin", input=_bytes(names))


def _take_away(root: Path, path: str) -> None:
    """Remove a file, and the directories above it that are empty then."""
    file = root / path
    if os.path.lexists(file) and (file.is_symlink() or not file.is_dir()):
        file.unlink()
    for parent in file.relative_to(root).parents[:-1]:
        try:
            (root / parent).rmdir()
        except OSError:
            return


def _note(tree: WorkTree) -> Path:
    """The file that says which move of this work tree is under way."""
    return tree.common_dir / "mawep" / f"moving-{tree.name or 'main work tree'}"


def _pending(tree: WorkTree) -> tuple[Sha, Sha] | None:
    """The commits of a move that began and did not end."""
    try:
        old, new = _note(tree).read_text().split()
    except FileNotFoundError:
        return None
    return old, new


def _write_durably(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
