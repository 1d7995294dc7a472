"""How a program ended, in words for a person."""

from __future__ import annotations

import signal

from mawep.adapters.process import ExitStatus


def how(status: ExitStatus) -> str:
    """A clause whose subject is `it`."""
    if status.cause == "deadline":
        return "it was ended because its lease ran out"
    if status.signal is not None:
        return f"it was ended by {signal.Signals(status.signal).name}"
    if status.code is None:
        return "it was ended, nobody saw how"
    return f"it exited with code {status.code}"
