"""Commits on an agent's behalf: what it left uncommitted goes onto the branch that was recorded for it.

Never `git commit` in the worktree: an agent can point its HEAD at any branch, and the commit would move that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog

from mawep.adapters.git import Repository
from mawep.adapters.git_objects import Identity, commit_tree, exists, is_ancestor, rev_parse
from mawep.adapters.git_refs import RefMovedError, update_refs
from mawep.clock import Clock
from mawep.core.model import Sha
from mawep.errors import GitError, MawepError
from mawep.stages.workspace import layout, merges
from mawep.stages.workspace.layout import branch_head
from mawep.stages.workspace.private import Private
from mawep.stages.workspace.registry import Registry
from mawep.stages.workspace.snapshot import Snapshot, snapshot
from mawep.stages.workspace.trees import require_real
from mawep.stages.workspace.values import BranchMovedError, LeftOutError, Workspace

log = structlog.get_logger("mawep.workspace")


class _TreeCollectedError(MawepError):
    """The tree of a commit that has just been made is gone."""


class Committer:
    """Commits what differs between a worktree's files and its recorded branch.

    With more than `quota` bytes to read, nothing is committed.
    """

    def __init__(
        self, repository: Repository, registry: Registry, private: Private, clock: Clock, quota: float
    ) -> None:
        self._repository = repository
        self._registry = registry
        self._private = private
        self._clock = clock
        self._quota = quota
        self._indexed: dict[str, Sha] = {}

    def began(self, name: str, commit: Sha) -> None:
        """Note that the private index of that workspace is at `commit`."""
        self._indexed[name] = commit

    def is_indexed(self, name: str, commit: Sha) -> bool:
        """True when the private index of that workspace is known to be at `commit`."""
        return self._indexed.get(name) == commit

    def ended(self, name: str) -> None:
        """Forget a workspace."""
        self._indexed.pop(name, None)

    async def commit(
        self, workspace: Workspace, message: str, identity: Identity, trailers: Mapping[str, str]
    ) -> Sha | None:
        """Commit and return the new head of the recorded branch; None when it holds everything already.

        Raises BranchMovedError when the branch is no line of commits from its base, LeftOutError when a file cannot
        be read or there is too much to read, TreeGoneError when the directory is not the one that was lent.
        """
        require_real(workspace.path)
        try:
            return await self._commit(workspace, message, identity, trailers)
        except RefMovedError:
            raise
        except (GitError, _TreeCollectedError) as error:  # `git gc --prune=now` takes what no ref holds yet
            log.warning("committed again", workspace=workspace.name, cause=str(error))
            self._indexed.pop(workspace.name, None)
            return await self._commit(workspace, message, identity, trailers)

    async def _commit(
        self, workspace: Workspace, message: str, identity: Identity, trailers: Mapping[str, str]
    ) -> Sha | None:
        head = branch_head(self._repository.common_dir, workspace.ref)
        parent = head or workspace.base
        house, index = self._registry.house(workspace.name), self._registry.index(workspace.name)
        with snapshot(self._repository, workspace.path, house, rescuing=False) as taken:
            await taken.start_from(parent, index, self._indexed.get(workspace.name))
            await taken.require_at_most(self._quota)
            tree = await self._changed_tree(taken, parent, index)
            merged = await merges.begun(self._repository, self._git_of(workspace.name), parent)
            if tree is None and merged is not None:
                tree = await rev_parse(self._repository, parent, "tree")
            if tree is None:
                self._keep(taken, workspace.name, parent)
                return None
            await self._require_descent(workspace, parent)
            new = await commit_tree(
                *(self._repository, tree, [parent, *([merged] if merged else [])]),
                with_trailers(message, trailers),
                author=identity,
                date=self._clock.now(),
            )
            await self._require_tree(tree)  # for git looks only for the commit itself when it moves a ref
            await update_refs(self._repository, [(workspace.ref, new, head)], fsync=False)
            try:
                await self._require_tree(tree)
            except _TreeCollectedError:
                await update_refs(self._repository, [(workspace.ref, head, new)], fsync=False)
                raise
            self._keep(taken, workspace.name, new)
        entry = layout.entry_of(self._repository.common_dir, workspace.name)
        merges.conclude(entry, workspace.ref, self._registry.index(workspace.name))
        return new

    def _git_of(self, name: str) -> tuple[Path, ...]:
        """The git directories that an agent may have begun a merge in."""
        return self._private.git_of(name), layout.entry_of(self._repository.common_dir, name)

    async def _require_tree(self, tree: Sha) -> None:
        if not await exists(self._repository, tree):
            raise _TreeCollectedError(
                "what was to be committed was taken away meanwhile",
                cause="somebody's `git gc --prune=now` at that moment",
                next_step="look at the worktree, which is kept",
            )

    async def _changed_tree(self, taken: Snapshot, parent: Sha, known: Path) -> Sha | None:
        """The tree of the worktree, None when it is the parent's."""
        differs = await taken.stage_quickly()
        if differs is not None:
            return await taken.write() if differs else None
        await taken.start_from(parent, known, None)
        await taken.stage_carefully()
        if taken.left_out:
            named = [f"{path} {reason}" for path, reason in taken.left_out.items()]
            raise LeftOutError(
                "the work of an agent cannot be committed for it",
                cause="; ".join(named),
                next_step="look at the worktree, which is kept",
            )
        tree = await taken.write()
        return None if tree == await rev_parse(self._repository, parent, "tree") else tree

    async def _require_descent(self, workspace: Workspace, head: Sha) -> None:
        if head == workspace.base or await is_ancestor(self._repository, workspace.base, head):
            return
        raise BranchMovedError(
            f"the branch {workspace.branch} does not descend from its base {workspace.base} any more",
            cause=f"it is at {head}",
            next_step="look at the attempt's transcript; its work is kept in its worktree",
        )

    def _keep(self, taken: Snapshot, name: str, commit: Sha) -> None:
        """Let the next commit start from what this one has read."""
        self._indexed.pop(name, None)
        taken.index.replace(self._registry.index(name))
        self._indexed[name] = commit


def with_trailers(message: str, trailers: Mapping[str, str]) -> str:
    """The message with a last paragraph of trailers."""
    lines = "".join(f"{key}: {value}\n" for key, value in trailers.items())
    return f"{message.strip()}\n\n{lines}" if lines else f"{message.strip()}\n"
