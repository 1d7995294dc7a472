"""A gateway in front of a provider, and clients that call it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from mawep.clock import SystemClock
from mawep.gateway.budget import Ask, MaySpend
from mawep.gateway.gateway import Gateway, Made, Visitor
from mawep.gateway.ledger import Ledger
from mawep.gateway.prices import load_prices
from mawep.gateway.serve import served
from mawep.gateway.throttle import Limited
from mawep.gateway.upstreams import upstreams
from mawep.gateway.values import Amount
from tests.gateway.provider import Provider, provider


def unlimited(ask: Ask) -> str | None:
    """No budget at all."""
    return None


KEY = "sk-the-real-key-of-the-user"
CLAUDE = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "Hello"}],
}


@dataclass
class Listener:
    """Ears that remember."""

    totals: list[Amount] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    limits: list[Limited] = field(default_factory=list)
    calls: list[Made] = field(default_factory=list)

    def spent(self, visitor: Visitor, total: Amount) -> None:
        self.totals.append(total)

    def refused(self, visitor: Visitor, trouble: str, why: str) -> None:
        self.refusals.append((trouble, why))

    def limited(self, visitor: Visitor, limit: Limited) -> None:
        self.limits.append(limit)

    def made(self, call: Made) -> None:
        self.calls.append(call)


@dataclass
class Site:
    """Everything that a test wants to look at."""

    provider: Provider
    gateway: Gateway
    ledger: Ledger
    ears: Listener
    client: httpx.AsyncClient
    token: str

    async def claude(self, token: str | None = None, **fields: Any) -> httpx.Response:
        """Ask Claude something."""
        headers = {"x-api-key": token or self.token, "anthropic-version": "2023-06-01"}
        return await self.client.post("/v1/messages", json={**CLAUDE, **fields}, headers=headers)

    @property
    def spent(self) -> Amount:
        """What the run has spent."""
        return self.ledger.of_run().spent


@contextlib.asynccontextmanager
async def site(
    directory: Path,
    *,
    api: str = "anthropic",
    may_spend: MaySpend = unlimited,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Site]:
    """A gateway that is served, with attempt 1 at issue 7 let in."""
    async with provider() as upstream:
        found = {
            "ANTHROPIC_API_KEY": KEY,
            "OPENAI_API_KEY": KEY,
            "GEMINI_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": upstream.url,
            "OPENAI_BASE_URL": f"{upstream.url}/v1",
            "GOOGLE_GEMINI_BASE_URL": upstream.url,
            **(environ or {}),
        }
        ledger, ears = Ledger.open(directory / "gateway.db"), Listener()
        gateway = Gateway(
            directory / "s",
            ledger=ledger,
            prices=load_prices(None),
            upstreams=upstreams(found),
            may_spend=may_spend,
            clock=SystemClock(),
        )
        gateway.attend(ears)
        transport = httpx.AsyncHTTPTransport(uds=str(gateway.socket))
        with contextlib.closing(ledger):
            async with (
                served(gateway),
                httpx.AsyncClient(transport=transport, base_url="http://gateway", timeout=20) as client,
            ):
                token = gateway.admit(7, 1, "claude-code", api).token
                yield Site(upstream, gateway, ledger, ears, client, token)
