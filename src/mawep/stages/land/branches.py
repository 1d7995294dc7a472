"""Branches that are proposed on a forge: pushed without force, brought up to date, and compared with what was merged.

What somebody else has pushed to such a branch is never written over: it is fetched, and merged with what is ours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_merge import Conflicted, conflict_hunks, merge_trees
from mawep.adapters.git_objects import commit_tree, exists, is_ancestor, rev_parse
from mawep.adapters.git_packs import kept
from mawep.adapters.git_refs import hold, read_ref
from mawep.adapters.git_remote import PushRefusedError, Remote
from mawep.core.events import MoveIntended
from mawep.core.model import Number
from mawep.errors import InfrastructureError
from mawep.stages.land import Moved
from mawep.stages.land.author import MAWEP
from mawep.stages.land.publish import RACE_PATIENCE, RACE_POLL

ARRIVAL = 30.0
"""Seconds until what a forge says it has merged must be on the branch that git fetches."""


@dataclass(frozen=True)
class FollowedTarget:
    """The target is a branch of a remote; the one of the same name here, and its checkouts, are left alone."""

    remote: Remote
    branch: str

    async def now(self, known: Sha | None) -> Sha:
        """Where it is; it must contain `known`, if anything is known of it.

        Raises:
            InfrastructureError: there is no such branch, or it was rewritten.
        """
        there = await self.remote.fetch(self.branch)
        if there is None:
            raise InfrastructureError(
                f"{self.remote.name} has no branch {self.branch}", next_step=f"push {self.branch} there"
            )
        if known is not None and not await is_ancestor(self.remote.repository, known, there):
            raise InfrastructureError(
                f"{self.branch} on {self.remote.name} is at {there[:12]}, which does not contain {known[:12]}",
                cause="somebody reset or rewrote the target branch while the run was on it",
                next_step=f"bring {known[:12]} back into {self.branch}, then `mawep resume`",
            )
        return there

    async def move(self, intent: MoveIntended, *, intended_at: datetime) -> Moved:
        """Nobody moves it but the forge."""
        raise InfrastructureError(
            f"{self.branch} is moved by pull requests only",
            cause="the run began with another `landing.mode`",
            next_step="set it back, then `mawep resume`",
        )

    async def blocked_by(self, old: Sha, new: Sha) -> tuple[str, ...]:
        """No checkout goes along, so none is in the way."""
        return ()


@dataclass(frozen=True)
class Proposed:
    """The branch of one attempt, as it is proposed. `name` tells it from all others of the run."""

    run: str
    issue: Number
    attempt: int
    branch: str

    @property
    def made(self) -> str:
        """The ref that holds what the branch is to be."""
        return f"refs/mawep/{self.run}/pull/{self.issue}-a{self.attempt}"

    @property
    def given(self) -> str:
        """The ref that says what we pushed last."""
        return f"refs/mawep/{self.run}/pushed/{self.issue}-a{self.attempt}"

    @property
    def trailers(self) -> str:
        """What every commit that MAWEP makes says: whose work it is."""
        pairs = (("Run", self.run), ("Issue", self.issue), ("Attempt", self.attempt))
        return "\n".join(f"Mawep-{key}: {value}" for key, value in pairs)


@dataclass(frozen=True)
class Clash:
    """What does not merge."""

    files: tuple[str, ...]
    hunks: str


async def push(remote: Remote, proposed: Proposed, head: Sha) -> bool:
    """Have the branch on the remote at `head`; False when it holds what `head` does not.

    Raises:
        InfrastructureError: the remote does not answer, or does not take it.
    """
    repository, deadline = remote.repository, time.monotonic() + RACE_PATIENCE
    while True:
        there = await remote.fetch(proposed.branch)
        if there is not None and not await is_ancestor(repository, there, head):
            return await is_ancestor(repository, head, there)
        try:
            await remote.push(head, proposed.branch)
        except PushRefusedError as refused:
            if not refused.raced or time.monotonic() > deadline:
                raise
            await asyncio.sleep(RACE_POLL)
        else:
            await hold(repository, proposed.given, head)
            return True


async def bring_up_to_date(
    remote: Remote, proposed: Proposed, head: Sha, *, target: Sha, date: datetime
) -> tuple[Sha, bool] | Clash:
    """Merge what is on the remote's branch, `head` and the target; the commit, and whether others pushed.

    Made again from the same it is the same commit.
    """
    repository = remote.repository
    there = await remote.fetch(proposed.branch) or head
    pushed = await read_ref(repository, proposed.given)
    theirs = there not in (pushed, head) and not await is_ancestor(repository, there, pushed or head)
    top = there
    for other, what in ((head, "the agent's work"), (target, "the target")):
        if await is_ancestor(repository, other, top):
            continue
        if await is_ancestor(repository, top, other):
            top = other
            continue
        merged = await merge_trees(repository, top, other)
        if isinstance(merged, Conflicted):
            hunks = await conflict_hunks(repository, merged)
            return Clash(merged.files, "\n\n".join(f"--- {path}\n{hunk}" for path, hunk in hunks.items()))
        message = f"Merge {what} for issue {proposed.issue}\n\n{proposed.trailers}\n"
        top = await commit_tree(repository, merged.tree, [top, other], message, author=MAWEP, date=date)
    async with kept(repository, [top], [there, head, target]):
        await hold(repository, proposed.made, top)
    return top, theirs


async def arrived(target: FollowedTarget, commit: Sha | None, known: Sha) -> Sha:
    """Where the target is, once it contains the commit that the forge has made.

    Raises:
        InfrastructureError: it does not come.
    """
    deadline = time.monotonic() + ARRIVAL
    while True:
        now = await target.now(known)
        repository = target.remote.repository
        if commit is None or (
            await exists(repository, commit) and await is_ancestor(repository, commit, now)
        ):
            return now
        if time.monotonic() > deadline:
            raise InfrastructureError(
                f"{target.branch} on {target.remote.name} does not contain {commit[:12]}",
                cause="the forge says that it has merged it there",
                next_step="`mawep resume` looks again",
            )
        await asyncio.sleep(RACE_POLL)


async def same_tree(repository: Repository, commits: Sequence[Sha]) -> bool:
    """True when all these commits have one tree; one that is not here is like none."""
    if not all([await exists(repository, commit) for commit in commits]):
        return False
    return len({await rev_parse(repository, commit, "tree") for commit in commits}) == 1
