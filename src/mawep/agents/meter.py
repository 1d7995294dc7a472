"""What a session consumed, put together from two kinds of reports that both count from its beginning."""

from __future__ import annotations

from typing import TypeVar

from mawep.agents.sdk import schema
from mawep.core.model import Usage

_Amount = TypeVar("_Amount", int, float)


class Meter:
    """Totals of one session. They never fall: a report that is lower is an old or a partial one."""

    def __init__(self) -> None:
        self.usage = Usage()

    def context(self, update: schema.UsageUpdate) -> Usage:
        """Take a `usage_update`: how full the context is, and the cost where it is in US dollars."""
        cost = update.cost.amount if update.cost and update.cost.currency.upper() == "USD" else None
        self.usage = Usage(
            input_tokens=self.usage.input_tokens,
            output_tokens=self.usage.output_tokens,
            cost_usd=_highest(self.usage.cost_usd, cost),
            context_used=update.used,
            context_size=update.size,
        )
        return self.usage

    def tokens(self, report: schema.Usage) -> Usage:
        """Take the usage that came with the end of a turn."""
        self.usage = Usage(
            input_tokens=_highest(self.usage.input_tokens, report.input_tokens),
            output_tokens=_highest(self.usage.output_tokens, report.output_tokens),
            cost_usd=self.usage.cost_usd,
            context_used=self.usage.context_used,
            context_size=self.usage.context_size,
        )
        return self.usage


def _highest(known: _Amount | None, reported: _Amount | None) -> _Amount | None:
    if known is None or reported is None:
        return reported if known is None else known
    return max(known, reported)
