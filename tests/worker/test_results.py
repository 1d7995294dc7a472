"""Results are kept by their worker until the orchestrator has answered them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from mawep.coordination import payloads as wire
from mawep.coordination.channels import RESULTS, Keyspace
from mawep.worker import results, workshop
from tests.support.waiting import eventually
from tests.worker.shop import PATIENCE, Shop


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(workshop, "HEALTH_SECONDS", 0.05)


async def entries(shop: Shop) -> int:
    return int(await shop.connection.execute("XLEN", Keyspace(shop.run).stream(RESULTS)))


async def rounds(shop: Shop, more: int = 8) -> None:
    """Until the worker has said so many more signs of life."""
    heard = len(shop.said(wire.Health, 0))
    await eventually("it goes on", lambda: len(shop.said(wire.Health, 0)) >= heard + more, PATIENCE)


async def finished(shop: Shop, script: str) -> None:
    shop.agent(101, script)
    shop.open()
    await shop.assign(101, fence=3)
    await shop.result(101, fence=3)


async def lost(shop: Shop) -> None:
    """The server begins anew, with nothing: all at once, as the worker looks for its result at any time."""
    keys = [key async for key in shop.connection.scan(Keyspace(shop.run).prefix + "*")]
    await shop.connection.execute("UNLINK", *keys)


async def test_results_that_the_server_lost_are_handed_in_again(shop: Shop) -> None:
    await finished(shop, "echo x > x")
    await lost(shop)

    async def there() -> bool:
        return await entries(shop) == 1

    probe: Callable[[], bool | Awaitable[bool]] = there
    await eventually("the result is there again", probe, PATIENCE)


async def test_results_that_the_server_has_are_there_once(shop: Shop) -> None:
    await finished(shop, "echo x > x")
    await rounds(shop)
    assert await entries(shop) == 1


@pytest.mark.parametrize("answer", ["release", "stop", "repair"])
async def test_results_are_kept_until_a_signed_answer(shop: Shop, answer: str) -> None:
    await finished(shop, 'echo x >> x; if [ -n "$MAWEP_FEEDBACK_FILE" ]; then exec sleep 60; fi')
    if answer == "release":
        await shop.tell(wire.Release(issue=101, attempt=1))
    elif answer == "stop":
        await shop.stop(101, fence=3)
        await eventually("it has stopped", lambda: len(shop.said(wire.TurnResult, 101)) == 2, PATIENCE)
    else:
        await shop.repair(101, fence=4)
        await eventually("it is at work again", lambda: shop.said(wire.AttemptStarted, 101, 4), PATIENCE)
    await shop.obeyed()
    await rounds(shop, more=2)
    await lost(shop)
    await rounds_without_a_server_that_remembers(shop)
    assert await entries(shop) == 0


async def rounds_without_a_server_that_remembers(shop: Shop) -> None:
    """As `rounds`, told by the stream of health itself: our own reader may be behind a server that began anew."""
    stream = Keyspace(shop.run).stream("status:health_check")

    async def said() -> bool:
        return int(await shop.connection.execute("XLEN", stream)) >= 8

    probe: Callable[[], bool | Awaitable[bool]] = said
    await eventually("it goes on", probe, PATIENCE)


async def test_results_of_a_turn_that_somebody_later_has_are_let_go(shop: Shop) -> None:
    await finished(shop, "echo x > x")
    await shop.leases().acquire("101/1", "worker-9", 9, "9")
    await shop.connection.execute("DEL", Keyspace(shop.run).stream(RESULTS))
    await rounds(shop)
    assert await entries(shop) == 0
