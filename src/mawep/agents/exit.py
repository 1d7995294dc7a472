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
    if (number := status.code - 128) in set(signal.Signals):  # as walls, and shells, say it
        return f"it exited with code {status.code}, which stands for {signal.Signals(number).name}"
    return f"it exited with code {status.code}"
