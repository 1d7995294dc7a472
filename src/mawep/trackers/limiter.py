"""When a request may leave: the forge's limits, its anger, our own budget for an hour, and a second between writes.

One limiter belongs to one credential, whoever uses it. It waits, and says until when; it never drops a request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

from mawep.clock import Clock
from mawep.trackers.base import Allowance, AllowanceObserver, RateLimited

HOUR = timedelta(hours=1)
BETWEEN_WRITES = timedelta(seconds=1)
"""GitHub asks for that much between requests that change something."""
AT_ONCE = 4
"""So many reads may be under way, and beside them one write."""
FIRST_PAUSE = timedelta(minutes=1)
"""How long to be quiet when the forge is angry and does not say for how long; doubled each time."""
OWN = "own"
"""The name of our own budget among the resources."""


class Limiter:
    """Lets requests pass one after the other, as fast as is allowed.

    `cap` is how many may be sent in any hour; `longest_wait` in seconds is how long a request is held before
    RateLimited is raised instead. `observer` is told what is left whenever that changes.
    """

    def __init__(
        self, clock: Clock, cap: int, *, observer: AllowanceObserver | None = None, longest_wait: float = 3900
    ) -> None:
        self._clock = clock
        self._cap = cap
        self._observe = observer or (lambda _: None)
        self._longest = timedelta(seconds=longest_wait)
        self._sent: deque[datetime] = deque()
        self._known: dict[str, Allowance] = {}
        self._quiet_until: datetime | None = None
        self._next_write: datetime | None = None
        self._anger = 0
        self._writing = asyncio.Lock()
        self._places = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def passage(self, resource: str, *, write: bool) -> AsyncIterator[None]:
        """Wait until a request for `resource` may be sent, and hold its place while it is under way.

        Raises:
            RateLimited: it would have to wait for longer than `longest_wait`.
        """
        if not write:
            await self._wait(resource, write=False)
            async with self._places:
                yield
            return
        async with self._writing:
            await self._wait(resource, write=True)
            try:
                yield
            finally:
                self._next_write = self._clock.now() + BETWEEN_WRITES

    def answered(self, resource: str, headers: Mapping[str, str], *, free: bool) -> None:
        """An answer came; `free` when it did not count against the forge's limit, and so not against ours."""
        if free and self._sent:
            self._sent.pop()
        self._anger = 0
        self._note(resource, headers)
        self._tell_own(None)

    def refused(self, resource: str, headers: Mapping[str, str]) -> datetime:
        """The forge has had enough: nothing is sent before the moment that is returned."""
        self._anger += 1
        self._note(resource, headers)
        now = self._clock.now()
        known = self._known.get(resource)
        after = headers.get("retry-after", "")
        if after.isdecimal():
            until = now + timedelta(seconds=max(1, int(after)))
        elif known and known.left == 0 and known.resets_at and known.resets_at > now:
            return known.resets_at
        else:
            until = now + FIRST_PAUSE * 2 ** min(self._anger - 1, 6)
        self._quiet_until = max(until, self._quiet_until or until)
        return self._quiet_until

    def spent(self) -> int:
        """How many requests of the last hour count."""
        self._forget()
        return len(self._sent)

    async def _wait(self, resource: str, *, write: bool) -> None:
        waited = False
        began = self._clock.now()
        while True:
            now = self._clock.now()
            which, until = self._earliest(resource, write)
            if until is None or until <= now:
                break
            if until - began > self._longest:
                raise RateLimited(
                    f"no more requests are left at the forge until {until:%H:%M:%S} UTC",
                    until=until,
                    cause=f"the budget `{which}` is used up",
                    next_step="wait, or give it more with `github.max_requests_per_hour` if the budget is ours",
                )
            if which and until - now > BETWEEN_WRITES:
                waited = True
                self._say_waiting(which, until)
            await self._clock.sleep((until - now).total_seconds())
        self._sent.append(self._clock.now())
        known = self._known.get(resource)
        if known:  # until the answer tells
            self._known[resource] = msgspec.structs.replace(known, left=known.left - 1)
        if waited:
            for allowance in list(self._known.values()):
                self._observe(allowance)
            self._tell_own(None)

    def _earliest(self, resource: str, write: bool) -> tuple[str, datetime | None]:
        """What holds a request longest, and until when; None: nothing does."""
        now = self._clock.now()
        held: list[tuple[datetime, str]] = []
        self._forget()
        if len(self._sent) >= self._cap:
            held.append((self._sent[len(self._sent) - self._cap] + HOUR, OWN))
        known = self._known.get(resource)
        if known and known.left <= 0 and known.resets_at and known.resets_at > now:
            held.append((known.resets_at, resource))
        if self._quiet_until and self._quiet_until > now:
            held.append((self._quiet_until, "secondary"))
        if write and self._next_write and self._next_write > now:
            held.append((self._next_write, ""))
        if not held:
            return "", None
        until, which = max(held)
        return which, until

    def _forget(self) -> None:
        edge = self._clock.now() - HOUR
        while self._sent and self._sent[0] <= edge:
            self._sent.popleft()

    def _note(self, resource: str, headers: Mapping[str, str]) -> None:
        left, limit = _number(headers, "remaining"), _number(headers, "limit")
        if left is None or limit is None:
            return
        allowance = Allowance(
            headers.get("x-ratelimit-resource") or resource, left, limit, self._reset(headers)
        )
        self._known[resource] = allowance
        self._observe(allowance)

    def _reset(self, headers: Mapping[str, str]) -> datetime | None:
        """By our clock: the forge's may be another."""
        reset = _number(headers, "reset")
        if reset is None:
            return None
        now = self._clock.now()
        try:
            moment = datetime.fromtimestamp(reset, UTC)
            theirs = parsedate_to_datetime(headers["date"]) if "date" in headers else now
            away = moment - theirs
        except (ValueError, OverflowError, OSError, TypeError):
            return None
        return now + min(max(away, timedelta(seconds=1)), 2 * HOUR)

    def _say_waiting(self, which: str, until: datetime) -> None:
        if which == OWN:
            self._tell_own(until)
            return
        known = next((a for a in self._known.values() if a.resource == which), Allowance(which, 0, 0))
        self._observe(Allowance(known.resource, 0, known.limit, known.resets_at, until))

    def _tell_own(self, until: datetime | None) -> None:
        self._forget()
        resets = self._sent[0] + HOUR if self._sent else None
        self._observe(Allowance(OWN, max(0, self._cap - len(self._sent)), self._cap, resets, until))


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(f"x-ratelimit-{name}", "")
    return int(text) if text.isdecimal() else None
