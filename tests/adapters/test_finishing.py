"""What is to be finished is, whoever is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from mawep.adapters.finishing import finished


async def test_it_gives_what_the_work_gives_or_raises() -> None:
    assert await finished(asyncio.to_thread(lambda: "done")) == "done"
    with pytest.raises(ZeroDivisionError):
        await finished(asyncio.to_thread(lambda: 1 // 0))


@pytest.mark.parametrize("turns", range(4))
async def test_who_is_cancelled_is_told_when_the_work_is_done(turns: int) -> None:
    ended = asyncio.Event()

    async def work() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        ended.set()

    async def user() -> None:
        await finished(work())

    using = asyncio.create_task(user())
    for _ in range(turns + 1):
        await asyncio.sleep(0)
    assert not ended.is_set()
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert ended.is_set()


async def test_work_that_does_not_end_holds_nobody_for_longer_than_was_said() -> None:
    never = asyncio.create_task(asyncio.Event().wait())
    using = asyncio.create_task(finished(never, within=0.01))
    await asyncio.sleep(0)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    never.cancel()
