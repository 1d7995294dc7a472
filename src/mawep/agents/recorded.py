"""A session that keeps a record of itself, and lets no secret through: what every runtime's session is wrapped in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec

from mawep.adapters.process import Supervisor
from mawep.agents.base import (
    AgentEvent,
    AgentFailed,
    AgentSession,
    BreakingChange,
    Launch,
    MessageText,
    Output,
    PathPolicy,
    PermissionDecided,
    PlanChanged,
    ProgressClaimed,
    ProviderLimited,
    QuestionAsked,
    Runtime,
    Thought,
    ToolCall,
    TurnEnded,
)
from mawep.agents.record import Record
from mawep.agents.redaction import Lines, Redactor, redactor_of


async def open_recorded(
    runtime: Runtime, launch: Launch, supervisor: Supervisor, policy: PathPolicy, *, resume: str | None
) -> RecordedSession:
    """`Runtime.open`, on record. Raises what that raises, without secrets."""
    redactor, record = redactor_of(launch), Record(launch.transcript)
    try:
        session = await runtime.open(launch, supervisor, policy, resume=resume)
    except AgentFailed as failure:
        clean(failure, redactor)
        record.error(failure.what, failure.reason.value, evidence(failure))
        record.close()
        raise
    except BaseException:
        record.close()
        raise
    command = [redactor.text(word) for word in launch.command]
    record.session(runtime.name, command, session.session_id, resumed=resume is not None)
    return RecordedSession(session, record, redactor)


class RecordedSession:
    """An AgentSession around another: the same events, redacted, each on record before anybody hears of it."""

    def __init__(self, session: AgentSession, record: Record, redactor: Redactor) -> None:
        self._session = session
        self._record = record
        self._redactor = redactor
        self._lines = Lines(redactor)
        self._in_turn = False

    @property
    def session_id(self) -> str | None:
        """See AgentSession.session_id."""
        return self._session.session_id

    @property
    def loadable(self) -> bool:
        """See AgentSession.loadable."""
        return self._session.loadable

    @property
    def pid(self) -> int:
        """See AgentSession.pid."""
        return self._session.pid

    async def prompt(self, text: str) -> AsyncIterator[AgentEvent]:
        """See AgentSession.prompt."""
        self._record.prompt(self._redactor.text(text))
        self._in_turn = True
        try:
            async for event in self._session.prompt(text):
                redacted = self._clean(event)
                self._in_turn = not isinstance(redacted, TurnEnded)
                self._record.event(redacted)
                yield redacted
        except AgentFailed as failure:
            self.failed(failure)
            raise

    def failed(self, failure: AgentFailed) -> None:
        """The turn failed: by itself, or because somebody who watched it gave it up."""
        clean(failure, self._redactor)
        if self._in_turn:
            self._in_turn = False
            self._record.error(failure.what, failure.reason.value, evidence(failure))

    async def answer(self, question_id: str, text: str) -> None:
        """See AgentSession.answer."""
        await self._session.answer(question_id, text)
        self._record.answer(question_id, self._redactor.text(text))

    def heard(self, event: AgentEvent) -> AgentEvent:
        """Something that the agent says in another way than by its session, by a tool of ours: on record, redacted."""
        redacted = self._clean(event)
        self._record.event(redacted)
        return redacted

    def without_secrets(self, text: str) -> str:
        """Something that it says for others to read, redacted."""
        return self._redactor.text(text)

    def answered(self, question_id: str, text: str) -> None:
        """What it had asked in such a way is answered."""
        self._record.answer(question_id, self._redactor.text(text))

    async def say(self, text: str) -> bool:
        """See AgentSession.say."""
        said = await self._session.say(text)
        if said:
            self._record.told(self._redactor.text(text))
        return said

    async def cancel(self) -> None:
        """See AgentSession.cancel."""
        self._record.note("the turn is cancelled")
        await self._session.cancel()

    async def close(self) -> None:
        """See AgentSession.close."""
        if self._in_turn:
            self._record.note("the turn is broken off")
        self._in_turn = False
        try:
            await self._session.close()
        finally:
            self._record.close()

    def extend(self, deadline: float) -> None:
        """See AgentSession.extend."""
        self._session.extend(deadline)

    def _clean(self, event: AgentEvent) -> AgentEvent:
        """The event without secrets. Paths stay: they are compared with claims."""
        text = self._redactor.text
        match event:
            case MessageText(said):
                return MessageText(text(said))
            case Thought(said):
                return Thought(text(said))
            case Output(line):
                return Output(self._lines.line(line))
            case PlanChanged(entries):
                return PlanChanged(
                    tuple(msgspec.structs.replace(entry, content=text(entry.content)) for entry in entries)
                )
            case ToolCall():
                return replace(
                    event, title=text(event.title), input=text(event.input), output=text(event.output)
                )
            case PermissionDecided():
                return replace(event, title=text(event.title), why=text(event.why))
            case QuestionAsked(question):
                options = tuple(map(text, question.options))
                return QuestionAsked(
                    msgspec.structs.replace(question, text=text(question.text), options=options)
                )
            case BreakingChange():
                return replace(event, change=text(event.change), migration=text(event.migration))
            case ProgressClaimed(said, percent):
                return ProgressClaimed(text(said), percent)
            case TurnEnded(stop, said):
                return TurnEnded(stop, text(said))
            case _:
                return event


def clean(failure: AgentFailed, redactor: Redactor) -> None:
    """Take secrets out of a failure before it is told."""
    failure.what, failure.cause = redactor.text(failure.what), redactor.text(failure.cause)
    failure.detail = redactor.text(failure.detail)
    failure.args = (failure.what,)
    if isinstance(failure, ProviderLimited):
        failure.why = redactor.text(failure.why)


def evidence(failure: AgentFailed) -> str:
    """What is known of a failure beyond its sentence."""
    return "\n".join(filter(None, (failure.cause, failure.detail)))
