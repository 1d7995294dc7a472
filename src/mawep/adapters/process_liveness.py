"""Our end of the socket between MAWEP and the shim of one program, and what is learnt over it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from mawep.errors import InfrastructureError, MawepError


class ProcessStartError(MawepError):
    """A program could not be started; nothing of it is left behind."""


@dataclass(frozen=True)
class ExitStatus:
    """How a program ended.

    `cause` is `exited` (by itself, or by a signal that is not ours), `killed` (we asked for it), `deadline`,
    `owner_died`, or `shim_died` (its shim was killed, so its own code is unknown).
    """

    code: int | None
    signal: int | None
    cause: str
    token: str

    @property
    def ok(self) -> bool:
        """True when it exited with code 0."""
        return self.code == 0


class Liveness(asyncio.Protocol):
    """Our end of the socket whose EOF ends the program; carries orders out and reports in."""

    def __init__(self, name: str, request: Mapping[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[ExitStatus] = loop.create_future()
        self._name = name
        self._request = request
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.say(self._request)

    def say(self, message: Mapping[str, Any]) -> None:
        if not self.ended.done():
            self._transport.write(json.dumps(message).encode() + b"\n")

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._heard(json.loads(line))

    def _heard(self, report: dict[str, Any]) -> None:
        if "pid" in report:
            _settle(self.started, report["pid"])
            return
        if "error" in report:
            _settle(self.started, not_started(self._name, report["error"]))
        elif "unsaved" in report:
            cause = report["unsaved"]
            _settle(self.ended, InfrastructureError(f"cannot save how {self._name} ended", cause=cause))
        else:
            _settle(self.ended, ExitStatus(**report["status"]))
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        lost = InfrastructureError(
            f"lost sight of {self._name}",
            cause="its supervising process is gone",
            next_step="resume the run; it waits until everything left of the program is gone",
        )
        _settle(self.started, lost)
        _settle(self.ended, lost)

    def close(self) -> None:
        """Let the other side see the end at once: the transport closes the socket only in the loop's next turn."""
        with contextlib.suppress(OSError):  # it has closed its end already
            self._transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._transport.abort()


def not_started(name: str, cause: str) -> ProcessStartError:
    """The error that says why the program called `name` was not started."""
    return ProcessStartError(
        f"cannot start {name}", cause=cause, next_step="put the cause right; nothing was started"
    )


def _settle(future: asyncio.Future[Any], outcome: object) -> None:
    """Give a future its outcome unless it has one; an error that nobody asks for is not complained about."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
        future.exception()
    else:
        future.set_result(outcome)
