"""What is the same of forges that are spoken to by REST alone: they have neither a merge queue nor sub-issues."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import msgspec

from mawep.clock import Clock
from mawep.core.model import Number, Sha
from mawep.trackers.base import (
    AllowanceObserver,
    Comment,
    Edges,
    ForgeIssue,
    ForgeSettings,
    MergeRefused,
    PullRequest,
    QueueEntry,
    Reference,
    SignedIn,
)
from mawep.trackers.limiter import Limiter
from mawep.trackers.rest import Rest
from mawep.trackers.together import together

Said = TypeVar("Said", ForgeIssue, Comment)


class PlainForge(ABC):
    """See `mawep.trackers.base.Forge`."""

    name: str
    page_size: int
    page_size_key: str

    def __init__(
        self, settings: ForgeSettings, clock: Clock, observer: AllowanceObserver | None = None
    ) -> None:
        self.repository = settings.repository
        self._token = settings.token
        limiter = Limiter(
            clock, settings.max_requests_per_hour, observer=observer, longest_wait=settings.longest_wait
        )
        self._api = Rest(
            settings.api_url,
            settings.token,
            limiter,
            key=f"{self.name}.token",
            size=self.page_size,
            size_key=self.page_size_key,
        )

    @abstractmethod
    async def whoami(self) -> str: ...

    async def signed_in(self) -> SignedIn:
        return SignedIn(await self.whoami())

    async def edges(self, numbers: Collection[Number]) -> Edges:
        wanted = sorted(set(numbers))
        found = dict(zip(wanted, await together(self._blockers, wanted), strict=True))
        return Edges(
            {one: references for one, references in found.items() if references},
            dependencies_supported=None not in found.values(),
            sub_issues_supported=False,
        )

    async def enqueue(self, number: Number, *, sha: Sha) -> None:
        raise MergeRefused(
            f"pull request {number} is not queued", reason=f"no merge queue of {self.name} is used"
        )

    async def queued(self, number: Number) -> QueueEntry | None:
        return None

    async def close(self) -> None:
        await self._api.close()

    @abstractmethod
    async def _blockers(self, number: Number) -> tuple[Reference, ...] | None:
        """What the forge itself says that an issue waits for; None: it has no such list."""

    @abstractmethod
    async def _associations(self, logins: Collection[str]) -> Mapping[str, str]:
        """What each is to the repository, in GitHub's words."""

    async def _introduced(self, said: Sequence[Said]) -> list[Said]:
        """The same, with what its authors are to the repository."""
        known = await self._associations({one.author for one in said if one.author}) if said else {}
        return [msgspec.structs.replace(one, association=known.get(one.author or "", "NONE")) for one in said]


def as_listed(pulls: Sequence[PullRequest]) -> list[PullRequest]:
    """By number, without what only a pull request that is asked for by itself says."""
    plain = (msgspec.structs.replace(one, mergeable=None, mergeable_state="unknown") for one in pulls)
    return sorted(plain, key=lambda one: one.number)
