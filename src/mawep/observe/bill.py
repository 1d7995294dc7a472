"""What issues and runs consumed: sums in which what nobody reported stays unknown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from mawep.core.model import Usage
from mawep.core.state import IssueRecord

Amount = TypeVar("Amount", int, float)


def of_issue(record: IssueRecord, running: Usage | None = None) -> Usage:
    """What all attempts on an issue consumed; `running` is the newest word of the turn that goes on."""
    said = record.attempt.usage if record.attempt else Usage()
    spent, now = record.spent, running or Usage()
    return Usage(
        input_tokens=_total(spent.input_tokens, _newer(now.input_tokens, said.input_tokens)),
        output_tokens=_total(spent.output_tokens, _newer(now.output_tokens, said.output_tokens)),
        cost_usd=_total(spent.cost_usd, _newer(now.cost_usd, said.cost_usd)),
        context_used=_newer(now.context_used, said.context_used),
        context_size=_newer(now.context_size, said.context_size),
    )


def together(usages: Iterable[Usage]) -> Usage:
    """The sum of several; a context belongs to one session and is left out."""
    all_ = list(usages)
    return Usage(
        input_tokens=_total(*(usage.input_tokens for usage in all_)),
        output_tokens=_total(*(usage.output_tokens for usage in all_)),
        cost_usd=_total(*(usage.cost_usd for usage in all_)),
    )


def highest(a: Usage, b: Usage) -> Usage:
    """The greater of two usages, amount by amount."""
    return Usage(
        input_tokens=_greater(a.input_tokens, b.input_tokens),
        output_tokens=_greater(a.output_tokens, b.output_tokens),
        cost_usd=_greater(a.cost_usd, b.cost_usd),
    )


def _greater(a: Amount | None, b: Amount | None) -> Amount | None:
    return max(a, b) if a is not None and b is not None else _newer(a, b)


def _total(*amounts: Amount | None) -> Amount | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known[1:], known[0]) if known else None


def _newer(now: Amount | None, before: Amount | None) -> Amount | None:
    return before if now is None else now
