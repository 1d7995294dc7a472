"""One turn of an agent: work that runs on its own, and the events it leaves for one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from mawep.agents.base import Activity, AgentEvent, MessageText, Thought, ToolCall, TurnEnded

TEXT_LIMIT = 65536


class Turn:
    """Collects events from `start` until the work is over, whether or not somebody reads them.

    Chunks of a message or a thought become one event, as soon as something else follows. Signs of life that nobody
    has read yet do not pile up.
    """

    def __init__(self) -> None:
        self.stopping = False
        self.calls: dict[str, ToolCall] = {}
        self.text = ""
        self.last_message = ""
        self._message = ""
        self._thought = ""
        self._unread: deque[AgentEvent] = deque()
        self._ready = asyncio.Event()
        self._work: asyncio.Task[TurnEnded] | None = None

    @property
    def running(self) -> bool:
        """True until the work has returned or failed."""
        return self._work is not None and not self._work.done()

    def start(self, work: Coroutine[Any, Any, TurnEnded]) -> None:
        """Begin; what `work` returns or raises is what the reader gets last."""
        self._work = asyncio.create_task(work)
        self._work.add_done_callback(self._over)

    async def ended(self) -> None:
        """Return when the work is over, however it went."""
        if self._work is not None:
            await asyncio.wait({self._work})

    async def events(self) -> AsyncIterator[AgentEvent]:
        """Every event in order, TurnEnded last. Raises what the work raised."""
        assert self._work is not None  # noqa: S101 (the two callers start it one line before)
        while not self._work.done() or self._unread:
            while self._unread:
                yield self._unread.popleft()
            if self._work.done():
                self._finish_message()  # its end was not noticed yet, or it was while the reader was busy
            else:
                self._ready.clear()
                await self._ready.wait()
        yield self._work.result()

    def emit(self, event: AgentEvent) -> None:
        """Leave an event for the reader."""
        self._finish_message()
        self._put(event)

    def alive(self, kind: str) -> None:
        """Leave a sign of life."""
        event = Activity(kind)
        if not self._unread or self._unread[-1] != event:
            self._put(event)

    def say(self, chunk: str) -> None:
        """Take a piece of the message that the agent is writing."""
        self._finish_thought()
        between = "\n\n" if self.text and not self._message else ""
        self.text = (self.text + between + chunk)[-TEXT_LIMIT:]
        self._message = self.last_message = (self._message + chunk)[:TEXT_LIMIT]
        self.alive("writing")

    def think(self, chunk: str) -> None:
        """Take a piece of a thought."""
        if self._message:
            self._finish_message()
        self._thought = (self._thought + chunk)[:TEXT_LIMIT]
        self.alive("thinking")

    def _finish_message(self) -> None:
        self._finish_thought()
        if self._message:
            self._put(MessageText(self._message))
            self._message = ""

    def _finish_thought(self) -> None:
        if self._thought:
            self._put(Thought(self._thought))
            self._thought = ""

    def _put(self, event: AgentEvent) -> None:
        self._unread.append(event)
        self._ready.set()

    def _over(self, work: asyncio.Task[TurnEnded]) -> None:
        if not work.cancelled():
            work.exception()  # seen, even when the reader has left
        self._finish_message()
        self._ready.set()
