"""A transcript as a person reads it: what the agent was told, said, planned, did and used, line by line.

Lines that are not understood are left out: a transcript of a newer MAWEP may hold more than this knows.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from mawep.observe.at_work import thousands
from mawep.observe.text import duration, first_line, one_line

LINE = 2000
"""Characters of one line that are shown."""
SHOWN_OUTPUT, SHOWN_FAILURE = 4, 12
"""Lines of what a tool answered that are shown, the last ones: when it went well, and when it failed."""

PRINTED = 20
"""Lines of a program that are not shown again as the evidence of its failure."""

_TICKS = {"completed": "✓", "in_progress": "▸"}
_QUIET = frozenset({"read", "search", "edit", "delete", "move", "think", "switch_mode"})
"""Kinds of tool calls whose answer is of no interest when they went well."""
DIM = "bright_black"


class Told(NamedTuple):
    """One line for people: when (only where it differs from the line above), a sign, a text and its Rich style."""

    time: str
    sign: str
    text: str
    style: str = ""

    def plain(self) -> str:
        """The line without colours, of any length."""
        return f"{self.time:8} {self.sign} {self.text}".rstrip()


class Telling:
    """Turns the lines of one transcript into lines for people, in order.

    The beginning of a tool call is held back until something else follows: one that ends at once is one line.
    """

    def __init__(self) -> None:
        self._time = ""
        self._shown_time = ""
        self._held: Told | None = None
        self._held_id = ""
        self._plan: list[tuple[str, str]] = []
        self._usage = ""
        self._printed: deque[str] = deque(maxlen=PRINTED)

    def tell(self, line: str) -> Iterator[Told]:
        """What one line of the file says; nothing for one that is of no interest."""
        try:
            record = json.loads(line)
            self._time = f"{datetime.fromisoformat(record['at']).astimezone():%H:%M:%S}"
            told = list(self._record(record))
        except (ValueError, KeyError, TypeError, AttributeError):  # of another shape than ours
            return
        for one in told:
            yield self._timed(one)

    def rest(self) -> Iterator[Told]:
        """What was held back."""
        for one in self._release():
            yield self._timed(one)

    def _timed(self, told: Told) -> Told:
        time, self._shown_time = ("" if told.time == self._shown_time else told.time), told.time
        return told._replace(time=time)

    def _release(self) -> Iterator[Told]:
        held, self._held, self._held_id = self._held, None, ""
        if held is not None:
            yield held

    def _line(self, sign: str, text: str, style: str = "") -> Told:
        return Told(self._time, sign, one_line(text, LINE), style)

    def _lines(self, sign: str, text: str, style: str = "") -> Iterator[Told]:
        """Every line of a text, indentation kept; the sign stands before the first."""
        for line in text.splitlines():
            indent = len(line) - len(line.lstrip(" "))
            if shown := one_line(line, LINE):
                yield Told(self._time, sign, " " * min(indent, 40) + shown, style)
                sign = " "

    def _record(self, record: dict[str, Any]) -> Iterator[Told]:
        kind = record["kind"]
        if kind == "tool_update" and record["id"] == self._held_id and record["status"] not in _OVER:
            return  # it has only begun
        if kind == "tool_update" and record["id"] == self._held_id:
            self._held = None
        told = list(self._of_kind(kind, record))
        if told or kind == "tool_call":
            yield from self._release()
        if kind == "tool_call" and record["status"] not in _OVER:
            self._held = self._line("→", record["title"] or record["tool"], "cyan")
            self._held_id = record["id"]
        yield from told

    def _of_kind(self, kind: str, record: dict[str, Any]) -> Iterator[Told]:
        match kind:
            case "tool_call" | "tool_update":
                yield from self._tool(record)
            case "plan":
                yield from self._planned([(entry["content"], entry["status"]) for entry in record["entries"]])
            case "usage":
                self._usage = _used(record)
            case "stop" | "error":
                yield from self._ended(record)
            case _:
                yield from self._spoken(kind, record)

    def _spoken(self, kind: str, record: dict[str, Any]) -> Iterator[Told]:
        match kind:
            case "prompt":
                length = record.get("characters") or len(record["text"])
                title = f"turn {record['turn']}: {first_line(record['text'])} ({length:,} characters)"
                yield self._line("»", title, "bold")
            case "message":
                yield from self._lines(" ", record["text"])
            case "output":
                self._printed.append(record["text"])
                yield from self._lines(" ", record["text"])
            case "thought":
                yield from self._lines("~", record["text"], f"{DIM} italic")
            case "told":
                yield from self._lines("»", record["text"], "cyan")
            case "question":
                options = f" ({' / '.join(record['options'])})" if record["options"] else ""
                yield self._line("?", f"asks: {record['text']}{options}", "bold magenta")
            case "answer":
                yield self._line("»", f"answer: {record['text']}", "magenta")
            case "permission" if not record["allowed"]:
                why = f" ({record['why']})" if record["why"] else ""
                yield self._line("✗", f"not allowed: {record['title']}{why}", "yellow")
            case "breaking_change":
                yield self._line("!", f"breaking change in {record['file']}: {record['change']}", "yellow")
            case "session":
                how = "goes on with" if record["resumed"] else "opens" if record["session"] else "runs"
                what = f"session {record['session']}" if record["session"] else record["command"]
                yield self._line("·", f"{record['runtime']} {how} {what}", DIM)
            case "progress":
                percent = f"{record['percent']:g} %: " if record["percent"] is not None else ""
                yield self._line("·", f"{percent}{record['text']}", "cyan")
            case "note":
                yield self._line("!", record["text"], "yellow")

    # --- tools

    def _tool(self, record: dict[str, Any]) -> Iterator[Told]:
        status, title = record["status"], record["title"] or record["tool"]
        if status not in _OVER:
            return
        failed = status == "failed"
        changes = record["changes"]
        total = _counted(_sum(changes, "added"), _sum(changes, "removed")) if changes else ""
        seconds = record.get("seconds")
        took = duration(seconds) if seconds is not None and seconds >= 0.1 else ""
        text = " · ".join(part for part in (title, "failed" if failed else "", total, took) if part)
        yield self._line("✗" if failed else "✓", text, "red" if failed else "green")
        if len(changes) > 1:
            for change in changes:
                lines = _counted(change["added"], change["removed"])
                yield self._line("│", f"{change['path']} · {lines}", DIM)
        if failed or record["tool"] not in _QUIET:
            output = (record.get("output") or "").splitlines()
            shown = [line for line in output if line.strip()][-(SHOWN_FAILURE if failed else SHOWN_OUTPUT) :]
            for line in shown:
                yield Told(self._time, "│", one_line(line, LINE), DIM)

    # --- the plan

    def _planned(self, entries: list[tuple[str, str]]) -> Iterator[Told]:
        """The whole plan when its lines are new, else only what was ticked."""
        before, self._plan = self._plan, entries
        done = sum(status == "completed" for _, status in entries)
        if [text for text, _ in before] != [text for text, _ in entries]:
            yield self._line("≡", f"plan, {done} of {len(entries)} done", "blue")
            changed = entries
        else:
            changed = [entry for entry, known in zip(entries, before, strict=True) if entry != known]
        for text, status in changed:
            yield self._line("≡", f"{_TICKS.get(status, '·')} {text}", "blue")

    # --- the end

    def _ended(self, record: dict[str, Any]) -> Iterator[Told]:
        usage, self._usage = self._usage, ""
        took = f"after {duration(record['seconds'])}"
        if record["kind"] == "stop":
            text = f"turn {record['turn']} ended ({record['reason']}) {took}"
            yield self._line("■", " · ".join(part for part in (text, usage) if part), "bold")
            return
        text = f"turn {record['turn']} failed ({record['reason']}) {took}: {record['what']}"
        yield self._line("✗", " · ".join(part for part in (text, usage) if part), "bold red")
        for line in record["text"].splitlines():
            if line.strip() and line not in self._printed:
                yield Told(self._time, "│", one_line(line, LINE), DIM)


_OVER = frozenset({"completed", "failed"})


def _sum(changes: list[dict[str, Any]], name: str) -> int | None:
    known = [change[name] for change in changes if change[name] is not None]
    return sum(known) if known else None


def _counted(added: int | None, removed: int | None) -> str:
    if added is None and removed is None:
        return "changed"
    return f"+{added or 0} −{removed or 0}"


def _used(usage: dict[str, Any]) -> str:
    """`12.4k in, 1.2k out · $0.03 · context 13 % (26k of 200k)`, as far as it is known."""
    parts = []
    if usage["input_tokens"] is not None:
        parts.append(f"{thousands(usage['input_tokens'])} in, {thousands(usage['output_tokens'] or 0)} out")
    if usage["cost_usd"] is not None:
        parts.append(
            f"${usage['cost_usd']:.2f}" if usage["cost_usd"] >= 0.01 else f"${usage['cost_usd']:.4f}"
        )
    if usage["context_used"] is not None and usage["context_size"]:
        share = 100 * usage["context_used"] / usage["context_size"]
        room = f"{thousands(usage['context_used'])} of {thousands(usage['context_size'])}"
        parts.append(f"context {share:.0f} % ({room})")
    return " · ".join(parts)
