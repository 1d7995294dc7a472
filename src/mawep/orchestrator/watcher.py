"""Watches a forge during a run: what people change there, and what they say to MAWEP in comments.

Two lists are asked for at each look, of issues and of comments that changed since the last one, whatever the number of
issues; a forge that answers `not modified` to both has cost us nothing of its own limit. Everything that follows from a
look is journalled together with how far it went, so a run that dies in between looks at the same again.

A forge that cannot be reached is said and tried again later; no issue fails for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from mawep.clock import Clock
from mawep.core import events as ev
from mawep.core.model import Number
from mawep.core.state import State
from mawep.orchestrator.authority import Authority
from mawep.orchestrator.differences import (
    Making,
    Seen,
    differences,
    outside_closed,
    together,
    worth_reading,
)
from mawep.orchestrator.glance import glance
from mawep.orchestrator.hall import Incoming, Orchestrator
from mawep.orchestrator.orders import ordered, taken
from mawep.trackers.base import Comment, Forge, ForgeError, ForgeIssue, Query, RateLimited
from mawep.trackers.commands import Command, commands

log = structlog.get_logger("mawep.watcher")

OVERLAP = timedelta(minutes=2)
"""A forge may list a change a while after it happened: so far back is looked again; nothing counts twice."""
POKED_SECONDS = 2.0
"""Looks that others ask for are at least so far apart."""
HOOKED_FOR = 900.0
"""So long after the last sign of a webhook receiver it is taken to be there."""
SAFETY_SECONDS = 600.0
"""How often is looked while webhooks come: what a webhook did not bring is seen then."""


@dataclass(frozen=True)
class Watching:
    """How it stands with the forge. `trouble` says why it was not read; `next_at` when it is tried again."""

    read_at: datetime | None
    trouble: str
    next_at: datetime
    hooked: bool


@dataclass(frozen=True)
class Watched:
    """How a forge is watched: `every` so many seconds, or `safety` while webhooks come; `trust` are associations."""

    forge: Forge
    every: float
    safety: float = SAFETY_SECONDS
    trust: Collection[str] = ("OWNER", "MEMBER", "COLLABORATOR")
    our_labels: Collection[str] = ()
    told: Callable[[Watching], None] = field(default=lambda watching: None)


class Watcher:
    """The hall's eyes on a forge."""

    def __init__(self, watched: Watched, hall: Orchestrator, clock: Clock) -> None:
        self._watched, self._forge = watched, watched.forge
        self._hall, self._clock = hall, clock
        self._poked = asyncio.Event()
        self._hooked_until = 0.0
        self._read_at: datetime | None = None
        self._seen: dict[Number, tuple[datetime | None, Seen]] = {}
        self._authority = Authority(self._forge, clock)

    def poke(self, *, hooked: bool = False) -> None:
        """Look soon. `hooked`: a receiver of webhooks says so, and will say so again."""
        if hooked:
            self._hooked_until = self._clock.awake() + HOOKED_FOR
        self._poked.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            wait, trouble = await self._try()
            self._say(wait, trouble)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._clock.sleep(min(wait, POKED_SECONDS))
                    await self._poked.wait()
            self._poked.clear()

    async def _try(self) -> tuple[float, str]:
        """Look once; how many seconds to wait now, and what went wrong."""
        hooked = self._clock.awake() < self._hooked_until
        wait = self._watched.safety if hooked else self._watched.every
        try:
            await self.look()
        except RateLimited as error:
            left = (error.until - self._clock.now()).total_seconds()
            return max(left, wait), f"{error.what}; it is read again at {error.until:%H:%M:%S} UTC"
        except ForgeError as error:
            return wait, f"{error.what}{f' ({error.cause})' if error.cause else ''}"
        return wait, ""

    def _say(self, wait: float, trouble: str) -> None:
        now = self._clock.now()
        if trouble:
            log.warning("the forge was not read; the run goes on", cause=trouble, again_in=round(wait))
        else:
            self._read_at = now
        hooked = self._clock.awake() < self._hooked_until
        self._watched.told(Watching(self._read_at, trouble, now + timedelta(seconds=wait), hooked))

    async def look(self) -> None:
        """Read what changed and hand it to the hall.

        Raises:
            ForgeError: it could not be read whole; nothing was handed in.
        """
        state = self._hall.state
        # As exactly as a forge dates a comment: one of this very second counts.
        begun = (state.started_at or self._clock.now()).replace(microsecond=0)
        since = (state.outside.read_until or begun) - OVERLAP
        changed = await self._forge.issues(Query(since=since, state="all"))
        comments = await self._forge.recent_comments(since)
        seen = await self._read(changed, state)
        orders = await self._orders(comments, state, begun)
        until = max((at for at in _moments(changed, comments)), default=None)
        makings = [*self._changes(seen, changed, state), *orders]
        if until is not None and until > (state.outside.read_until or begun):
            makings.append(lambda state: [ev.OutsideRead(until)])
        if makings:
            self._hall.post(Incoming(lambda state: together(state, self._clock.now(), makings)))
        for number, one in seen.items():
            self._seen[number] = one

    # --- issues

    def _changes(
        self, seen: Mapping[Number, tuple[datetime | None, Seen]], changed: Iterable[ForgeIssue], state: State
    ) -> Iterator[Making]:
        for number, (_, new) in sorted(seen.items()):
            yield from differences(state, self._seen.get(number, (None, None))[1], new)
        for issue in changed:
            if issue.state == "closed" and issue.number not in state.issues:
                yield _outside_closed(issue.number)

    async def _read(
        self, changed: Iterable[ForgeIssue], state: State
    ) -> dict[Number, tuple[datetime | None, Seen]]:
        """The issues of the run that changed since this process read them last."""
        fresh = {
            issue.number: issue
            for issue in changed
            if issue.number in worth_reading([issue.number], state) & set(state.issues)
            and self._seen.get(issue.number, (None,))[0] != issue.updated_at
        }
        if not fresh:
            return {}
        seen = await glance(
            self._forge,
            list(fresh.values()),
            state,
            trust=self._watched.trust,
            our_labels=self._watched.our_labels,
        )
        return {number: (fresh[number].updated_at, one) for number, one in seen.items()}

    # --- comments

    async def _orders(self, comments: Iterable[Comment], state: State, begun: datetime) -> list[Making]:
        """The commands that count: as they were posted, since the run began, by somebody who may give them."""
        orders: list[Making] = []
        for comment in comments:
            if comment.issue not in state.issues or taken(state, comment.id):
                continue
            if comment.created_at is not None and comment.created_at < begun:
                continue
            found = commands(comment.body)
            if found and await self._authority.counts(comment):
                orders.append(_order(comment, found, self._clock.now))
        return orders


def _order(comment: Comment, found: tuple[Command, ...], now: Callable[[], datetime]) -> Making:
    by = f"{comment.author} on the tracker"

    def make(state: State) -> list[ev.AnyEvent]:
        if taken(state, comment.id):
            return []
        steps = (partial(_step, comment, command, place, by) for place, command in enumerate(found))
        return together(state, now(), steps)

    return make


def _step(comment: Comment, command: Command, place: int, by: str, state: State) -> list[ev.AnyEvent]:
    return ordered(state, command, issue=comment.issue, comment=comment.id, place=place, by=by)


def _outside_closed(number: Number) -> Making:
    return lambda state: outside_closed(state, number)


def _moments(changed: Iterable[ForgeIssue], comments: Iterable[Comment]) -> Iterator[datetime]:
    moments = (*(issue.updated_at for issue in changed), *(comment.updated_at for comment in comments))
    yield from (at for at in moments if at is not None)
