"""The gateway of one run: who may call which models, on whose account, and who hears of it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

import structlog

from mawep.clock import Clock
from mawep.errors import InfrastructureError
from mawep.gateway.budget import Ask, MaySpend
from mawep.gateway.ledger import Ledger, Purpose, Reservation
from mawep.gateway.prices import Prices
from mawep.gateway.shapes.base import Call, Refused, Trouble
from mawep.gateway.throttle import Limited
from mawep.gateway.upstreams import Upstream
from mawep.gateway.values import NOTHING, Amount, Tokens

log = structlog.get_logger("mawep.gateway")

MOST_CALLS = 16
"""Calls of one attempt at the same time; more of them wait."""
MOST_WAITING = 48
MOST_HELD_BYTES = 64 * 1024 * 1024
"""What the requests of one attempt that are under way may be together."""

Outcome = Literal["answered", "failed", "cut", "refused"]


@dataclass(eq=False)
class Visitor:
    """An attempt that may call models in the shapes of `apis`; `calls` are under way, with `held` bytes of requests.

    `told` counts what happened to its calls that may be told in the log.

    `overdrawn` is why a call of its was refused for money, `limited` what a provider says that it has to wait for; an
    answer puts an end to that.
    """

    issue: int
    attempt: int
    runtime: str
    apis: tuple[str, ...]
    token: str = field(repr=False)
    overdrawn: str | None = None
    limited: Limited | None = None
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_CALLS), repr=False)
    calls: set[asyncio.Task[object]] = field(default_factory=set, repr=False)
    held: int = 0
    told: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """A call that is over, or was refused: for metrics."""

    api: str
    outcome: Outcome
    trouble: Trouble | None = None
    seconds: float = 0.0
    used: Amount = NOTHING


class Ears(Protocol):
    """Who wants to hear what happens at the gateway. None of it may block."""

    def spent(self, visitor: Visitor, total: Amount) -> None:
        """An attempt has consumed so much, in all."""
        ...

    def refused(self, visitor: Visitor, trouble: Trouble, why: str) -> None:
        """An attempt's call was not let through."""
        ...

    def limited(self, visitor: Visitor, limit: Limited) -> None:
        """A provider takes no more requests for now."""
        ...

    def made(self, call: Made) -> None:
        """A call is over."""
        ...


