"""What agents and people say to one another while an attempt is at work: messages, questions, answers.

A person sees one question of an attempt at a time; whoever asks next, by its session or by a tool, waits for its turn.
A message that the agent cannot take in the middle of a turn waits for its next prompt, or until it reads its messages.
"""

from __future__ import annotations

import asyncio
import secrets

import structlog

from mawep.agents.base import QuestionAsked
from mawep.agents.prompt import Quote, quoted
from mawep.coordination import payloads as wire
from mawep.core.model import Question
from mawep.errors import MawepError
from mawep.worker.desk import Desk
from mawep.worker.reports import Reports

log = structlog.get_logger("mawep.worker")

MOST_HELD = 200
"""Messages that wait for one agent, or for attempts to come; of more, the oldest go, as nobody reads that many."""


class Talk:
    """The conversations of the attempts here."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._early: list[wire.Deliver] = []

    # --- messages

    async def deliver(self, desk: Desk | None, message: wire.Deliver) -> None:
        """Give the agent a message now, or keep it; without a desk its attempt may be still to come.

        After a crash what was not delivered is sent again, and may overtake the order to look after the attempt.
        """
        if desk is None:
            self._early.append(message)
            del self._early[:-MOST_HELD]
            return
        if any(held.message_id == message.message_id for held in desk.undelivered):
            return
        if desk.session is not None and await desk.session.say(spoken(message)):
            await self.delivered(desk, [message])
        else:
            desk.undelivered.append(message)
            del desk.undelivered[:-MOST_HELD]

    def waiting_for(self, key: tuple[int, int]) -> list[wire.Deliver]:
        """What came for the attempt (issue, attempt) before it had a desk; it is not kept here any longer."""
        mine = [message for message in self._early if (message.issue, message.attempt) == key]
        self._early = [message for message in self._early if message not in mine]
        return list({message.message_id: message for message in mine}.values())

    async def delivered(self, desk: Desk, messages: list[wire.Deliver]) -> None:
        """Say that the agent has been given these."""
        for message in messages:
            await self._reports.tell(
                desk,
                wire.Delivered(
                    issue=desk.issue.number, attempt=desk.work.attempt, message_id=message.message_id
                ),
            )

    async def read(self, desk: Desk) -> list[str]:
        """The messages that wait, which count as delivered from now on.

        Accepted: an agent whose connection breaks in this very moment does not see them, as one that dies when it is
        prompted does not.
        """
        held, desk.undelivered = desk.undelivered, []
        await self.delivered(desk, held)
        return [spoken(message) for message in held]

    # --- questions

    async def asked(self, desk: Desk, question: Question) -> None:
        """The agent has a question; a person sees it when no other one of it is open."""
        desk.questions.append(question)
        if len(desk.questions) == 1:
            await self._reports.asked(desk, question)

    async def ask(self, desk: Desk, text: str, options: tuple[str, ...]) -> str | None:
        """Ask for an agent that waits in a tool, not in its session; None when the turn ends first."""
        if desk.turn is None:
            return None
        question = Question(secrets.token_hex(4), text, options)
        waiting: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        desk.asking[question.id] = waiting
        try:
            await desk.hear(QuestionAsked(question))
            return await waiting
        finally:
            waiting.cancel()  # a client has given up, however early: the answer then becomes a message

    async def answer(self, desk: Desk, answer: wire.Answer) -> None:
        """Bring a person's answer to whoever waits for it."""
        question = desk.questions[0] if desk.questions else None
        if question is None or question.id != answer.question_id or desk.turn is None:
            log.warning("an answer that nothing waits for", issue=answer.issue)
            return
        desk.questions.pop(0)
        desk.turn.answered(answer.question_id)
        waiting = desk.asking.pop(answer.question_id, None)
        if waiting is not None and not waiting.done():
            if desk.session is not None:
                desk.session.answered(question.id, answer.text)
            waiting.set_result(answer.text)
        elif waiting is not None:
            await self.deliver(desk, _late(question, answer))
        elif desk.session is not None:
            try:
                await desk.session.answer(answer.question_id, answer.text)
            except MawepError as error:
                log.warning("answer not taken", issue=answer.issue, cause=str(error))
        if desk.questions:
            await self._reports.asked(desk, desk.questions[0])

    def hush(self, desk: Desk) -> None:
        """The turn is over: nobody will answer what was asked in it."""
        desk.questions.clear()
        for waiting in desk.asking.values():
            if not waiting.done():
                waiting.set_result(None)
        desk.asking.clear()


def spoken(message: wire.Deliver) -> str:
    """A message as its agent reads it: a person's as it is, anybody else's as a quotation."""
    if not message.foreign:
        return f"Message from {message.sender}:\n{message.text}"
    news = f"Another agent, {message.sender}, announces a breaking change to what you work on."
    return quoted(secrets.token_hex(16), message.lead or news, Quote(f"by {message.sender}", message.text))


def _late(question: Question, answer: wire.Answer) -> wire.Deliver:
    return wire.Deliver(
        issue=answer.issue,
        attempt=answer.attempt,
        message_id=f"answer-{question.id}",
        text=f"You asked: {question.text}\nThe answer: {answer.text}",
        sender="a person",
    )
