"""What an ACP agent may ask of us and tell us, made into events of the turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from mawep.agents.acp_files import Files
from mawep.agents.acp_terminals import Terminals
from mawep.agents.base import (
    BreakingChange,
    PathPolicy,
    PermissionDecided,
    PlanChanged,
    ToolCall,
    UsageReported,
)
from mawep.agents.detail import changed_lines, input_text, output_text
from mawep.agents.extensions import BREAKING_CHANGE, QUESTION
from mawep.agents.meter import Meter
from mawep.agents.options import Permissions
from mawep.agents.permission import NO, READING, YES, choose, paths_of_input, question, refusal, relative
from mawep.agents.plan import plan_of
from mawep.agents.questions import Questions
from mawep.agents.quirks import Manners
from mawep.agents.sdk import acp, schema
from mawep.agents.turn import Turn
from mawep.core.model import PlanEntry

Update = Any
"""One of the SDK's session updates."""
FIELD_LIMIT = 10_000
"""The longest text taken from an extension message."""


class AcpClient:
    """The client's half of a connection.

    Only what waits for a person or for a program is waited for, so events keep the order of the frames.
    `files` and `terminals` are None where they were not offered.
    """

    def __init__(
        self,
        worktree: Path,
        policy: PathPolicy,
        permissions: Permissions,
        manners: Manners,
        *,
        files: Files | None,
        terminals: Terminals | None,
    ) -> None:
        self.turn = Turn()
        self.meter = Meter(manners.usage)
        self.refused = ""
        self._refused_call = ""
        self._plans: set[str] = set()
        self._worktree = worktree
        self._policy = policy
        self._permissions = permissions
        self._plan_calls = manners.plan_calls
        self._files = files
        self._terminals = terminals
        self._questions = Questions()

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
        paths = tuple(dict.fromkeys((*call.paths, *call.diff_paths)))
        why = await self._why_not(call, paths)
        if why is None and self.turn.stopping:
            return _permission(None)
        chosen = choose(options, allow=why == "")
        if chosen is None and why == "":
            why = "the agent offered no way to say yes"
        self.refused, self._refused_call = why or "", call.id
        writes = tuple(filter(self._is_file, _writes(call, paths))) if not why else ()
        self.turn.emit(PermissionDecided(call.title, paths, allowed=not why, why=why or "", writes=writes))
        return _permission(chosen)

    async def _why_not(self, call: ToolCall, paths: tuple[str, ...]) -> str | None:
        """Why it may not; '' when it may, None when the turn is being ended."""
        if self.turn.stopping:
            return None
        claimed = refusal(self._policy, self._worktree, _writes(call, paths))
        if claimed is not None:
            return claimed
        match self._permissions.action(call.kind, paths):
            case "deny":
                return f"`agents.permissions` does not allow it ({call.kind})"
            case "ask":
                answer = await self._questions.ask(self.turn, question(call, paths), (YES, NO))
                return None if answer is None else "" if answer == YES else "a person said no"
            case _:
                return ""

    async def read_text_file(
        self, /, session_id: str, path: str, line: int | None = None, limit: int | None = None, **_: Any
    ) -> schema.ReadTextFileResponse:
        """Hand out a text file of the worktree, if that was offered."""
        return _offered(self._files, "fs/read_text_file").read(path, line, limit)

    async def write_text_file(
        self, /, session_id: str, path: str, content: str, **_: Any
    ) -> schema.WriteTextFileResponse:
        """Write a text file of the worktree, if that was offered and the path may be written."""
        files = _offered(self._files, "fs/write_text_file")
        why = refusal(self._policy, self._worktree, (path,))
        if why is None and self._permissions.action("edit", (relative(self._worktree, path),)) == "deny":
            why = "`agents.permissions` does not allow it (edit)"
        if why is not None:
            self.turn.emit(
                PermissionDecided("write", (relative(self._worktree, path),), allowed=False, why=why)
            )
            raise acp.RequestError(-32000, why, {"path": path})
        return files.write(path, content)

    async def create_terminal(  # noqa: PLR0917 (the protocol's)
        self,
        /,
        session_id: str,
        command: str,
        args: list[str] | None = None,
        env: list[schema.EnvVariable] | None = None,
        cwd: str | None = None,
        output_byte_limit: int | None = None,
        **_: Any,
    ) -> schema.CreateTerminalResponse:
        """Run a command, if that was offered."""
        terminals = _offered(self._terminals, "terminal/create")
        if self._permissions.action("execute", ()) == "deny":
            why = "`agents.permissions` does not allow it (execute)"
            self.turn.emit(PermissionDecided(command, (), allowed=False, why=why))
            raise acp.RequestError(-32000, why)
        return await terminals.create(command, args or [], env or [], cwd, output_byte_limit)

    async def terminal_output(
        self, /, session_id: str, terminal_id: str, **_: Any
    ) -> schema.TerminalOutputResponse:
        """What a command printed so far."""
        return _offered(self._terminals, "terminal/output").output(terminal_id)

    async def wait_for_terminal_exit(
        self, /, session_id: str, terminal_id: str, **_: Any
    ) -> schema.WaitForTerminalExitResponse:
        """How a command ended, once it has."""
        return await _offered(self._terminals, "terminal/wait_for_exit").wait(terminal_id)

    async def kill_terminal(self, /, session_id: str, terminal_id: str, **_: Any) -> None:
        """End a command; its output stays."""
        await _offered(self._terminals, "terminal/kill").kill(terminal_id)

    async def release_terminal(self, /, session_id: str, terminal_id: str, **_: Any) -> None:
        """End a command and forget it."""
        await _offered(self._terminals, "terminal/release").release(terminal_id)

    async def ext_method(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Wait for a person's answer to the agent's question."""
        if method != QUESTION:
            raise acp.RequestError.method_not_found(f"_{method}")
        asked = _text(params.get("text"))
        answer = await self._questions.ask(self.turn, asked, _texts(params.get("options")))
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
        return self._questions.answer(question_id, text)

    def stop_turn(self) -> None:
        """From now on every request of the agent is answered `cancelled`."""
        self.turn.stopping = True
        self._questions.drop()

    def drop_questions(self) -> None:
        """Answer the questions that nobody will answer any more."""
        self._questions.drop()

    def _in_turn(self, update: Update) -> None:
        match update:
            case schema.AgentMessageChunk(content=schema.TextContentBlock(text=text)):
                self.turn.say(text)
            case schema.AgentThoughtChunk(content=schema.TextContentBlock(text=text)):
                self.turn.think(text)
            case schema.AgentThoughtChunk():
                self.turn.alive("thinking")
            case schema.AgentPlanUpdate(entries=entries):
                self.turn.emit(
                    PlanChanged(tuple(PlanEntry(entry.content, entry.status) for entry in entries))
                )
            case schema.ToolCallStart() | schema.ToolCallProgress():
                call = self._merge(update)
                if call.id != self._refused_call:
                    self.refused = ""  # it went on after what it was refused
                self.turn.emit(call)
                self._plan_in(call, update.raw_input)
            case _:
                self.turn.alive("other")

    def _plan_in(self, call: ToolCall, raw: Any) -> None:
        """Some agents keep their plan with a tool of theirs and do not tell the protocol."""
        if call.title in self._plan_calls:
            self._plans.add(call.id)  # its title may change once it is done
        entries = plan_of(raw) if call.id in self._plans else None
        if entries is not None:
            self.turn.emit(PlanChanged(entries))

    def _merge(
        self, update: schema.ToolCallStart | schema.ToolCallProgress | schema.ToolCallUpdate
    ) -> ToolCall:
        """Lay an update over what is known of its tool call; a field that it lacks stays as it was."""
        blank = ToolCall(update.tool_call_id, title="", kind="other", status="pending")
        known = self.turn.calls.get(update.tool_call_id, blank)
        places = [place.path for place in update.locations or ()]
        diffs = {item.path: item for item in update.content or () if item.type == "diff"}
        diff_paths = self._joined(known.diff_paths, list(diffs))
        lines = dict(zip(known.diff_paths, known.lines, strict=True))
        for path, diff in diffs.items():
            lines[relative(self._worktree, path)] = changed_lines(diff.old_text, diff.new_text)
        answer = output_text(
            [
                item.content.text
                for item in update.content or ()
                if item.type == "content" and item.content.type == "text"
            ],
            update.raw_output,
        )
        call = ToolCall(
            id=known.id,
            title=update.title or known.title,
            kind=update.kind or known.kind,
            status=update.status or known.status,
            paths=self._joined(known.paths, [*places, *paths_of_input(update.raw_input)]),
            diff_paths=diff_paths,
            lines=tuple(lines[path] for path in diff_paths),
            input=input_text(update.raw_input) or known.input,
            output=answer or known.output,
        )
        self.turn.calls[call.id] = call
        return call

    def _is_file(self, path: str) -> bool:
        """False for a directory, such as the one that a command runs in."""
        return not Path(self._worktree, path).is_dir()

    def _joined(self, known: tuple[str, ...], paths: list[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*known, *(relative(self._worktree, path) for path in paths))))


_Offer = TypeVar("_Offer")


def _offered(what: _Offer | None, method: str) -> _Offer:
    if what is None:
        raise acp.RequestError.method_not_found(method)
    return what


def _writes(call: ToolCall, paths: tuple[str, ...]) -> tuple[str, ...]:
    """What reads has nothing to do with claims, as long as it carries no diff."""
    return call.diff_paths if call.kind in READING else paths


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
