"""What agents cost that do not say so themselves, and whether budgets can hold at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mawep.cli.driving import Way
from mawep.config.agents import Agents
from mawep.config.budget import SAYS_COST, SAYS_NOTHING
from mawep.core.model import Usage
from mawep.errors import MawepError
from mawep.gateway.prices import Prices, load_prices
from mawep.gateway.values import Tokens
from mawep.worker.spending import Price


def price_of(way: Way, prices: Prices) -> Price | None:
    """What the tokens of a way's model cost; None when nobody says, or nobody knows the model.

    What is dearer beyond a length of one call cannot be told from sums; the common rates count.
    """
    line = prices.of(way.model) if way.model else None
    if line is None:
        return None

    def price(usage: Usage) -> float | None:
        cached = usage.cached_tokens or 0
        read = Tokens(
            input=max((usage.input_tokens or 0) - cached, 0),
            cache_read=cached,
            output=usage.output_tokens or 0,
        )
        return line.rates.usd(read)

    return price


def budget_problems(agents: Agents, ways: Iterable[Way]) -> Iterator[str]:
    """Budgets that could not hold, because nobody would know what is spent."""
    budget = agents.budget
    if not (budget.in_usd or budget.in_tokens) or agents.gateway == "on":  # which counts for itself
        return
    try:
        prices = load_prices(agents.prices)
    except MawepError as error:
        yield f"agents.prices: {error}"
        return
    for way in ways:
        for key in (*budget.in_usd, *budget.in_tokens):
            if way.runtime in SAYS_NOTHING:
                yield (
                    f"agents.budget.{key}: an agent of the runtime `{way.runtime}` does not say what it consumes; "
                    "limit `turns` or `minutes` instead"
                )
        if budget.in_usd and way.runtime not in SAYS_COST | SAYS_NOTHING and price_of(way, prices) is None:
            model = f"`{way.model}` has no price" if way.model else "no `model` is set whose price is known"
            yield (
                f"agents.budget.{budget.in_usd[0]}: an agent of the runtime `{way.runtime}` does not say what it "
                f"costs, and {model}; set a model that has one, or limit tokens instead"
            )
