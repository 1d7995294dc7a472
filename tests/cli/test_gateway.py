"""What the gateway needs is looked for before a run begins, and what is found is told without any key."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from immutables import Map

from mawep.cli.driving import Way, ways
from mawep.cli.gateway import counted, granting, keys_found, obstacles
from mawep.config import Config, load_config
from mawep.core.model import IssueState
from mawep.core.state import IssueRecord, Spent, State, replace
from mawep.errors import ProblemsError
from mawep.gateway.budget import Account, Ask, Limits
from mawep.gateway.ledger import Ledger, Purpose
from mawep.gateway.values import Amount, Tokens

KEY = "sk-the-real-key-of-the-user"
ENOUGH = ("agents.runtime=command", "agents.command=[agent]", "verify.commands=[x]", "agents.gateway=on")


def config(*overrides: str) -> Config:
    return load_config(None, (*ENOUGH, *overrides), {})


def way(runtime: str = "command", model: str | None = None) -> Way:
    return Way(runtime, ("agent",), (), model)


def test_a_gateway_without_any_key_is_told() -> None:
    (problem,) = obstacles(config(), [way()], {})
    assert "no key for any provider" in problem
    assert obstacles(config(), [way()], {"OPENAI_API_KEY": KEY}) == []
    assert obstacles(config(), [way("scripted")], {}) == []
    assert obstacles(config("agents.gateway=off"), [way()], {}) == []


def test_a_price_table_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text("models:\n  - {match: x}\n")
    (problem,) = obstacles(config(f"agents.prices={own}"), [way()], {"OPENAI_API_KEY": KEY})
    assert problem.startswith(f"agents.prices: {own}:2: ")


def test_where_keys_are_found_is_said_without_them() -> None:
    environ = {"ANTHROPIC_API_KEY": KEY, "OPENAI_BASE_URL": "http://127.0.0.1:5/v1"}
    ((runtime, found, where),) = keys_found(ways(config().agents).values(), environ)
    assert (runtime, found) == ("command", True)
    assert "anthropic at https://api.anthropic.com" in where and "openai at http://127.0.0.1:5/v1" in where
    assert KEY not in where
    assert keys_found([way()], {}) == [("command", False, "no key for any provider")]


def test_the_model_alone_is_reached_through_the_gateway_only() -> None:
    assert config("agents.network=model-only").agents.network == "model-only"
    with pytest.raises(ProblemsError, match="must be `on` with `network: model-only`"):
        config("agents.network=model-only", "agents.gateway=off")


def test_keys_are_secrets_while_the_gateway_is_on() -> None:
    assert config().secrets({"ANTHROPIC_API_KEY": KEY}) == (KEY,)
    assert config("agents.gateway=off").secrets({"ANTHROPIC_API_KEY": KEY}) == ()


async def test_status_says_what_the_gateway_has_on_its_books(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    assert counted(path) == ""
    with contextlib.closing(Ledger.open(path)) as ledger:
        for used in (Amount(Tokens(1000, output=500), 0.25, calls=1), Amount(Tokens(1), unpriced=1, calls=1)):
            made = await ledger.reserve(Purpose(1, 1, "r", "openai", "m"), used, datetime.now(UTC))
            ledger.settle(made, used, "settled")
    assert counted(path).startswith("gateway: calls of models 2, tokens 1,501, $0.25 and what has no price")


def test_a_budget_that_a_person_granted_anew_is_there_again() -> None:
    spent = Account(Amount(Tokens(900), 1.5))
    ask = Ask(7, 2, "acp", "m", 10, 0.1, of_attempt=Account(), of_issue=spent, of_run=spent)
    record = IssueRecord(7, IssueState.WORKING)
    limits = Limits(issue_tokens=900, issue_usd=9.0)
    asked = granting(limits, lambda: State(issues=Map({7: record})))(ask)
    assert asked is not None and "for this issue" in asked
    reopened = replace(record, granted=Spent(usd=1.5, tokens=900))
    assert granting(limits, lambda: State(issues=Map({7: reopened})))(ask) is None
    run = granting(Limits(run_tokens=900), lambda: State(issues=Map({7: reopened})))(ask)
    assert run is not None and "for this run" in run
