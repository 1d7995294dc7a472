"""An agent calls its model through the gateway: by a port and a token of its attempt's own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mawep.adapters.runtime_directory import leave_runtime_directory, runtime_directory
from mawep.clock import SystemClock
from mawep.coordination import payloads as wire
from mawep.core.model import FailureReason
from mawep.gateway.budget import Limits, MaySpend
from mawep.gateway.gateway import Gateway
from mawep.gateway.ledger import Ledger
from mawep.gateway.prices import load_prices
from mawep.gateway.serve import served
from mawep.gateway.upstreams import upstreams
from tests.gateway.provider import Provider, Says, provider
from tests.gateway.site import KEY, unlimited
from tests.support.repos import git
from tests.worker.shop import Shop

CALL = """\
python3 - <<'END'
import json, os, urllib.request
assert "the-real-key" not in str(os.environ)
request = urllib.request.Request(
    os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages",
    json.dumps({"model": "claude-sonnet-4-5", "max_tokens": 10, "messages": []}).encode(),
    {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "content-type": "application/json"},
)
with urllib.request.urlopen(request) as answer:
    print(answer.read())
with open("made.txt", "a") as file:
    file.write("made\\n")
END
"""
ANSWER = b'{"type": "message", "usage": {"input_tokens": 100, "output_tokens": 20}}'


@contextlib.asynccontextmanager
async def gateway(shop: Shop, may_spend: MaySpend = unlimited) -> AsyncIterator[tuple[Gateway, Provider]]:
    """A gateway for the shop's worker."""
    async with provider() as upstream:
        upstream.answers = [Says([ANSWER])]
        shop.directory.mkdir(exist_ok=True)
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": upstream.url}
        with contextlib.closing(Ledger.open(shop.directory / "gateway.db")) as ledger:
            made = Gateway(
                runtime_directory(shop.directory) / "models.sock",
                ledger=ledger,
                prices=load_prices(None),
                upstreams=upstreams(environ),
                may_spend=may_spend,
                clock=SystemClock(),
            )
            try:
                async with served(made):
                    yield made, upstream
                    await shop.close()
            finally:
                leave_runtime_directory(shop.directory)


ALONE = """\
python3 - <<'END'
import socket
try:
    socket.create_connection(("127.0.0.1", PORT), 2)
except OSError:
    open("alone.txt", "w").write("nothing else is reached")
END
"""


@pytest.mark.parametrize(
    "behind", [{}, {"sandbox": "required", "network": "model-only"}], ids=["off", "alone"]
)
async def test_an_agent_finds_its_model_at_the_gateway_and_is_counted(
    shop: Shop, behind: dict[str, str]
) -> None:
    async with gateway(shop) as (made, upstream):
        shop.gateway, shop.behind = made, behind
        shop.agent(101, CALL + ALONE.replace("PORT", upstream.url.rpartition(":")[2]))
        shop.open()
        await shop.assign(101)
        result = await shop.result(101)
        assert result.outcome == "finished", result.detail
        assert (result.usage.input_tokens, result.usage.output_tokens) == (100, 20)
        assert result.usage.cost_usd == (100 * 3 + 20 * 15) / 1e6
        assert ("alone.txt" in git(shop.checkout, "ls-tree", "--name-only", str(result.head))) == bool(behind)
        (heard,) = upstream.heard
        assert heard.headers["x-api-key"] == KEY
        assert KEY not in (shop.directory / "attempts" / "101-a1" / "transcript.jsonl").read_text()
        assert not list(Path(shop.directory).rglob("*.sock"))


async def test_an_attempt_that_has_no_budget_left_ends_as_that(shop: Shop) -> None:
    async with gateway(shop, Limits(issue_tokens=120)) as (made, upstream):
        shop.gateway = made
        shop.agent(101, f"{CALL}\n{CALL}\nsleep 60")
        shop.open()
        await shop.assign(101)
        result = await shop.result(101)
        assert (result.outcome, result.reason) == ("failed", FailureReason.BUDGET_EXCEEDED.value)
        assert "120 of 120 tokens" in result.detail
        assert result.salvage is not None
        assert result.usage == wire.Consumption(input_tokens=100, output_tokens=20, cost_usd=0.0006)
        assert len(upstream.heard) == 1
