"""Salvage: everything an attempt made, committed or not, kept durably under one ref before anything is removed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from mawep.adapters.git import Repository
from mawep.adapters.git_durable import make_durable
from mawep.adapters.git_objects import Identity, commit_tree, is_ancestor, new_objects, rev_parse
from mawep.adapters.git_refs import read_ref, update_refs
from mawep.clock import Clock
from mawep.core.model import Sha
from mawep.errors import GitError
from mawep.stages.workspace.layout import entry_of, head_of
from mawep.stages.workspace.registry import Registry
from mawep.stages.workspace.snapshot import snapshot
from mawep.stages.workspace.trees import require_real
from mawep.stages.workspace.values import TreeGoneError, Workspace


class Salvager:
    """Keeps the work of attempts that will not go on."""

    def __init__(self, repository: Repository, registry: Registry, clock: Clock) -> None:
        self._repository = repository
        self._registry = registry
        self._clock = clock

    async def salvage(self, workspace: Workspace, ref: str, message: str, identity: Identity) -> Sha | None:
        """Point `ref` at a commit of everything there and return it; None when nothing differs from the base.

        Its parents are the recorded branch, what the worktree's HEAD was on if that is something else, and what
        `ref` held before. Files that cannot be kept are named in the message. Durable when it returns.
        """
        repository = self._repository
        head = await read_ref(repository, workspace.ref) or workspace.base
        parents = await self._heads(head, await self._checked_out(workspace))
        tree, left_out = await self._tree(workspace, parents[0])
        if parents == [workspace.base] and tree == await rev_parse(repository, workspace.base, "tree"):
            return None
        before = await read_ref(repository, ref)
        if before is not None:
            if await self._holds(before, tree, parents):
                return before
            parents = await self._heads(*parents, before)
        new = parents[0]
        if len(parents) > 1 or left_out or tree != await rev_parse(repository, new, "tree"):
            new = await commit_tree(
                *(repository, tree, parents, _message(message, left_out)),
                author=identity,
                date=self._clock.now(),
            )
        await make_durable(repository, await new_objects(repository, workspace.base, new))
        await update_refs(repository, [(ref, new, before)])
        await asyncio.to_thread(_sync_directory, (repository.common_dir / ref).parent)
        return new

    async def _tree(self, workspace: Workspace, parent: Sha) -> tuple[Sha, Mapping[str, str]]:
        """The tree of the files, or of the branch if the directory is not there any more."""
        try:
            require_real(workspace.path)
        except TreeGoneError as error:
            return await rev_parse(self._repository, parent, "tree"), {str(workspace.path): error.what}
        house, index = self._registry.house(workspace.name), self._registry.index(workspace.name)
        with snapshot(self._repository, workspace.path, house, rescuing=True) as taken:
            await taken.start_from(parent, index, None)
            await taken.stage_carefully()
            return await taken.write(), taken.left_out

    async def _checked_out(self, workspace: Workspace) -> Sha | None:
        """The commit that the worktree's own HEAD names, if it is not on the recorded branch."""
        head = head_of(entry_of(self._repository.common_dir, workspace.name))
        if not head or head == f"ref: {workspace.ref}":
            return None
        try:
            return await rev_parse(self._repository, head.removeprefix("ref: "))
        except GitError:
            return None

    async def _heads(self, first: Sha, *others: Sha | None) -> list[Sha]:
        """The commits, without those that one before them contains."""
        heads = [first]
        for other in others:
            if other is not None and not await self._contained(other, heads):
                heads.append(other)
        return heads

    async def _contained(self, commit: Sha, heads: list[Sha]) -> bool:
        for head in heads:
            if commit == head or await is_ancestor(self._repository, commit, head):
                return True
        return False

    async def _holds(self, before: Sha, tree: Sha, parents: list[Sha]) -> bool:
        """True when an earlier salvage has all of this."""
        if await rev_parse(self._repository, before, "tree") != tree:
            return False
        return all([await is_ancestor(self._repository, parent, before) for parent in parents])


def _message(message: str, left_out: Mapping[str, str]) -> str:
    if not left_out:
        return f"{message.strip()}\n"
    lines = "".join(f"  {path!r} {reason}\n" for path, reason in left_out.items())
    return f"{message.strip()}\n\nNot in this commit:\n{lines}"


def _sync_directory(directory: Path) -> None:
    """Make renames in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