class Gateway:
    """Lets attempts through, and keeps the accounts. `socket` is where it is reached while it is served."""

    def __init__(
        self,
        socket: Path,
        *,
        ledger: Ledger,
        prices: Prices,
        upstreams: Mapping[str, Upstream],
        may_spend: MaySpend,
        clock: Clock,
    ) -> None:
        self.socket = socket
        self.upstreams = upstreams
        self.clock = clock
        self._ears: list[Ears] = []
        self._ledger = ledger
        self._prices = prices
        self._may_spend = may_spend
        self._visitors: dict[bytes, Visitor] = {}
        self._broken = asyncio.Event()

    # --- who may

    def admit(self, issue: int, attempt: int, runtime: str, api: str | None = None) -> Visitor:
        """Let an attempt in, with a token of its own that stands in for the key of `api`; None: whichever there is."""
        token = f"mawep-{secrets.token_urlsafe(32)}"
        apis = (api,) if api else self.apis
        visitor = self._visitors[_digest(token)] = Visitor(issue, attempt, runtime, apis, token)
        return visitor

    @property
    def apis(self) -> tuple[str, ...]:
        """The shapes in which there are models to call."""
        return tuple(api for api, upstream in self.upstreams.items() if upstream.problem is None)

    def dismiss(self, token: str) -> None:
        """Take the token back; calls that are under way with it are ended."""
        visitor = self._visitors.pop(_digest(token), None)
        for call in visitor.calls if visitor else ():
            call.cancel()

    def visitor(self, token: str) -> Visitor | None:
        """Whose token it is; None when it is nobody's, or not any more.

        It is looked for by its digest, so that the time which that takes says nothing of any token.
        """
        found = self._visitors.get(_digest(token))
        return found if found and hmac.compare_digest(found.token.encode(), token.encode()) else None

    # --- who hears

    def attend(self, ears: Ears) -> None:
        """Let somebody hear from now on."""
        self._ears.append(ears)

    def refused(self, visitor: Visitor | None, api: str, refusal: Refused) -> None:
        """A call was not let through."""
        if visitor is not None and refusal.trouble == "budget":
            visitor.overdrawn = refusal.why
        for ears in self._ears:
            ears.made(Made(api, "refused", refusal.trouble))
            if visitor is not None:
                ears.refused(visitor, refusal.trouble, refusal.why)

    def limited(self, visitor: Visitor, limit: Limited) -> None:
        """A provider has refused a call, as it takes no more for now."""
        visitor.limited = limit
        for ears in self._ears:
            ears.limited(visitor, limit)

    def made(self, visitor: Visitor, call: Made) -> None:
        """A call is over."""
        if call.outcome == "answered" and call.used.calls:
            visitor.limited = None
        for ears in self._ears:
            ears.made(call)

    # --- on whose account

    async def reserve(self, visitor: Visitor, api: str, call: Call) -> Reservation:
        """Put the worst case of a call on the books, once it may be made.

        Raises:
            Refused: the budget does not allow it.
            LedgerError: the books cannot be written.
        """
        worst = self._amount(call.model, self._prices.worst(call))
        while True:
            settled = self._ledger.settled
            ask = self._ask(visitor, call, worst)
            why = self._may_spend(ask)
            if why is None:
                break
            if self._may_spend(_undisturbed(ask)) is not None:
                raise Refused("budget", why)
            await settled.wait()  # only what is under way speaks against it, and may turn out to be less
        purpose = Purpose(visitor.issue, visitor.attempt, visitor.runtime, api, call.model)
        try:
            return await self._ledger.reserve(purpose, worst, self.clock.now())
        except InfrastructureError:
            self._broken.set()
            raise

    def settle(self, visitor: Visitor, made: Reservation, used: Tokens, *, cut: bool) -> Amount:
        """Replace the worst case of a call by what it consumed."""
        amount = self._amount(made.purpose.model, used) if used.total else Amount(calls=1)
        written = asyncio.wrap_future(self._ledger.settle(made, amount, "cut" if cut else "settled"))
        written.add_done_callback(self._see)
        for ears in self._ears:
            ears.spent(visitor, self.total(visitor.issue, visitor.attempt))
        return amount

    async def watch(self) -> None:
        """Wait for ever. Raises LedgerError when the books cannot be written any more."""
        await self._broken.wait()
        if self._ledger.failure is not None:
            raise self._ledger.failure

    def _see(self, written: asyncio.Future[None]) -> None:
        if not written.cancelled() and written.exception() is not None:
            self._broken.set()

    def total(self, issue: int, attempt: int) -> Amount:
        """What an attempt has consumed so far."""
        return self._ledger.of_attempt(issue, attempt).spent

    def _amount(self, model: str, tokens: Tokens) -> Amount:
        usd = self._prices.usd(model, tokens)
        return Amount(tokens, usd or 0.0, unpriced=int(usd is None), calls=1)

    def _ask(self, visitor: Visitor, call: Call, worst: Amount) -> Ask:
        return Ask(
            issue=visitor.issue,
            attempt=visitor.attempt,
            runtime=visitor.runtime,
            model=call.model,
            worst_tokens=worst.tokens.total,
            worst_usd=worst.known_usd,
            of_attempt=self._ledger.of_attempt(visitor.issue, visitor.attempt),
            of_issue=self._ledger.of_issue(visitor.issue),
            of_run=self._ledger.of_run(),
        )


def _undisturbed(ask: Ask) -> Ask:
    """The same question, as if no other call were under way."""
    return replace(
        ask,
        of_attempt=replace(ask.of_attempt, reserved=NOTHING),
        of_issue=replace(ask.of_issue, reserved=NOTHING),
        of_run=replace(ask.of_run, reserved=NOTHING),
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
