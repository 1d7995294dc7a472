"""A transcript as a person reads it: what the agent said, planned, did and asked, one line after another.

The frames are those of the Agent Client Protocol, or the lines of a program. What is not understood is left out:
transcripts of newer agents hold more than this knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mawep.observe.text import first_line, one_line

SHOWN_OUTPUT = 12
"""Lines of a tool's output that are shown, the last ones."""

_PLAN = {"completed": "✓", "in_progress": "▸"}


class Telling:
    """Turns the lines of one transcript into lines for people, in order."""

    def __init__(self) -> None:
        self._time = ""
        self._said = ""
        self._titles: dict[str, str] = {}
        self._asked: dict[Any, tuple[str, str]] = {}

    def tell(self, line: str) -> Iterator[str]:
        """What one line of the file says; nothing for a frame that is of no interest."""
        try:
            frame = json.loads(line)
            direction, message = frame["dir"], frame["msg"]
            self._time = f"{datetime.fromisoformat(frame['at']).astimezone():%H:%M:%S}"
        except (ValueError, KeyError, TypeError):
            return
        try:
            told = list(self._frame(direction, message))
        except (AttributeError, KeyError, TypeError):  # a frame of another shape than the protocol's
            return
        yield from told

    def rest(self) -> Iterator[str]:
        """What the agent has begun to say."""
        said, self._said = self._said, ""
        for line in said.splitlines():
            if line.strip():
                yield self._line(line)

    def _line(self, text: str, sign: str = " ") -> str:
        return f"{self._time} {sign} {one_line(text, 2000)}"

    def _frame(self, direction: str, message: Any) -> Iterator[str]:
        if isinstance(message, str):
            yield self._line(message, " " if direction == "in" else "!")
        elif "command" in message:
            yield self._line(" ".join(message["command"]), "$")
        elif "exit" in message:
            ended = message["exit"]
            how = f"signal {ended['signal']}" if ended["signal"] else f"exit code {ended['code']}"
            yield from self._new(self._line(how, "■"))
        elif message.get("method") == "session/update":
            yield from self._update(message["params"]["update"])
        elif "method" in message:
            yield from self._request(direction, message)
        else:
            yield from self._answer(message)

    def _new(self, line: str) -> Iterator[str]:
        """Something else than speech: what was being said is said now."""
        yield from self.rest()
        yield line

    # --- what the agent tells

    def _update(self, update: dict[str, Any]) -> Iterator[str]:
        match update["sessionUpdate"]:
            case "agent_message_chunk" | "agent_thought_chunk" if update["content"].get("type") == "text":
                self._said += update["content"]["text"]
                *whole, self._said = self._said.split("\n")
                yield from (self._line(line) for line in whole if line.strip())
            case "plan":
                entries = (
                    f"{_PLAN.get(entry['status'], '·')} {entry['content']}" for entry in update["entries"]
                )
                yield from self._new(self._line("plan: " + "  ".join(entries), "☰"))
            case "tool_call" | "tool_call_update":
                yield from self._tool(update)
            case _:
                pass

    def _tool(self, update: dict[str, Any]) -> Iterator[str]:
        call = update["toolCallId"]
        title = update.get("title") or self._titles.get(call, call)
        if call not in self._titles:
            self._titles[call] = title
            yield from self._new(self._line(title, "→"))
        status = update.get("status")
        if status == "failed":
            yield from self._new(self._line(f"failed: {title}", "✗"))
        output = [
            line
            for part in update.get("content") or ()
            if part.get("type") == "content" and part["content"].get("type") == "text"
            for line in part["content"]["text"].splitlines()
        ]
        if status in ("completed", "failed"):
            yield from (self._line(f"  {line}", "│") for line in output[-SHOWN_OUTPUT:])

    # --- what is asked, and the answers

    def _request(self, direction: str, message: dict[str, Any]) -> Iterator[str]:
        params = message.get("params") or {}
        match message["method"]:
            case "session/prompt":
                text = "\n".join(part.get("text", "") for part in params["prompt"])
                self._asked["out", message["id"]] = ("prompt", "")
                yield from self._new(self._line(f"prompt: {first_line(text)} ({len(text)} characters)", "»"))
            case "session/load":
                yield from self._new(self._line(f"session {params['sessionId']} goes on", "»"))
            case "session/request_permission":
                self._asked["in", message["id"]] = ("permission", params["toolCall"].get("title") or "")
            case "_mawep/question":
                self._asked["in", message["id"]] = ("question", "")
                yield from self._new(self._line(f"asks: {params['text']}", "?"))
            case "_mawep/breaking_change":
                change = f"breaking change in {params['file']}: {params['change']}"
                yield from self._new(self._line(change, "!"))
            case _:
                pass

    def _answer(self, message: dict[str, Any]) -> Iterator[str]:
        if "error" in message:
            yield from self._new(self._line(f"error: {message['error'].get('message', '')}", "✗"))
            return
        result = message.get("result") or {}
        if "stopReason" in result:
            yield from self._new(self._line(f"turn ended: {result['stopReason']}", "■"))
            return
        kind, about = self._asked.pop(("in", message.get("id")), ("", ""))
        if kind == "question":
            yield from self._new(self._line(f"answer: {result.get('text', '(none)')}", "»"))
        elif kind == "permission":
            option = str(result["outcome"].get("optionId", ""))
            if result["outcome"]["outcome"] != "selected" or option.startswith(("no", "reject", "deny")):
                yield from self._new(self._line(f"not allowed: {about}", "✗"))
