"""Ctrl-C once: finish what runs. Twice: stop it. SIGTERM and a terminal that closes are the second kind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def interruptible(interrupt: Callable[[int], None]) -> Iterator[None]:
    """Call `interrupt` with 1 or 2 when a person wants to stop what goes on inside."""
    loop = asyncio.get_running_loop()
    level = [0]

    def hear(least: int) -> None:
        level[0] = max(level[0] + 1, least)
        interrupt(min(level[0], 2))

    handlers = {signal.SIGINT: 1, signal.SIGTERM: 2}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` wants it to go on
        handlers[signal.SIGHUP] = 2
    for number, least in handlers.items():
        loop.add_signal_handler(number, hear, least)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
