"""Where one attempt's agent reaches its tools: a unix socket of its own, and a token that nobody else has.

The first line of a connection is the token; after it comes MCP. Who does not know the token is cut off and counted, so
that an agent which finds another's socket cannot speak as that one.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import structlog

import mawep.inside
from mawep.adapters.listening import Listener
from mawep.adapters.seldom import worth_telling
from mawep.agents.base import ToolEndpoint
from mawep.agents.tools import TOOLS, Said, Tool

log = structlog.get_logger("mawep.tools")

INSIDE = Path(mawep.inside.__file__).parent
RELAY = INSIDE / "relay.py"
PROGRAMS = INSIDE / "bin"
"""The directory of what a command agent finds on its PATH."""
SOCKET, TOKEN, PYTHON = "MAWEP_TOOLS_SOCKET", "MAWEP_TOOLS_TOKEN", "MAWEP_PYTHON"

SESSION = "mawep.agents.tool_session"
"""What serves a connection; half a second of imports, which an agent should not wait for."""
LINE_LIMIT = 2**20
"""Bytes of one frame of an agent."""
TOKEN_SECONDS = 5.0
"""How long a connection may take to say its token."""
CONNECTIONS = 16
"""Connections of one attempt at a time."""

Answer = Callable[[str, Mapping[str, Any]], Awaitable[Said]]
"""Carries out a call: name of the tool, arguments."""


async def make_ready() -> None:
    """Have at hand what serves a connection, before the first agent connects."""
    await asyncio.to_thread(import_module, SESSION)


class ToolServer:
    """One attempt's tools, from `open` to `close`. `strangers` counts those who did not know the token."""

    def __init__(self, path: Path, answer: Answer, tools: Mapping[str, type[Tool]] = TOOLS) -> None:
        self.path = path
        self._tools = tools
        self.strangers = 0
        self._sent_away = 0
        self._answer = answer
        self._token = secrets.token_urlsafe(32)
        self._listener: Listener | None = None

    async def open(self) -> None:
        """Listen. A socket that a killed process left at the same path is replaced."""
        self.path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(os.fspath(self.path))
            self.path.chmod(0o600)
            listening.listen(CONNECTIONS)
        except OSError:
            listening.close()
            raise
        self._listener = Listener(
            listening, self._talk, limit=LINE_LIMIT, most=CONNECTIONS, sent_away=self._send_away
        )

    async def close(self) -> None:
        """Listen no more, and end every talk."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            self.path.unlink(missing_ok=True)
            await listener.close()

    def endpoint(self, seen_as: Path | None = None) -> ToolEndpoint:
        """How the agent reaches it; `seen_as` is where the agent sees the socket, if that is somewhere else."""
        return ToolEndpoint(
            command=(sys.executable, "-I", "-S", os.fspath(RELAY)),
            env={SOCKET: os.fspath(seen_as or self.path), TOKEN: self._token, PYTHON: sys.executable},
        )

    def _send_away(self) -> None:
        self._sent_away += 1
        if worth_telling(self._sent_away):
            log.warning(
                "too many connections to the tools of an attempt",
                socket=self.path.name,
                times=self._sent_away,
            )

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await self._knows_the_token(reader):
                session = await asyncio.to_thread(import_module, SESSION)
                await session.serve(reader, writer, self._answer, self._tools)
        except (OSError, ValueError):
            pass  # it went away, or said something without an end
        except Exception:
            log.exception("a talk with an agent broke", socket=self.path.name)

    async def _knows_the_token(self, reader: asyncio.StreamReader) -> bool:
        try:
            async with asyncio.timeout(TOKEN_SECONDS):
                said = await reader.readuntil(b"\n")
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            said = b""
        if hmac.compare_digest(said.rstrip(b"\r\n"), self._token.encode()):
            return True
        self.strangers += 1
        if worth_telling(self.strangers):
            log.warning(
                "somebody without the token spoke to the tools of an attempt",
                socket=self.path.name,
                times=self.strangers,
            )
        return False
