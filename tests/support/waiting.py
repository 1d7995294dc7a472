"""Waiting for a described condition with a deadline, instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(what: str, probe: Callable[[], T | Awaitable[T]], timeout: float = 10.0) -> T:
    """Poll `probe` every 10 ms until it is truthy and return that value; AssertionError after `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        value = probe()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up after {timeout} s waiting until {what}")
        await asyncio.sleep(0.01)


def eventually_now(what: str, probe: Callable[[], T], timeout: float = 10.0) -> T:
    """`eventually` for code that has no event loop."""
    deadline = time.monotonic() + timeout
    while not (value := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up after {timeout} s waiting until {what}")
        time.sleep(0.005)
    return value


async def let_pass(seconds: float) -> None:
    """Let real time pass, where its passing is what the test is about: an agent's silence, a watchdog's patience."""
    await asyncio.sleep(seconds)


def let_pass_now(seconds: float) -> None:
    """`let_pass` for code that has no event loop."""
    time.sleep(seconds)
