"""An attempt's way to its models through the gateway: a token and a port to begin with, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mawep.agents.base import AgentFailed, Launch, ModelEndpoint, ProviderLimited
from mawep.core.model import FailureReason, Usage
from mawep.gateway.gateway import Gateway, Made, Visitor
from mawep.gateway.shapes.base import Trouble
from mawep.gateway.throttle import Limited
from mawep.gateway.upstreams import ADDRESSES, KEYS, pointers
from mawep.gateway.values import Amount
from mawep.worker.desk import Desk, WorkerSettings
from mawep.worker.walls import gateway_port

BY_THEMSELVES = frozenset({"scripted"})
"""Runtimes whose agents call no models."""


class Models:
    """The worker's side of the gateway; without one, agents find their models by themselves."""

    def __init__(
        self,
        settings: WorkerSettings,
        desks: Mapping[tuple[int, int], Desk],
        in_background: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._settings = settings
        self._gateway: Gateway | None = settings.gateway
        self._desks = desks
        self._in_background = in_background
        if self._gateway is not None:
            self._gateway.attend(self)

    def socket(self, desk: Desk) -> Path | None:
        """The socket that the desk's agent gets to its models; None when it finds them by itself."""
        runtime = self._settings.driving(desk.work.runtime).runtime
        return None if self._gateway is None or runtime.name in BY_THEMSELVES else self._gateway.socket

    def connect(self, desk: Desk, launch: Launch) -> Launch:
        """Tell the desk's agent where its models are, and take away from it what would be another way to them."""
        if self._gateway is None or self.socket(desk) is None:
            return launch
        self.disconnect(desk)
        driving = self._settings.driving(desk.work.runtime)
        api = driving.runtime.needs(driving.command).api
        desk.visitor = self._gateway.admit(*desk.key, desk.work.runtime, api)
        self._count(desk, self._gateway.total(*desk.key))
        return pointed(launch, desk.visitor, api, gateway_port(desk.at))

    def disconnect(self, desk: Desk) -> None:
        """The desk's agent is gone: its token is worth nothing any more."""
        if self._gateway is not None and desk.visitor is not None:
            self._gateway.dismiss(desk.visitor.token)

    # --- what the gateway says

    def spent(self, visitor: Visitor, total: Amount) -> None:
        """Keep what the attempt has consumed, in the place of what the agent says."""
        desk = self._desks.get((visitor.issue, visitor.attempt))
        if desk is not None:
            self._count(desk, total)

    def refused(self, visitor: Visitor, trouble: Trouble, why: str) -> None:
        """An attempt that may spend nothing more has to end."""
        desk = self._desks.get((visitor.issue, visitor.attempt))
        if desk is not None and desk.session is not None and trouble == "budget":
            self._in_background(desk.session.cancel())

    def limited(self, visitor: Visitor, limit: Limited) -> None:
        """Agents try again by themselves; see `verdict`."""

    def made(self, call: Made) -> None:
        """Nothing to be done."""

    @staticmethod
    def _count(desk: Desk, total: Amount) -> None:
        if total.calls:
            desk.metered = counted(total)


def counted(total: Amount) -> Usage:
    """What the gateway counted, as an agent would say it."""
    return Usage(total.tokens.read, total.tokens.output, total.known_usd)


def pointed(launch: Launch, visitor: Visitor, api: str | None, port: int) -> Launch:
    """A launch whose agent finds its models at the gateway, which it reaches at that port, and in no other way."""
    model = ModelEndpoint(f"http://127.0.0.1:{port}", visitor.token)
    env = {name: value for name, value in launch.env.items() if name not in KEYS | ADDRESSES}
    if api is None:  # nobody knows how it finds its model: as most programs do
        env |= pointers(model.url, model.token, visitor.apis)
    return replace(launch, env=env, model=model)


def verdict(desk: Desk) -> AgentFailed | None:
    """Why a turn that is over did not end by itself, as the gateway saw it: money, or a provider's limit."""
    visitor = desk.visitor
    if visitor is not None and visitor.overdrawn is not None:
        return AgentFailed(visitor.overdrawn, reason=FailureReason.BUDGET_EXCEEDED)
    if visitor is not None and visitor.limited is not None:
        return ProviderLimited(visitor.limited.until, visitor.limited.why)
    return None


async def ended(turn: Awaitable[str], desk: Desk) -> str:
    """How a turn ended. Raises AgentFailed, for what the gateway saw where that is the reason."""
    try:
        stop = await turn
    except AgentFailed as failure:
        raise (verdict(desk) or failure) from None
    if seen := verdict(desk):
        raise seen
    return stop
