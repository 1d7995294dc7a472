"""Codex without its ACP adapter: `codex exec --json`, a stream of JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mawep.agents.base import (
    Activity,
    AgentEvent,
    MessageText,
    PlanChanged,
    StopReason,
    Thought,
    ToolCall,
    UsageReported,
)
from mawep.agents.codex import CODEX, KEYS, LOGINS, QUIET, flattened, key, settings
from mawep.agents.detail import input_text, output_text
from mawep.agents.headless import HeadlessCli
from mawep.agents.permission import relative
from mawep.agents.plan import plan_of
from mawep.agents.quirks import TOOLS, Quirks, Site, Start
from mawep.agents.turn import TEXT_LIMIT
from mawep.core.model import Usage

_STATUS = {"completed": "completed", "failed": "failed", "declined": "failed"}


class CodexReader:
    """What one `codex exec --json` prints. Its usage counts from the beginning of the conversation."""

    def __init__(self, worktree: Path) -> None:
        self.session: str | None = None
        self.stop: StopReason | None = None
        self.text = ""
        self.failure = ""
        self._worktree = worktree

    def take(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """See Reader.take. Lines of kinds that are not known say nothing."""
        item = line.get("item")
        match line.get("type"):
            case "thread.started" if isinstance(line.get("thread_id"), str):
                self.session = line["thread_id"]
            case "item.started" | "item.updated" | "item.completed" if isinstance(item, dict):
                yield from self._item(item, over=line["type"] == "item.completed")
            case "turn.completed":
                yield from self._usage(line.get("usage"))
                self.stop, self.failure = "end_turn", ""
            case "turn.failed":
                error = line.get("error")
                self.failure = _message(error) or self.failure or "the turn failed"
                self.stop = "end_turn"
            case "error":  # it may try again: only a turn that fails is over
                self.failure = _message(line)
                yield Activity("other")
            case _:
                return

    def _item(self, item: dict[str, Any], *, over: bool) -> Iterator[AgentEvent]:
        match item.get("type"):
            case "agent_message" if over and isinstance(item.get("text"), str):
                self.text = item["text"][-TEXT_LIMIT:]
                yield MessageText(item["text"][:TEXT_LIMIT])
            case "reasoning" if over and isinstance(item.get("text"), str):
                yield Thought(item["text"][:TEXT_LIMIT])
            case "reasoning":
                yield Activity("thinking")
            case "command_execution":
                yield self._call(item, str(item.get("command", "")), "execute")
            case "file_change":
                changes = item.get("changes")
                paths = [change.get("path") for change in changes or () if isinstance(change, dict)]
                named = tuple(relative(self._worktree, path) for path in paths if isinstance(path, str))
                yield self._call(item, f"edit {', '.join(named)}", "edit", named)
            case "mcp_tool_call":
                yield self._call(item, f"{item.get('server')}.{item.get('tool')}", "other")
            case "web_search":
                yield self._call(item, f"search the web: {item.get('query')}", "fetch")
            case "todo_list" if (entries := plan_of(item)) is not None:
                yield PlanChanged(entries)
            case "error":
                yield MessageText(_message(item))
            case _:
                yield Activity("other")

    def _call(self, item: dict[str, Any], title: str, kind: str, paths: tuple[str, ...] = ()) -> ToolCall:
        status = _STATUS.get(str(item.get("status")), "in_progress")
        given = next((item[key] for key in ("command", "arguments", "query", "changes") if key in item), None)
        answered = item.get("aggregated_output", item.get("result"))
        return ToolCall(
            id=str(item.get("id", "")),
            title=title,
            kind=kind,
            status=status,
            paths=paths,
            diff_paths=paths,
            input=input_text(given),
            output=output_text([], answered),
        )

    def _usage(self, usage: object) -> Iterator[AgentEvent]:
        if isinstance(usage, dict):
            counts = [usage.get(name) for name in ("input_tokens", "output_tokens")]
            read, written = (count if isinstance(count, int) else None for count in counts)
            yield UsageReported(Usage(input_tokens=read, output_tokens=written))


def _message(error: object) -> str:
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ""


def _start(site: Site) -> Start:
    chosen = settings(site)
    env = dict(key(site))
    if site.tools is not None:
        program, *arguments = site.tools.command
        # Only names on the command line: it can be read by everybody on this machine.
        chosen["mcp_servers"] = {
            TOOLS: {"command": program, "args": arguments, "env_vars": sorted(site.tools.env)}
        }
        env |= site.tools.env
    words = [word for pair in flattened(chosen) for word in ("-c", pair)]
    again = ("resume",) if site.session else ()
    named = (site.session,) if site.session else ()
    argv = (
        *(str(site.programs[CODEX.name]), "exec", *again, *words),
        *("--json", "--skip-git-repo-check", *named, "-"),
    )
    return Start(argv, env)


CODEX_HEADLESS = HeadlessCli(
    quirks=Quirks(
        name="codex-headless",
        programs=(CODEX,),
        api="openai",
        keys=KEYS,
        logins=LOGINS,
        quiet=QUIET,
        start=_start,
    ),
    reader=CodexReader,
    kept=".codex/sessions/*/*/*/rollout-*{}.jsonl",
    usage="session",
)
