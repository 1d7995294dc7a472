"""The limiter: nothing leaves that the forge or we do not allow, nothing is dropped, and it says until when."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mawep.clock import VirtualClock
from mawep.trackers.base import Allowance, RateLimited
from mawep.trackers.limiter import Limiter


class Site:
    """A limiter on a clock that moves when it waits."""

    def __init__(self, cap: int = 1000, longest_wait: float = 3900) -> None:
        self.clock = VirtualClock()
        self.told: list[Allowance] = []
        self.limiter = Limiter(self.clock, cap, observer=self.told.append, longest_wait=longest_wait)
        self.start = self.clock.now()

    async def send(self, resource: str = "core", *, write: bool = False, **answer: str) -> float:
        """Send one request; seconds from the start at which it left."""
        async with self.limiter.passage(resource, write=write):
            left = (self.clock.now() - self.start).total_seconds()
            self.limiter.answered(resource, answer, free=False)
        return left

    def headers(self, left: int, resets_in: float) -> dict[str, str]:
        """What the forge says of its own limit."""
        return {
            "x-ratelimit-limit": "5000",
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": str(int((self.clock.now() + timedelta(seconds=resets_in)).timestamp())),
        }

    @property
    def waits(self) -> list[tuple[str, float]]:
        """What was said of waiting: which budget, and until when."""
        return [
            (one.resource, (one.waiting_until - self.start).total_seconds())
            for one in self.told
            if one.waiting_until
        ]


async def test_hazard_writes_are_a_second_apart_and_reads_are_not() -> None:
    site = Site()
    assert [await site.send() for _ in range(5)] == [0] * 5
    assert [await site.send(write=True) for _ in range(4)] == [0, 1, 2, 3]
    assert await site.send() == 3
    assert site.waits == []


async def test_our_own_budget_is_of_any_hour() -> None:
    site = Site(cap=3)
    assert await site.send() == 0
    site.clock.advance(600)
    assert [await site.send() for _ in range(3)] == [600, 600, 3600]
    assert await site.send() == 4200
    assert site.waits == [("own", 3600), ("own", 4200)]
    assert site.told[-1].resource == "own" and site.told[-1].waiting_until is None
    assert site.limiter.spent() == 2


async def test_hazard_a_used_up_limit_of_the_forge_is_waited_out() -> None:
    site = Site()
    await site.send("core", write=False, **site.headers(0, 900))
    assert await site.send("search") == 0
    assert await site.send() == 900
    assert site.waits == [("core", 900)]


async def test_the_forges_clock_may_be_wrong() -> None:
    site = Site()
    headers = site.headers(0, 900)
    headers["x-ratelimit-reset"] = str(int(datetime(2020, 1, 1, 0, 15, tzinfo=UTC).timestamp()))
    headers["date"] = "Wed, 01 Jan 2020 00:00:00 GMT"
    await site.send("core", write=False, **headers)
    assert await site.send() == 900


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-remaining": "much", "x-ratelimit-limit": "5000"},
        {"x-ratelimit-remaining": "0", "x-ratelimit-limit": "5000", "x-ratelimit-reset": "9" * 30},
        {"x-ratelimit-remaining": "0", "x-ratelimit-limit": "5000", "x-ratelimit-reset": "1", "date": "soon"},
    ],
)
async def test_headers_that_make_no_sense_stop_nothing(headers: dict[str, str]) -> None:
    site = Site()
    await site.send("core", write=False, **headers)
    assert await site.send() <= 1


async def test_hazard_an_angry_forge_is_left_alone_for_as_long_as_it_says_or_longer_each_time() -> None:
    site = Site()
    assert (site.limiter.refused("core", {"retry-after": "30"}) - site.start).total_seconds() == 30
    assert await site.send("search") == 30
    site = Site()
    site.limiter.refused("core", {})
    assert await site.send() == 60
    site.limiter.refused("core", {})
    site.limiter.refused("core", {})
    assert await site.send() == 180
    assert site.waits == [("secondary", 60), ("secondary", 180)]


async def test_who_cannot_wait_that_long_is_told_until_when() -> None:
    site = Site(cap=1, longest_wait=30)
    await site.send()
    with pytest.raises(RateLimited) as limited:
        await site.send()
    assert (limited.value.until - site.start).total_seconds() == 3600
    assert "until" in str(limited.value)


async def test_hazard_what_did_not_count_does_not_count() -> None:
    site = Site(cap=2)
    for _ in range(5):
        async with site.limiter.passage("core", write=False):
            site.limiter.answered("core", {}, free=True)
    assert site.limiter.spent() == 0
    assert site.clock.now() == site.start


async def test_of_writes_there_is_one_at_a_time() -> None:
    site = Site()
    inside: list[int] = []
    most = 0

    async def write() -> None:
        nonlocal most
        async with site.limiter.passage("core", write=True):
            inside.append(1)
            most = max(most, len(inside))
            await asyncio.sleep(0)
            inside.pop()

    await asyncio.gather(*(write() for _ in range(5)))
    assert most == 1


async def test_a_write_that_was_given_up_does_not_block_the_next() -> None:
    site = Site()
    with pytest.raises(ZeroDivisionError):
        async with site.limiter.passage("core", write=True):
            _ = 1 // 0
    assert await site.send(write=True) == 1
