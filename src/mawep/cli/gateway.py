"""The model gateway of a run: what it needs before anything is started, and how it is put together."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from mawep.adapters.runtime_directory import leave_runtime_directory, runtime_directory
from mawep.agents.base import AgentFailed
from mawep.agents.registry import RUNTIMES
from mawep.cli.driving import Way
from mawep.clock import Clock
from mawep.config import Config
from mawep.config.budget import AgentBudget
from mawep.core.state import State
from mawep.errors import ProblemsError, UsageError
from mawep.gateway.budget import Ask, Limits, MaySpend
from mawep.gateway.gateway import Ears, Gateway
from mawep.gateway.ledger import Ledger, read_totals
from mawep.gateway.prices import Prices, load_prices
from mawep.gateway.upstreams import upstreams
from mawep.gateway.values import NOTHING, Amount, Tokens
from mawep.state.runs import RunDirectory

BY_NICKNAME = frozenset({"best", "default", "haiku", "opus", "opusplan", "sonnet"})
"""Models that Claude Code turns into others; only then is it known what they cost."""


@contextlib.asynccontextmanager
async def gateway_of(
    config: Config,
    directory: RunDirectory,
    environ: Mapping[str, str],
    clock: Clock,
    ears: Iterable[Ears],
    state: Callable[[], State],
) -> AsyncIterator[Gateway | None]:
    """The run's gateway, served while the block runs; None when the configuration wants none. `state` is the run's.

    Raises:
        LedgerError: its ledger cannot be used.
        InfrastructureError: it cannot listen.
    """
    if config.agents.gateway == "off":
        yield None
        return
    from mawep.gateway.serve import served

    with contextlib.ExitStack() as undo:
        gateway = Gateway(
            runtime_directory(directory.path) / "models.sock",
            ledger=undo.enter_context(contextlib.closing(Ledger.open(directory.gateway))),
            prices=load_prices(config.agents.prices),
            upstreams=upstreams(environ),
            may_spend=granting(limits_of(config.agents.budget), state),
            clock=clock,
        )
        for one in ears:
            gateway.attend(one)
        undo.callback(leave_runtime_directory, directory.path)
        async with served(gateway):
            yield gateway


def counted(ledger: Path) -> str:
    """What the gateway has on its books for a run, in one line; empty when it has nothing."""
    total = sum(read_totals(ledger).values(), NOTHING)
    if not total.calls:
        return ""
    cost = f"${total.usd:.2f}" if total.known_usd is not None else f"${total.usd:.2f} and what has no price"
    return f"gateway: calls of models {total.calls:,}, tokens {total.tokens.total:,}, {cost} (worst case if unsettled)"


def limits_of(budget: AgentBudget) -> Limits:
    """The hard limits of the configuration."""
    return Limits(
        attempt_tokens=budget.attempt_tokens,
        attempt_usd=budget.attempt_usd,
        issue_tokens=budget.issue_tokens,
        issue_usd=budget.issue_usd,
        run_tokens=budget.run_tokens,
        run_usd=budget.run_usd,
    )


def granting(limits: Limits, state: Callable[[], State]) -> MaySpend:
    """The limits, less what an issue had spent when a person reopened it: its budget was granted anew."""

    def may_spend(ask: Ask) -> str | None:
        granted = state().issues[ask.issue].granted
        before = Amount(Tokens(granted.tokens), granted.usd)
        rest = replace(ask.of_issue, spent=ask.of_issue.spent - before)
        return limits(replace(ask, of_issue=rest))

    return may_spend


def obstacles(config: Config, ways: Iterable[Way], environ: Mapping[str, str]) -> list[str]:
    """What keeps the gateway from working for these ways of driving agents; empty when it is off."""
    if config.agents.gateway == "off":
        return []
    try:
        prices = load_prices(config.agents.prices)
    except ProblemsError as error:
        return [f"agents.prices: {problem}" for problem in error.problems]
    except UsageError as error:
        return [f"agents.prices: {error.what}; {error.cause}"]
    return list(dict.fromkeys([*_without_key(ways, environ), *_without_price(config, ways, prices)]))


def _without_key(ways: Iterable[Way], environ: Mapping[str, str]) -> Iterable[str]:
    found = upstreams(environ)
    for way in ways:
        if way.runtime == "scripted":
            continue
        api = api_of(way)
        problems = [found[one].problem for one in ([api] if api else found)]
        if all(problems):
            why = problems[0] if api else "there is no key for any provider in the environment of mawep"
            yield f"agents.gateway: `on`, but {why} (for `{way.runtime}`)"


def _without_price(config: Config, ways: Iterable[Way], prices: Prices) -> Iterable[str]:
    if not limits_of(config.agents.budget).in_usd:
        return
    for way in ways:
        model = (way.model or "").rpartition("/")[2]
        if model and model not in BY_NICKNAME and prices.of(model) is None:
            yield (
                f"agents.budget: a budget in US dollars needs the price of `{model}`, which the price table does not "
                "have; add it to a file of your own and name that in `agents.prices`"
            )


def api_of(way: Way) -> str | None:
    """The shape in which agents of a way talk to their models; None when nobody knows."""
    try:
        return RUNTIMES[way.runtime]().needs(way.command).api
    except AgentFailed:  # a program is missing, which is told elsewhere
        return None


def keys_found(ways: Iterable[Way], environ: Mapping[str, str]) -> list[tuple[str, bool, str]]:
    """For each runtime: whether the gateway finds a key for it, and where it would ask. Never the key."""
    found = upstreams(environ)
    lines = {}
    for way in ways:
        if way.runtime == "scripted":
            continue
        api = api_of(way)
        usable = [one for one in ([api] if api else found) if found[one].problem is None]
        where = ", ".join(f"{one} at {found[one].base}" for one in usable)
        lines[way.runtime] = (bool(usable), where or f"no key for {api or 'any provider'}")
    return [(runtime, *line) for runtime, line in lines.items()]
