"""The wire to an ACP agent: newline-delimited JSON-RPC over its stdio, every frame on record."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from pydantic import ValidationError

from mawep.agents.sdk import schema
from mawep.agents.transcript import Transcript

FRAME_LIMIT = 50 * 2**20
_SHOWN = 200


class Wire:
    """A message transport for the SDK's connection.

    Whatever is not a JSON-RPC frame ends the stream, and `fault` then says why. Session updates that the
    protocol does not define are recorded and passed over, so that newer agents can be driven.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, transcript: Transcript
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._transcript = transcript
        self._sending = asyncio.Lock()
        self.fault = ""

    async def receive(self) -> dict[str, Any] | None:
        """The next frame, or None at the end of the stream and at the first fault."""
        while not self.fault:
            line = await self._read_line()
            if not line:
                break
            if line.isspace():
                continue
            frame = self._decode(line)
            if frame is not None and _understood(frame):
                return frame
        return None

    async def send(self, message: dict[str, Any]) -> None:
        """Write one frame. A reply to an agent that went away is dropped, a request to it raises."""
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        self._transcript.write("out", message)
        try:
            async with self._sending:
                self._writer.write(data)
                await self._writer.drain()
        except (ConnectionError, RuntimeError) as error:
            if "method" in message:
                raise ConnectionError("the agent does not read its input any more") from error

    async def close(self) -> None:
        """Send end of input, after what is still on its way. Does not wait: the agent may never read it."""
        self._writer.close()

    async def _read_line(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            if error.partial.strip():
                self.fault = f"it ended in the middle of a frame: {_shown(error.partial)}"
        except asyncio.LimitOverrunError:
            self.fault = f"it sent a frame of more than {FRAME_LIMIT // 2**20} MiB"
        except ConnectionError as error:
            self.fault = str(error)
        return b""

    def _decode(self, line: bytes) -> dict[str, Any] | None:
        try:
            frame = json.loads(line)
        except (ValueError, RecursionError):
            frame = None
        if not _is_frame(frame):
            self._transcript.write("in", line.decode(errors="replace"))
            self.fault = f"it sent something that is not a protocol frame: {_shown(line)}"
            return None
        self._transcript.write("in", frame)
        return cast("dict[str, Any]", frame)


def _is_frame(value: Any) -> bool:
    """True for what the SDK's reader survives."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("method"), str | None)
        and isinstance(value.get("id"), str | int | None)
        and isinstance(value.get("error"), dict | None)
    )


def _understood(frame: dict[str, Any]) -> bool:
    if frame.get("method") != "session/update":
        return True
    try:
        schema.SessionNotification.model_validate(frame.get("params"))
    except ValidationError:
        return False
    return True


def _shown(data: bytes) -> str:
    return repr(data.strip()[:_SHOWN].decode(errors="replace"))
