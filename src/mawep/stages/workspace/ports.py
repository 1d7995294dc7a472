"""Ports: a block of ten for each attempt, that nobody listens on and no other MAWEP on this machine has given away."""

from __future__ import annotations

import errno
import socket
import sys
from contextlib import ExitStack

from mawep.errors import InfrastructureError

BLOCK = 10
HIGHEST = 65535


class Ports:
    """Hands out blocks of ten ports, counted from `first`.

    A block is held by a name in the abstract socket namespace, which reaches exactly as far as the ports do (one
    network namespace) and lets go when the process dies. Where there is none, only listeners are avoided.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._held: dict[str, tuple[range, socket.socket | None]] = {}

    def take(self, name: str, slot: int) -> range:
        """The block of `slot`, or the next one that is free. Raises InfrastructureError when none is left."""
        for start in range(self._first + BLOCK * slot, HIGHEST - BLOCK + 2, BLOCK):
            block = range(start, start + BLOCK)
            if self._hold(name, block):
                return block
        raise InfrastructureError(
            f"no ten ports in a row are free from {self._first + BLOCK * slot} up",
            next_step="set workspace.ports_from to a lower port",
        )

    def keep(self, name: str, block: range) -> None:
        """Hold a block that was given away before this process lived, if nobody else has it by now."""
        if name not in self._held:
            self._hold(name, block)

    def release(self, name: str) -> None:
        """Give a block back."""
        _, claim = self._held.pop(name, (None, None))
        if claim is not None:
            claim.close()

    def close(self) -> None:
        """Give every block back."""
        for name in list(self._held):
            self.release(name)

    def _hold(self, name: str, block: range) -> bool:
        if any(block == held for held, _ in self._held.values()) or not _is_quiet(block):
            return False
        claim: socket.socket | None = None
        if sys.platform == "linux":
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                claim.bind(f"\0mawep-ports-{block.start}")
            except OSError:
                claim.close()
                return False
        self._held[name] = (block, claim)
        return True


def _is_quiet(block: range) -> bool:
    """True when nobody listens on any of these ports of 127.0.0.1."""
    with ExitStack() as probes:
        for port in block:
            probe = probes.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            # Without it a connection that was closed a minute ago looks like a listener.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
                raise
    return True
