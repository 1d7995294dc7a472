"""What an ACP agent may ask of us and tell us, made into events of the turn."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

from mawep.agents.base import (
    BreakingChange,
    PathPolicy,
    PermissionDecided,
    PlanChanged,
    QuestionAsked,
    ToolCall,
    UsageReported,
)
from mawep.agents.extensions import BREAKING_CHANGE, QUESTION
from mawep.agents.meter import Meter
from mawep.agents.permission import READING, choose, paths_of_input, refusal, relative
from mawep.agents.sdk import acp, schema
from mawep.agents.turn import Turn
from mawep.core.model import PlanEntry, Question

Update = Any
"""One of the SDK's session updates."""
FIELD_LIMIT = 10_000
"""The longest text taken from an extension message."""


class AcpClient:
    """The client's half of a connection.

    It offers no file system and no terminal. Everything is handled without waiting, so events keep the order
    of the frames.
    """

    def __init__(self, worktree: Path, policy: PathPolicy) -> None:
        self.turn = Turn()
        self.meter = Meter()
        self._worktree = worktree
        self._policy = policy
        self._questions: dict[str, asyncio.Future[str | None]] = {}

    async def session_update(self, /, session_id: str, update: Update, **_: Any) -> None:
        """Take one update. A replayed conversation, before the first prompt, only counts for usage."""
        if isinstance(update, schema.UsageUpdate):
            usage = self.meter.context(update)
            if self.turn.running:
                self.turn.emit(UsageReported(usage))
        elif self.turn.running:
            self._in_turn(update)

    async def request_permission(
        self,
        /,
        session_id: str,
        tool_call: schema.ToolCallUpdate,
        options: list[schema.PermissionOption],
        **_: Any,
    ) -> schema.RequestPermissionResponse:
        """Decide by the paths that the tool call names, as far as they are known by now."""
        call = self._merge(tool_call)
        if self.turn.stopping:
            return _permission(None)
        paths = tuple(dict.fromkeys((*call.paths, *call.diff_paths)))
        writes = call.diff_paths if call.kind in READING else paths
        why = refusal(self._policy, self._worktree, writes)
        chosen = choose(options, allow=why is None)
        if chosen is None and why is None:
            why = "the agent offered no way to say yes"
        self.turn.emit(PermissionDecided(call.title, paths, allowed=why is None, why=why or ""))
        return _permission(chosen)

    async def ext_method(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Wait for a person's answer to the agent's question."""
        if method != QUESTION:
            raise acp.RequestError.method_not_found(f"_{method}")
        if self.turn.stopping or not self.turn.running:
            return {"cancelled": True}
        question = Question(secrets.token_hex(4), _text(params.get("text")), _texts(params.get("options")))
        waiting = self._questions[question.id] = asyncio.get_running_loop().create_future()
        self.turn.emit(QuestionAsked(question))
        try:
            answer = await waiting
        finally:
            del self._questions[question.id]
        return {"cancelled": True} if answer is None else {"text": answer}

    async def ext_notification(self, method: str, params: dict[str, Any]) -> None:
        """Pass on an announcement; unknown notifications are no error in the protocol."""
        if method == BREAKING_CHANGE and self.turn.running:
            self.turn.emit(
                BreakingChange(
                    file=_text(params.get("file")),
                    change=_text(params.get("change")),
                    affects=_texts(params.get("affects")),
                    migration=_text(params.get("migration")),
                )
            )

    def answer(self, question_id: str, text: str) -> bool:
        """Hand over an answer; False when nothing waits for it."""
        waiting = self._questions.get(question_id)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(text)
        return True

    def stop_turn(self) -> None:
        """From now on every request of the agent is answered `cancelled`."""
        self.turn.stopping = True
        self.drop_questions()

    def drop_questions(self) -> None:
        """Answer the questions that nobody will answer any more."""
        for waiting in self._questions.values():
            if not waiting.done():
                waiting.set_result(None)

    def _in_turn(self, update: Update) -> None:
        match update:
            case schema.AgentMessageChunk(content=schema.TextContentBlock(text=text)):
                self.turn.say(text)
            case schema.AgentThoughtChunk():
                self.turn.alive("thinking")
            case schema.AgentPlanUpdate(entries=entries):
                self.turn.emit(
                    PlanChanged(tuple(PlanEntry(entry.content, entry.status) for entry in entries))
                )
            case schema.ToolCallStart() | schema.ToolCallProgress():
                self.turn.emit(self._merge(update))
            case _:
                self.turn.alive("other")

    def _merge(
        self, update: schema.ToolCallStart | schema.ToolCallProgress | schema.ToolCallUpdate
    ) -> ToolCall:
        """Lay an update over what is known of its tool call; a field that it lacks stays as it was."""
        blank = ToolCall(update.tool_call_id, title="", kind="other", status="pending")
        known = self.turn.calls.get(update.tool_call_id, blank)
        places = [place.path for place in update.locations or ()]
        diffs = [item.path for item in update.content or () if item.type == "diff"]
        call = ToolCall(
            id=known.id,
            title=update.title or known.title,
            kind=update.kind or known.kind,
            status=update.status or known.status,
            paths=self._joined(known.paths, [*places, *paths_of_input(update.raw_input)]),
            diff_paths=self._joined(known.diff_paths, diffs),
        )
        self.turn.calls[call.id] = call
        return call

    def _joined(self, known: tuple[str, ...], paths: list[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*known, *(relative(self._worktree, path) for path in paths))))


def _permission(option_id: str | None) -> schema.RequestPermissionResponse:
    if option_id is None:
        return schema.RequestPermissionResponse(outcome=schema.DeniedOutcome(outcome="cancelled"))
    return schema.RequestPermissionResponse(
        outcome=schema.AllowedOutcome(option_id=option_id, outcome="selected")
    )


def _text(value: Any) -> str:
    return value[:FIELD_LIMIT] if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return (
        tuple(_text(item) for item in value[:100] if isinstance(item, str)) if isinstance(value, list) else ()
    )
