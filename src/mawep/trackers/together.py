"""A few requests at once, of those that cannot be made one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

AT_ONCE = 8

T = TypeVar("T")
R = TypeVar("R")


async def together(ask: Callable[[T], Awaitable[R]], each: Sequence[T]) -> list[R]:
    """Ask for each, AT_ONCE at a time; the answers in the same order. The first error ends all."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(thing: T) -> R:
        async with gate:
            return await ask(thing)

    tasks = [asyncio.ensure_future(one(thing)) for thing in each]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
