"""Closing that is not cut short: what was begun is done, also for a caller who is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def finished(work: Awaitable[T], within: float | None = None) -> T:
    """What `work` gives. A cancellation counts when it is done, or after `within` seconds, and does not reach it.

    A coroutine that is awaited plainly may be cancelled before its first step, or before that of a task that it makes.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=within)
        raise
