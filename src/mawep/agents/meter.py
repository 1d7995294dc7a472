"""What a session consumed, put together from two kinds of reports."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from mawep.agents.quirks import UsageScope
from mawep.agents.sdk import schema
from mawep.core.model import Usage

_Amount = TypeVar("_Amount", int, float)


class Meter:
    """Totals of one session. They never fall: a report that is lower is an old or a partial one.

    What was read from or written to a cache counts as input. `scope` says what an agent's report at the end
    of a turn counts.
    """

    def __init__(self, scope: UsageScope = "session") -> None:
        self.usage = Usage()
        self._scope = scope

    def context(self, update: schema.UsageUpdate) -> Usage:
        """Take a `usage_update`: how full the context is, and the cost where it is in US dollars."""
        cost = update.cost.amount if update.cost and update.cost.currency.upper() == "USD" else None
        self.usage = msgspec.structs.replace(
            self.usage,
            cost_usd=_highest(self.usage.cost_usd, cost),
            context_used=update.used,
            context_size=update.size or None,
        )
        return self.usage

    def turn(self, reply: schema.PromptResponse) -> Usage | None:
        """Take what came with the end of a turn; None when it says nothing that could be counted."""
        found = _tokens(reply)
        if found is None:
            return None
        read, written = found
        known = self.usage
        if self._scope == "call":  # what the last call of the model held is at least what the context holds
            self.usage = msgspec.structs.replace(known, context_used=read + written)
            return self.usage
        if self._scope == "turn":
            read, written = read + (known.input_tokens or 0), written + (known.output_tokens or 0)
        self.usage = msgspec.structs.replace(
            known,
            input_tokens=_highest(known.input_tokens, read),
            output_tokens=_highest(known.output_tokens, written),
        )
        return self.usage


def _tokens(reply: schema.PromptResponse) -> tuple[int, int] | None:
    """(input, output); whether an agent counts cached tokens as input too can be told from its sum."""
    report = reply.usage
    if report is None:
        return _quota(reply.field_meta)
    cached = (report.cached_read_tokens or 0) + (report.cached_write_tokens or 0)
    apart = report.total_tokens >= report.input_tokens + report.output_tokens + cached
    read = report.input_tokens + cached if apart else report.input_tokens
    return read, max(report.output_tokens, report.total_tokens - read)


def _quota(meta: Any) -> tuple[int, int] | None:
    """What some agents put into `_meta.quota.token_count` instead."""
    found = meta
    for key in ("quota", "token_count"):
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        return None
    counts = found.get("input_tokens"), found.get("output_tokens")
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        return None
    return counts  # type: ignore[return-value]


def _highest(known: _Amount | None, reported: _Amount | None) -> _Amount | None:
    if known is None or reported is None:
        return reported if known is None else known
    return max(known, reported)
