"""What an attempt has written is kept: committed on its branch when it has finished, salvaged when it has not."""

from __future__ import annotations

from mawep.adapters.git import Repository
from mawep.adapters.git_refs import read_ref
from mawep.agents.base import AgentFailed
from mawep.core.model import FailureReason, Sha
from mawep.stages.workspace import Workspaces
from mawep.worker.desk import Desk, author_of, commit_message, salvage_message
from mawep.worker.mishaps import logged
from mawep.worker.walls import collect


class Keeping:
    """Keeps the work of the attempts of one run."""

    def __init__(self, run: str, workspaces: Workspaces, repository: Repository) -> None:
        self._run = run
        self._workspaces = workspaces
        self._repository = repository

    async def commit(self, desk: Desk) -> Sha:
        """Commit what the agent left uncommitted; the head of its recorded branch."""
        work = desk.work
        await collect(self._workspaces, desk.at)
        await self._workspaces.commit_for_agent(
            desk.at,
            message=commit_message(desk.issue),
            identity=author_of(desk),
            trailers=work.trailers,
        )
        head = await read_ref(self._repository, f"refs/heads/{work.branch}")
        if head is None:
            raise AgentFailed(f"the branch {work.branch} is gone", reason=FailureReason.WORKSPACE_ERROR)
        return head

    async def salvage(self, desk: Desk) -> str | None:
        """Keep what lies uncommitted in the desk's worktree; the ref that holds it, None when there is nothing."""
        if desk.workspace is None:
            return None
        ref = f"refs/mawep/{self._run}/salvage/{desk.issue.number}-a{desk.work.attempt}"
        await logged("what was committed is not collected", self._workspaces.collect(desk.workspace))
        salvaging = self._workspaces.salvage(desk.workspace, ref, salvage_message(desk), author_of(desk))
        sha = await logged("salvage failed; the worktree is kept", salvaging)
        await logged("worktree not shelved", self._workspaces.shelve(desk.workspace))
        return ref if sha else None
