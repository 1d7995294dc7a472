"""What the server counts and how it gets in the way: requests and points, rate limits, answers that are lost."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
CORE_LIMIT, GRAPHQL_LIMIT, SEARCH_LIMIT = 5000, 5000, 30
LIMITS = {"core": CORE_LIMIT, "graphql": GRAPHQL_LIMIT, "search": SEARCH_LIMIT}


@dataclass
class Entry:
    """One request as the server saw it. `points` are those of GitHub's secondary limit; 304 costs nothing."""

    at: float
    login: str
    method: str
    path: str
    query: str = ""
    resource: str = "core"
    body: object = None
    status: int = 0
    points: int = 0
    cost: int = 0
    fault: str = ""
    answer: object = field(default=None, repr=False)

    @property
    def writes(self) -> bool:
        """True for a request that changes something."""
        return self.method in WRITES and (self.resource != "graphql" or "mutation" in str(self.body))


class Ledger:
    """Every request in the order in which it came."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.violations: list[str] = []

    def of(self, login: str, method: str | None = None, path: str = "") -> list[Entry]:
        """The requests of a person, of a method, whose path matches."""
        return [
            entry
            for entry in list(self.entries)
            if entry.login == login
            and (method is None or entry.method == method)
            and re.search(path, entry.path)
        ]

    def spent(self, login: str) -> int:
        """What counts against the hourly limits of a person."""
        return sum(entry.cost for entry in self.of(login))

    def points(self, login: str) -> int:
        """The points of a person: 1 for each read, 5 for each write."""
        return sum(entry.points for entry in self.of(login))

    def forget(self) -> None:
        """Count anew."""
        self.entries.clear()


@dataclass
class Limits:
    """The limits of one token. `left` goes down by itself; the rest is switched on by a test."""

    left: dict[str, int] = field(default_factory=lambda: dict(LIMITS))
    resets_at: float = field(default_factory=lambda: time.time() + 3600)
    secondary_until: float = 0.0
    secondary_says_when: bool = True
    refused: int = 0

    def exhaust(self, seconds: float, resource: str = "core") -> None:
        """Nothing is left for `seconds`: the primary limit."""
        self.left[resource] = 0
        self.resets_at = time.time() + seconds

    def annoy(self, seconds: float, *, says_when: bool = True) -> None:
        """Refuse for `seconds` as the secondary limit does, with or without `retry-after`."""
        self.secondary_until = time.time() + seconds
        self.secondary_says_when = says_when

    def refusal(self, resource: str) -> tuple[int, dict[str, str], str] | None:
        """Status, headers and message, when the request is one too many."""
        now = time.time()
        if now < self.secondary_until:
            self.refused += 1
            wait = {"Retry-After": str(max(1, round(self.secondary_until - now)))}
            said = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
            return 403, wait if self.secondary_says_when else {}, said
        if now >= self.resets_at:
            self.left, self.resets_at = dict(LIMITS), now + 3600
        if self.left[resource] <= 0:
            self.refused += 1
            return 403, self.headers(resource), "API rate limit exceeded for user."
        return None

    def pay(self, resource: str, cost: int) -> None:
        """Count a request that was answered."""
        self.left[resource] = max(0, self.left[resource] - cost)

    def headers(self, resource: str) -> dict[str, str]:
        """What every answer says about the limit."""
        limit = LIMITS[resource]
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(self.left[resource]),
            "X-RateLimit-Used": str(limit - self.left[resource]),
            "X-RateLimit-Reset": str(int(self.resets_at) + 1),
            "X-RateLimit-Resource": resource,
        }


@dataclass
class Fault:
    """Something that happens to the next `times` requests that match.

    LOST: done, and the answer is a 502. HUNG: done, and no answer comes. REFUSED: a 502 and nothing is done.
    LATE: a 502, and it is done at `ForgeWorld.settle()`. `happened` counts requests that came in, done or not.
    """

    kind: str
    method: str
    path: str
    times: int = 1
    happened: int = 0

    def meets(self, method: str, path: str) -> bool:
        """True, once for each of its times, for a request that it is meant for."""
        if self.times <= 0 or method != self.method or not re.search(self.path, path):
            return False
        self.times -= 1
        self.happened += 1
        return True


LOST, HUNG, REFUSED, LATE = "lost", "hung", "refused", "late"


@dataclass
class Faults:
    """The faults that are waiting."""

    waiting: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> Fault:
        """Let something go wrong from now on."""
        self.waiting.append(fault)
        return fault

    def due(self, method: str, path: str) -> str:
        """The kind of fault that a request meets, or nothing."""
        return next((fault.kind for fault in self._meeting(method, path)), "")

    def _meeting(self, method: str, path: str) -> Iterator[Fault]:
        return (fault for fault in self.waiting if fault.meets(method, path))
