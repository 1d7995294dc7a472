"""A worktree for a person, with a merge in it that nobody could make; it is theirs, and no cleanup of ours takes it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.git import Repository, Sha, WorkTree
from mawep.adapters.git_objects import is_ancestor
from mawep.adapters.git_refs import read_ref, update_refs
from mawep.adapters.git_scratch import scratch
from mawep.adapters.git_worktrees import list_worktrees, worktrees_locked
from mawep.errors import GitError, UsageError
from mawep.stages.workspace.layout import entry_of, make_entry

SHOWN = 10
"""So many paths are named."""


@dataclass(frozen=True)
class Handover:
    """A worktree at `path` (its entry is `name`), on a branch of its own that began at `start`."""

    name: str
    path: Path
    branch: str
    start: Sha

    @property
    def ref(self) -> str:
        """The branch, fully named."""
        return f"refs/heads/{self.branch}"


async def hand_over(repository: Repository, handover: Handover) -> WorkTree:
    """Make the worktree. What a try that died has left at its name is taken away first."""
    await let_go(repository, handover)
    await update_refs(repository, [(handover.ref, handover.start, None)], message="mawep: resolve")
    async with worktrees_locked(repository):
        handover.path.mkdir(parents=True)
        with scratch(repository.common_dir) as place:
            index = Path(place, "index")
            await repository.run("read-tree", handover.start, index=index)
            head = f"ref: {handover.ref}"
            draft = Path(place, "entry")
            make_entry(repository.common_dir, handover.name, handover.path, head, index=index, draft=draft)
        # It is a person's from here on: git may move and remove it as any other.
        (entry_of(repository.common_dir, handover.name) / "locked").unlink()
    tree = repository.worktree(handover.path, handover.name)
    await tree.run("checkout-index", "--all", "--force", "--index")
    return tree


async def merge_there(tree: WorkTree, other: Sha) -> tuple[str, ...]:
    """Merge a commit into the worktree's branch and leave it to be committed; the files in conflict."""
    return await _begun(tree, "merge", "--no-commit", "--no-ff", "--quiet", other)


async def take_out_there(tree: WorkTree, landing: Sha) -> tuple[str, ...]:
    """Take out of the worktree what a landing brought, and leave it to be committed; the files in conflict."""
    return await _begun(tree, "revert", "--no-commit", "--mainline", "1", landing)


_NOBODY = {"GIT_COMMITTER_NAME": "MAWEP", "GIT_COMMITTER_EMAIL": "mawep@localhost"}
"""Git wants to know who merges, also where it is to commit nothing: that is for the person to do."""


async def _begun(tree: WorkTree, *command: str) -> tuple[str, ...]:
    done = await tree.call(*command, env=_NOBODY)
    stages: dict[str, set[str]] = {}
    listed = (await tree.run("ls-files", "--unmerged", "-z")).decode("utf-8", "surrogateescape")
    for line in filter(None, listed.split("\0")):
        entry, _, path = line.partition("\t")
        stages.setdefault(path, set()).add(entry.rpartition(" ")[2])
    if done.code != 0 and not stages:
        raise GitError(("git", *command), done.code, done.stdout, done.stderr)
    both = [path for path, found in stages.items() if {"2", "3"} <= found]
    if both:  # the same, but what was there before is shown as well
        await tree.run("checkout", "--quiet", "--conflict=zdiff3", "--", *both)
    return tuple(stages)


async def committed(repository: Repository, handover: Handover, files: Sequence[str]) -> Sha:
    """What a person has committed in the worktree; `files` were in conflict.

    Raises:
        UsageError: it is not there any more, or there is something left to do in it.
    """
    tree = repository.worktree(handover.path, handover.name)
    listed = next((one for one in list_worktrees(repository) if one.name == handover.name), None)
    if listed is None or not handover.path.is_dir():
        raise UsageError(
            f"{handover.path} is no worktree any more", next_step="`mawep resolve ISSUE --abort`, then anew"
        )
    unmerged = (await tree.run("diff", "--name-only", "--diff-filter=U", "-z")).decode(errors="replace")
    left = [path for path in unmerged.split("\0") if path]
    if left:
        raise UsageError(f"{_listed(left)} in {handover.path} is still in conflict", next_step=_FINISH)
    if listed.under_way:
        raise UsageError(f"the {listed.under_way} in {handover.path} is not committed", next_step=_FINISH)
    dirty = (await tree.run("diff", "--name-only", "-z", "HEAD")).decode(errors="replace")
    if dirty:
        changed = [path for path in dirty.split("\0") if path]
        raise UsageError(f"{_listed(changed)} in {handover.path} is not committed", next_step=_FINISH)
    head = (await tree.run("rev-parse", "--verify", "HEAD^{commit}")).decode().strip()
    if head == handover.start:
        raise UsageError(f"nothing has been committed in {handover.path}", next_step=_FINISH)
    if marked := await _marked(tree, head, files) - await _marked(tree, handover.start, files):
        raise UsageError(f"conflict markers are committed in {_listed(sorted(marked))}", next_step=_FINISH)
    return head


async def _marked(tree: WorkTree, commit: Sha, files: Sequence[str]) -> set[str]:
    """Those of the files with conflict markers in them."""
    if not files:
        return set()
    pathspecs = [f":(literal,top){path}" for path in files]
    found = await tree.call("grep", "-lzE", "^(<<<<<<<|>>>>>>>) ", commit, "--", *pathspecs)
    named = found.stdout.decode("utf-8", "surrogateescape").split("\0")
    return {name.partition(":")[2] for name in named if name}


_FINISH = "finish it there with `git add` and `git commit`"


def _listed(items: Sequence[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")


async def changed(repository: Repository, handover: Handover) -> bool:
    """True when files in the worktree are not as they are committed there."""
    if not (handover.path / ".git").is_file():
        return False
    tree = repository.worktree(handover.path, handover.name)
    return bool(await tree.run("status", "--porcelain", "--untracked-files=normal"))


async def let_go(repository: Repository, handover: Handover, *, landed_on: str | None = None) -> bool:
    """Remove the worktree, and its branch if nothing was committed there or the ref `landed_on` contains it.

    True when the branch stays.
    """
    async with worktrees_locked(repository):
        await asyncio.to_thread(_remove, entry_of(repository.common_dir, handover.name), handover.path)
    head = await read_ref(repository, handover.ref)
    if head is None:
        return False
    if head != handover.start and not (landed_on and await is_ancestor(repository, head, landed_on)):
        return True
    await update_refs(repository, [(handover.ref, None, head)], message="mawep: resolve")
    return False


def _remove(entry: Path, path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
    if entry.exists():
        shutil.rmtree(entry)
