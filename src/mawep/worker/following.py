"""Between two turns an agent's branch is brought up to the target, and its agent is told."""

from __future__ import annotations

import structlog

from mawep.core.model import Sha
from mawep.errors import GitError
from mawep.stages.workspace import Workspaces
from mawep.worker.desk import Desk, author_of
from mawep.worker.walls import collect

log = structlog.get_logger("mawep.worker")

MOST_NAMED = 10
"""Files that are named to an agent."""


async def followed(desk: Desk, workspaces: Workspaces, target: Sha) -> str:
    """Merge the target into the desk's branch, in whose worktree nobody works; what its agent is told of it."""
    await collect(workspaces, desk.at)
    try:
        conflicts = await workspaces.follow(desk.at, target, author_of(desk), desk.work.trailers)
    except GitError as error:
        log.warning("the target is not merged", issue=desk.issue.number, cause=str(error))
        return f"The target is at {target} now; it could not be merged into your branch."
    if not conflicts:
        return f"Your branch was brought up to date: it contains the target as it is now, {target}."
    named = ", ".join(conflicts[:MOST_NAMED])
    return (
        f"The target is at {target} now, and does not merge with your branch ({named}). Nothing was changed: "
        f"`git merge {target}` and resolve that when it fits your work; it has to be done before this lands."
    )
