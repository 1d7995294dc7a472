"""Sums of what agents consumed, in which what nobody reported stays unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mawep.core.model import Usage

SUMMED = ("input_tokens", "output_tokens", "cached_tokens", "thinking_tokens", "cost_usd")
"""The amounts that add up; a context belongs to one session."""

Amount = int | float


def total(*usages: Usage) -> Usage:
    """The sum of several, oldest first; the context is the newest that is known."""
    return _together(usages, sum)


def highest(*usages: Usage) -> Usage:
    """The greatest of several reports of the same thing, amount by amount; the context is the newest that is known."""
    return _together(usages, max)


def less(usage: Usage, part: Usage) -> Usage:
    """A usage without a part of it; what would be nothing is unknown."""
    amounts = {name: _less(getattr(usage, name), getattr(part, name)) for name in SUMMED}
    return Usage(**amounts, context_used=usage.context_used, context_size=usage.context_size)


def _together(usages: tuple[Usage, ...], how: Callable[[list[Any]], Any]) -> Usage:
    amounts = {name: _known(usages, name, how) for name in SUMMED}
    newest = {name: _known(usages[::-1], name, _first) for name in ("context_used", "context_size")}
    return Usage(**amounts, **newest)


def _first(found: list[int]) -> int:
    return found[0]


def _known(usages: tuple[Usage, ...], name: str, how: Callable[[list[Any]], Any]) -> Any:
    found = [amount for usage in usages if (amount := getattr(usage, name)) is not None]
    return how(found) if found else None


def _less(amount: Any, part: Any) -> Any:
    if amount is None or part is None:
        return amount
    return amount - part if amount > part else None
