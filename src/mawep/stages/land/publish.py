"""Landing on a branch that a remote has too: the remote goes first, without force, then the branch here.

Desired: what we call landed is on the remote; a push that is refused because somebody else was quicker is a fact like
any other; a crash between the two halves is completed. The target is the one of the two branches that contains the
other; two that have parted are brought together by a person.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_checkout import checkouts_of, dirty_paths
from mawep.adapters.git_objects import is_ancestor
from mawep.adapters.git_remote import PushRefusedError, Remote, RemoteUnreachableError
from mawep.core import events as ev
from mawep.errors import InfrastructureError
from mawep.stages import land

log = structlog.get_logger("mawep.publish")

RACE_PATIENCE = 10.0
"""Seconds until the branch that somebody else is moving on the remote must have moved."""
RACE_POLL = 0.5


@dataclass(frozen=True)
class PushedTarget:
    """The target is a branch of this repository that follows the one of the same name on a remote."""

    remote: Remote
    branch: str

    @property
    def repository(self) -> Repository:
        """Ours."""
        return self.remote.repository

    async def now(self, known: Sha | None) -> Sha:
        """Where the target is, here and on the remote taken together; it must contain `known`, if that is known.

        A branch that is behind is brought forward if its checkout is clean; else it is when the next work lands.

        Raises:
            InfrastructureError: the two have parted, or what landed is in neither; the remote does not answer.
        """
        here = await land.target_now(self.repository, self.branch)
        there = await self.remote.fetch(self.branch)
        target = here
        if there is not None and there != here and not await is_ancestor(self.repository, there, here):
            if not await is_ancestor(self.repository, here, there):
                raise self._parted(here, there)
            target = there
        if known is not None and not await is_ancestor(self.repository, known, target):
            raise self._rewritten(known, target)
        if target != here:
            blocked = await self._follow(here, target, datetime.now(UTC))
            if blocked is not None:
                log.warning("left behind", branch=self.branch, where=blocked.where, files=blocked.files)
        return target

    async def move(self, intent: ev.MoveIntended, *, intended_at: datetime) -> land.Moved:
        """Bring the remote from old to new, then the branch here; completes what an earlier try left half done."""
        here = await land.target_now(self.repository, self.branch)
        arrived = await is_ancestor(self.repository, intent.new, here)
        if not arrived:
            if not await is_ancestor(self.repository, here, intent.old):
                return ev.MoveLost(await self.now(intent.old))
            if not await land.is_there(self.repository, intent):
                return ev.MoveLost(intent.old)
            blocked = await self._follow(here, intent.old, intended_at) or await self._in_the_way(intent)
            if blocked is not None:
                return blocked
        elsewhere = await self._push(intent)
        if elsewhere is not None:
            return ev.MoveLost(elsewhere)
        return await land.move_target(self.repository, self.branch, intent, intended_at=intended_at)

    async def blocked_by(self, old: Sha, new: Sha) -> tuple[str, ...]:
        """What still stands in the way of a blocked move; the branch here may be further behind than `old`."""
        here = await land.target_now(self.repository, self.branch)
        return await land.blocked_by(self.repository, self.branch, here, new)

    async def _follow(self, here: Sha, to: Sha, intended_at: datetime) -> ev.MoveBlocked | None:
        """Bring the branch here forward; what is in the way of that, if anything is."""
        if here == to:
            return None
        step, why = ev.MoveIntended(here, to, ()), f"follow {self.remote.name}: fast-forward"
        done = await land.move_target(
            self.repository, self.branch, step, intended_at=intended_at, message=why
        )
        return done if isinstance(done, ev.MoveBlocked) else None

    async def _in_the_way(self, intent: ev.MoveIntended) -> ev.MoveBlocked | None:
        """A checkout that cannot go along is seen before the remote has moved."""
        for listed in checkouts_of(self.repository, f"refs/heads/{self.branch}"):
            tree = self.repository.worktree(listed.path, listed.name)
            if blocked := await dirty_paths(tree, intent.old, intent.new):
                return ev.MoveBlocked(blocked, str(listed.path))
        return None

    async def _push(self, intent: ev.MoveIntended) -> Sha | None:
        """Have the remote at the new commit or beyond; None, or where it is instead because others were quicker."""
        try:
            await self.remote.push(intent.new, self.branch)
        except PushRefusedError as refused:
            return await self._overtaken(intent, refused)
        return None

    async def _overtaken(self, intent: ev.MoveIntended, refused: PushRefusedError) -> Sha | None:
        deadline = time.monotonic() + (RACE_PATIENCE if refused.raced else 0.0)
        while True:
            there = await self.remote.fetch(self.branch)
            if there is not None and await is_ancestor(self.repository, intent.new, there):
                return None  # it is there: by an earlier try, whose answer nobody heard
            if there is not None and not await is_ancestor(self.repository, there, intent.old):
                return await self.now(intent.old)
            if time.monotonic() >= deadline:
                raise refused
            await asyncio.sleep(RACE_POLL)

    def _parted(self, here: Sha, there: Sha) -> InfrastructureError:
        return InfrastructureError(
            f"{self.branch} here ({here[:12]}) and on {self.remote.name} ({there[:12]}) have parted",
            cause="each has commits that the other one has not",
            next_step=f"merge one into the other, so that {self.branch} contains both",
        )

    def _rewritten(self, known: Sha, now: Sha) -> InfrastructureError:
        return InfrastructureError(
            f"{self.branch} on {self.remote.name} and here is at {now[:12]}, which does not contain {known[:12]}",
            cause="somebody reset or rewrote the target branch while the run was on it",
            next_step=f"bring {known[:12]} back into {self.branch}, then `mawep resume`",
        )


async def push_problems(remote: Remote, here: str, branch: str) -> AsyncIterator[str]:
    """Why a run that pushes `here` to `branch` could not: found by a push that changes nothing."""
    try:
        await remote.push(here, branch, dry_run=True)
    except PushRefusedError as refused:
        if not refused.raced:
            yield f"`landing.push`: {refused.what}: {refused.why}"
    except RemoteUnreachableError as gone:
        yield f"`landing.push`: {gone.what}: {' '.join(gone.cause.split())}"
