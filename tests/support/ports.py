"""Ports of this machine that a test may take."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def unused_port() -> int:
    """A port that nobody listens on, below those of which the system gives one to every connection."""
    for port in range(10_000 + os.getpid() % 100 * 100, 20_000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("there is no port left")
