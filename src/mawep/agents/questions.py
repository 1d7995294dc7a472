"""Questions of an agent to a person: one at a time, each answered or dropped."""

from __future__ import annotations

import asyncio
import secrets

from mawep.agents.base import QuestionAsked
from mawep.agents.turn import Turn
from mawep.core.model import Question

MOST = 100
"""An agent with more questions waiting than this is not asking any more."""


class Questions:
    """The questions of one session. A person sees one; the next is asked when that is over."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[str | None]] = {}
        self._queued = 0

    async def ask(self, turn: Turn, text: str, options: tuple[str, ...] = ()) -> str | None:
        """What a person answers; None when the turn ends before anybody has."""
        if self._queued >= MOST:
            return None
        self._queued += 1
        try:
            async with self._turn:
                return await self._ask(turn, text, options)
        finally:
            self._queued -= 1

    async def _ask(self, turn: Turn, text: str, options: tuple[str, ...]) -> str | None:
        if turn.stopping or not turn.running:
            return None
        question = Question(secrets.token_hex(4), text, options)
        waiting: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting[question.id] = waiting
        turn.emit(QuestionAsked(question))
        try:
            return await waiting
        finally:
            del self._waiting[question.id]

    def answer(self, question_id: str, text: str) -> bool:
        """Hand over an answer; False when nothing waits for it."""
        waiting = self._waiting.get(question_id)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(text)
        return True

    def drop(self) -> None:
        """Answer the question that nobody will answer any more."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)
