"""Claude Code without its ACP adapter: `claude -p`, a stream of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mawep.agents.base import (
    AgentEvent,
    MessageText,
    PlanChanged,
    StopReason,
    Thought,
    ToolCall,
    UsageReported,
)
from mawep.agents.claude_code import CLAUDE, KEYS, LOGINS, QUIET, model
from mawep.agents.detail import changed_lines, input_text, output_text
from mawep.agents.headless import HeadlessCli
from mawep.agents.permission import paths_of_input, relative
from mawep.agents.plan import plan_of
from mawep.agents.quirks import TOOLS, Quirks, Site, Start
from mawep.agents.turn import TEXT_LIMIT
from mawep.core.model import PlanEntry, Usage

MCP = "mawep-claude-tools.json"

_KINDS = {
    "Write": "edit",
    "Edit": "edit",
    "MultiEdit": "edit",
    "NotebookEdit": "edit",
    "Read": "read",
    "Glob": "search",
    "Grep": "search",
    "Bash": "execute",
    "WebFetch": "fetch",
    "WebSearch": "fetch",
}
_STOPS: dict[str, StopReason] = {"refusal": "refusal", "max_tokens": "max_tokens"}
_STATES = {"completed": "completed", "in_progress": "in_progress"}
_IN = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class ClaudeReader:
    """What one `claude -p` prints."""

    def __init__(self, worktree: Path) -> None:
        self.session: str | None = None
        self.stop: StopReason | None = None
        self.text = ""
        self.failure = ""
        self._worktree = worktree
        self._calls: dict[str, ToolCall] = {}
        self._tasks: dict[str, PlanEntry] = {}

    def take(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """See Reader.take. Lines of kinds that are not known say nothing."""
        if isinstance(line.get("session_id"), str) and line.get("parent_tool_use_id") is None:
            self.session = self.session or line["session_id"]
        match line.get("type"):
            case "assistant":
                yield from self._said(_dict(line.get("message")), own=line.get("parent_tool_use_id") is None)
            case "user":
                yield from self._done(_dict(line.get("message")), line.get("tool_use_result"))
            case "result":
                yield from self._ended(line)
            case _:
                return

    def _said(self, message: dict[str, Any], *, own: bool) -> Iterator[AgentEvent]:
        for block in _dicts(message.get("content")):
            if block.get("type") == "text" and isinstance(block.get("text"), str):
                if own:
                    self.text = block["text"][-TEXT_LIMIT:]
                yield MessageText(block["text"][:TEXT_LIMIT])
            elif block.get("type") == "thinking" and isinstance(block.get("thinking"), str):
                yield Thought(block["thinking"][:TEXT_LIMIT])
            elif block.get("type") == "tool_use":
                yield from self._begun(block)
        used = _sum(_dict(message.get("usage")), _IN)
        if own and used:
            yield UsageReported(Usage(context_used=used))

    def _begun(self, block: dict[str, Any]) -> Iterator[AgentEvent]:
        name, given = str(block.get("name", "")), _dict(block.get("input"))
        kind = _KINDS.get(name, "other")
        paths = tuple(relative(self._worktree, path) for path in paths_of_input(given))
        written = paths if kind == "edit" else ()
        call = ToolCall(
            id=str(block.get("id", "")),
            title=str(given.get("command") or " ".join((name, *paths))),
            kind=kind,
            status="in_progress",
            paths=paths,
            diff_paths=written,
            lines=tuple(_changed(given) for _ in written[:1]),
            input=input_text(given),
        )
        self._calls[call.id] = call
        yield call
        if name == "TodoWrite" and (entries := plan_of(given)) is not None:
            yield PlanChanged(entries)
        if name == "TaskUpdate":
            yield from self._moved(str(given.get("taskId", "")), given)

    def _done(self, message: dict[str, Any], result: object) -> Iterator[AgentEvent]:
        for block in _dicts(message.get("content")):
            call = self._calls.get(str(block.get("tool_use_id", "")))
            if call is not None:
                status = "failed" if block.get("is_error") else "completed"
                yield replace(call, status=status, output=_text(block.get("content")))
        task = _dict(_dict(result).get("task"))
        if isinstance(task.get("subject"), str) and task.get("id") is not None:
            self._tasks.setdefault(str(task["id"]), PlanEntry(task["subject"]))
            yield PlanChanged(tuple(self._tasks.values()))

    def _moved(self, task: str, given: dict[str, Any]) -> Iterator[AgentEvent]:
        known = self._tasks.get(task, PlanEntry(str(given.get("subject") or f"task {task}")))
        if given.get("status") == "deleted":
            self._tasks.pop(task, None)
        else:
            state = _STATES.get(str(given.get("status")), known.status)
            self._tasks[task] = PlanEntry(str(given.get("subject") or known.content), state)
        yield PlanChanged(tuple(self._tasks.values()))

    def _ended(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        usage, cost = _dict(line.get("usage")), line.get("total_cost_usd")
        yield UsageReported(
            Usage(
                input_tokens=_sum(usage, _IN),
                output_tokens=_sum(usage, ("output_tokens",)),
                cost_usd=float(cost) if isinstance(cost, int | float) else None,
            )
        )
        said = line.get("result")
        self.text = said[-TEXT_LIMIT:] if isinstance(said, str) and said else self.text
        if line.get("subtype") == "error_max_turns":
            self.stop = "max_turn_requests"
            return
        self.stop = _STOPS.get(str(line.get("stop_reason")), "end_turn")
        if line.get("is_error") and self.stop == "end_turn":
            errors = [str(error) for error in line.get("errors") or ()]
            self.failure = "; ".join(errors) or self.text or str(line.get("subtype") or "an error")


def _start(site: Site) -> Start:
    tools = ("--mcp-config", str(site.place / MCP)) if site.tools else ()
    again = ("--resume", site.session) if site.session else ()
    argv = (
        str(site.programs[CLAUDE.name]),
        *("-p", "--output-format", "stream-json", "--verbose"),
        "--dangerously-skip-permissions",
        *tools,
        *again,
    )
    # Without it a root user, who may be none outside of the walls, is not let work without questions.
    return Start(argv, {"IS_SANDBOX": "1", **model(site)}, {MCP: _servers(site)} if site.tools else {})


def _servers(site: Site) -> str:
    if site.tools is None:
        return ""
    program, *arguments = site.tools.command
    server = {"type": "stdio", "command": program, "args": arguments, "env": dict(site.tools.env)}
    return json.dumps({"mcpServers": {TOOLS: server}})


def _changed(given: dict[str, Any]) -> tuple[int, int]:
    """Lines that an edit or a new file adds and takes away."""
    new = next((given[key] for key in ("content", "new_string", "new_source") if key in given), "")
    return changed_lines(str(given.get("old_string", "")), str(new))


def _text(content: object) -> str:
    """What a tool answered: a text, or blocks of it."""
    if isinstance(content, str):
        return output_text([content])
    return output_text([block["text"] for block in _dicts(content) if isinstance(block.get("text"), str)])


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _sum(usage: dict[str, Any], names: tuple[str, ...]) -> int:
    return sum(usage[name] for name in names if isinstance(usage.get(name), int))


CLAUDE_HEADLESS = HeadlessCli(
    quirks=Quirks(
        name="claude-code-headless",
        programs=(CLAUDE,),
        api="anthropic",
        keys=KEYS,
        logins=LOGINS,
        quiet=QUIET,
        start=_start,
    ),
    reader=ClaudeReader,
    kept=".claude/projects/*/{}.jsonl",
    usage="turn",
)
