"""A worktree in which nobody works is brought up to the target: merged in memory, then its files, then its branch.

Killed between files and branch, it holds changes of the target that are not committed: whatever is committed next has
them, so nothing is undone. The other way round the next commit would take back what the target has.
"""

from __future__ import annotations

from collections.abc import Mapping

from mawep.adapters.git import Repository
from mawep.adapters.git_merge import Conflicted, merge_trees
from mawep.adapters.git_objects import Identity, commit_tree, is_ancestor
from mawep.adapters.git_refs import update_refs
from mawep.clock import Clock
from mawep.core.model import Sha
from mawep.stages.workspace import layout, merges
from mawep.stages.workspace.commit import Committer, with_trailers
from mawep.stages.workspace.registry import Registry
from mawep.stages.workspace.trees import STRICT, require_real
from mawep.stages.workspace.values import Workspace


class Follower:
    """Brings the worktrees of one repository up to the target."""

    def __init__(
        self, repository: Repository, registry: Registry, committer: Committer, clock: Clock
    ) -> None:
        self._repository = repository
        self._registry = registry
        self._committer = committer
        self._clock = clock

    async def follow(
        self, workspace: Workspace, target: Sha, identity: Identity, trailers: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Merge the target into the branch; the files that do not merge, and then nothing is done.

        Everything in the worktree must be committed, and no process of an agent left; what git ignores gives way, as
        in any merge. Raises TreeGoneError, or GitError, with the branch where it was.
        """
        require_real(workspace.path)
        head = layout.branch_head(self._repository.common_dir, workspace.ref) or workspace.base
        if await is_ancestor(self._repository, target, head):
            return ()
        merged = await merge_trees(self._repository, head, target)
        if isinstance(merged, Conflicted):
            return merged.files
        message = with_trailers(f"Merge the target at {target[:12]}", trailers)
        new = await commit_tree(
            *(self._repository, merged.tree, [head, target], message), author=identity, date=self._clock.now()
        )
        door, index = self._repository.worktree(workspace.path, None), self._registry.index(workspace.name)
        if not self._committer.is_indexed(workspace.name, head):
            await door.run("read-tree", "-m", "-i", head, index=index)
        await door.run("read-tree", "-m", "-u", head, new, index=index, env=STRICT)
        await update_refs(self._repository, [(workspace.ref, new, head)], fsync=False)
        self._committer.began(workspace.name, new)
        entry = layout.entry_of(self._repository.common_dir, workspace.name)
        merges.conclude(entry, workspace.ref, index)
        return ()
