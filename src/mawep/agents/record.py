"""The record of an attempt: what its agent was told, said, did and used, in one form whatever its runtime.

One JSON object on each line, documented in docs/transcripts.md. Texts are bounded and hold no secrets: what comes
here was redacted before.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mawep.agents.base import (
    AgentEvent,
    BreakingChange,
    MessageText,
    Output,
    PermissionDecided,
    PlanChanged,
    ProcessStarted,
    ProgressClaimed,
    QuestionAsked,
    Thought,
    ToolCall,
    TurnEnded,
    UsageReported,
)
from mawep.core.model import Usage

VERSION = 1
LIMIT_BYTES = 50 * 2**20
TEXT_LIMIT = 20_000
"""Characters of one text that are kept."""
MOST_PATHS = 200
"""Paths and lines of a plan that are kept, each."""

_OVER = frozenset({"completed", "failed"})


class Record:
    """Appends to the file of one attempt, over all its turns. A full disk costs lines, not the attempt."""

    def __init__(self, path: Path, limit: int = LIMIT_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._room = limit - os.fstat(self._fd).st_size
        self._turn = _turns_in(path)
        self._began = time.monotonic()
        self._calls: dict[str, tuple[ToolCall, float]] = {}
        self._usage: Usage | None = None

    # --- what goes in

    def session(self, runtime: str, command: Sequence[str], session: str | None, *, resumed: bool) -> None:
        """The agent is ready; a program that is started anew for each turn has no session."""
        line = shlex.join(command)[:TEXT_LIMIT]
        self._write("session", runtime=runtime, command=line, session=session, resumed=resumed)

    def prompt(self, text: str) -> None:
        """A turn begins."""
        self._turn, self._began, self._calls = self._turn + 1, time.monotonic(), {}
        self._write("prompt", **_text(text))

    def told(self, text: str) -> None:
        """The agent is told something in the middle of its turn."""
        self._write("told", **_text(text))

    def answer(self, question: str, text: str) -> None:
        """A person answered."""
        self._write("answer", id=question, **_text(text))

    # --- what comes out

    def event(self, event: AgentEvent) -> None:
        """Something that the agent did; signs of life that say nothing are left out."""
        match event:
            case ProcessStarted(pid):
                self._write("process", pid=pid)
            case MessageText(text):
                self._write("message", **_text(text))
            case Thought(text):
                self._write("thought", **_text(text))
            case Output(line):
                self._write("output", **_text(line))
            case PlanChanged(entries):
                lines = [{"content": entry.content[:1000], "status": entry.status} for entry in entries]
                self._write("plan", entries=lines[:MOST_PATHS])
            case ToolCall():
                self._tool(event)
            case PermissionDecided(title, paths, allowed, why):
                self._write("permission", title=title, paths=paths[:MOST_PATHS], allowed=allowed, why=why)
            case QuestionAsked(question):
                self._write("question", id=question.id, options=question.options, **_text(question.text))
            case BreakingChange(file, change, affects, migration):
                self._write("breaking_change", file=file, change=change, affects=affects, migration=migration)
            case ProgressClaimed(text, percent):
                self._write("progress", percent=percent, **_text(text))
            case UsageReported(usage):
                self._usage = usage
            case TurnEnded(stop, _):
                self._end(stop)

    def error(self, what: str, reason: str, detail: str) -> None:
        """The turn failed, or no session came about."""
        self._say_usage()
        self._write("error", what=what, reason=reason, seconds=self._seconds(), **_text(detail))

    def note(self, text: str) -> None:
        """A remark of ours."""
        self._write("note", **_text(text))

    def close(self) -> None:
        """Close the file; later lines are ignored."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _tool(self, call: ToolCall) -> None:
        """Its first line says what it is, later ones what has changed; a word that says nothing new is left out."""
        known = self._calls.get(call.id)
        if known is None:
            began = time.monotonic()
            self._write(
                "tool_call",
                id=call.id,
                title=call.title,
                tool=call.kind,
                status=call.status,
                paths=call.paths[:MOST_PATHS],
                input=call.input,
                changes=_changes(call),
                **(_answer(call) if call.status in _OVER else {}),
            )
        else:
            before, began = known
            if not _differs(before, call):
                return
            over = call.status in _OVER
            self._write(
                "tool_update",
                id=call.id,
                title=call.title,
                tool=call.kind,
                status=call.status,
                paths=call.paths[:MOST_PATHS],
                **({"input": call.input} if call.input != before.input else {}),
                changes=_changes(call),
                **({"seconds": round(time.monotonic() - began, 2), **_answer(call)} if over else {}),
            )
        self._calls[call.id] = (call, began)

    def _end(self, stop: str) -> None:
        self._say_usage()
        self._write("stop", reason=stop, seconds=self._seconds())

    def _say_usage(self) -> None:
        if self._usage is not None:
            self._write("usage", **{name: getattr(self._usage, name) for name in Usage.__struct_fields__})
        self._usage = None

    def _seconds(self) -> float:
        return round(time.monotonic() - self._began, 2)

    # --- the file

    def _write(self, kind: str, **fields: Any) -> None:
        if self._fd < 0 or self._room <= 0:
            return
        line = self._line(kind, fields)
        self._room -= len(line)
        if self._room <= 0:
            line = self._line("note", {"text": "the transcript has reached its limit and ends here"})
        try:
            os.write(self._fd, line)
        except OSError:
            self._room = 0

    def _line(self, kind: str, fields: dict[str, Any]) -> bytes:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"v": VERSION, "at": at, "turn": self._turn, "kind": kind, **fields}
        return (json.dumps(line, ensure_ascii=False) + "\n").encode(errors="replace")


def _text(text: str) -> dict[str, Any]:
    """A text, and how long it was when it had to be cut."""
    return {"text": text} if len(text) <= TEXT_LIMIT else {"text": text[:TEXT_LIMIT], "characters": len(text)}


def _changes(call: ToolCall) -> list[dict[str, Any]]:
    counted: Sequence[tuple[int | None, int | None]] = call.lines or [(None, None)] * len(call.diff_paths)
    return [
        {"path": path, "added": added, "removed": removed}
        for path, (added, removed) in list(zip(call.diff_paths, counted, strict=False))[:MOST_PATHS]
    ]


def _answer(call: ToolCall) -> dict[str, Any]:
    return {"output": call.output}


def _differs(before: ToolCall, call: ToolCall) -> bool:
    """True when more than the output so far is different."""
    names = ("title", "kind", "status", "input", "paths", "diff_paths", "lines")
    return any(getattr(before, name) != getattr(call, name) for name in names)


def _turns_in(path: Path) -> int:
    """The number of the last turn in a file that is gone on with."""
    last = 0
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2**20))
        for line in file:
            try:
                last = max(last, int(json.loads(line)["turn"]))
            except (ValueError, KeyError, TypeError):
                continue
    return last
