"""As whom we speak: a token that was given, or one that an App's installation is given for an hour and renews.

Tokens are shown to nobody: neither the texts of errors nor the repr of anything here has one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any, Protocol

import httpx
import jwt
from githubkit import GitHubCore
from githubkit.auth import BaseAuthStrategy

from mawep.clock import Clock
from mawep.trackers.base import App, ForgeError, NotAllowed
from mawep.trackers.json_values import moment

MARGIN = timedelta(minutes=5)
"""A token is renewed that long before it ends: what began with it has to end with it."""


class Bearer(BaseAuthStrategy, httpx.Auth):
    """Signs a request with a token, or with nothing."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def get_auth_flow(self, github: GitHubCore[Any]) -> httpx.Auth:
        return self

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign one request."""
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class Exchange(Protocol):
    """Sends a request under another sign-in than the usual one, and gives what came back, decoded."""

    async def __call__(self, method: str, path: str, sign: BaseAuthStrategy) -> Any: ...


class Signer(Protocol):
    """Knows what requests are signed with."""

    async def token(self, exchange: Exchange) -> str | None:
        """A token that is good for some minutes; None: we are nobody."""
        ...

    def refused(self) -> None:
        """The forge did not accept the token: the next one is asked for anew, where it can be."""
        ...

    async def login(self, exchange: Exchange) -> str | None:
        """Our login, where it cannot be asked for like a person's."""
        ...


class Given:
    """A token from the configuration, or none."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    async def token(self, exchange: Exchange) -> str | None:
        return self._token

    def refused(self) -> None:
        """There is no other."""

    async def login(self, exchange: Exchange) -> str | None:
        return None


class Installation:
    """A GitHub App, through one of its installations."""

    def __init__(self, app: App, clock: Clock, learned: Callable[[str], None]) -> None:
        """`learned` is told of every token."""
        self._app = app
        self._learned = learned
        self._clock = clock
        self._current: tuple[str, datetime] | None = None
        self._renewing = asyncio.Lock()

    async def token(self, exchange: Exchange) -> str:
        async with self._renewing:
            if self._current is None or self._clock.now() + MARGIN >= self._current[1]:
                self._current = await self._renew(exchange)
            return self._current[0]

    def refused(self) -> None:
        self._current = None

    async def login(self, exchange: Exchange) -> str | None:
        found = await exchange("GET", "/app", self._as_app())
        slug = found.get("slug") if isinstance(found, dict) else None
        return f"{slug}[bot]" if isinstance(slug, str) else None

    async def _renew(self, exchange: Exchange) -> tuple[str, datetime]:
        path = f"/app/installations/{self._app.installation}/access_tokens"
        found = await exchange("POST", path, self._as_app())
        token = found.get("token") if isinstance(found, dict) else None
        if not isinstance(token, str) or not token:
            raise ForgeError(f"the forge gave no token for installation {self._app.installation}")
        self._learned(token)
        # Some servers say when with milliseconds, some do not say; an hour is what GitHub gives.
        until = moment(found.get("expires_at")) or self._clock.now() + timedelta(hours=1)
        return token, until

    def _as_app(self) -> Bearer:
        now = int(self._clock.now().timestamp())
        claims = {"iss": str(self._app.id), "iat": now - 60, "exp": now + 540}
        try:
            signed = jwt.encode(claims, self._app.private_key, algorithm="RS256")
        except Exception:  # whatever it says may show a part of the key
            unusable = NotAllowed(
                "the private key of the GitHub App cannot be used",
                next_step="name the PEM file that GitHub gave you in `github.app.private_key_path`",
            )
        else:
            self._learned(signed)
            return Bearer(signed)
        raise unusable
