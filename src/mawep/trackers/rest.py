"""One request at a time to a forge that speaks plain REST: signed, limited, bounded, every failure by its own name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from mawep import __version__
from mawep.trackers.base import RateLimited, Refused
from mawep.trackers.failures import MOST_REFUSALS, decoded, refusal, said, unanswered
from mawep.trackers.json_values import Json, things
from mawep.trackers.limiter import Limiter
from mawep.trackers.transport import Transport

TIMEOUT = httpx.Timeout(60, connect=10)
MOST_PAGES = 500

Params = Mapping[str, str | int | tuple[int, ...]]


class Rest:
    """A forge's API through one token. Redirects are not followed: no reply sends the token elsewhere."""

    def __init__(
        self, api_url: str, token: str | None, limiter: Limiter, *, key: str, size: int, size_key: str
    ) -> None:
        """`key` is where the token stands in the configuration; pages have `size` entries, asked for by `size_key`."""
        self._url = api_url.rstrip("/")
        self._limiter = limiter
        self._leave = f"check `{key}`"
        self._size = size
        self._size_key = size_key
        signed = {"Authorization": f"Bearer {token}"} if token else {}
        self._transport = Transport(self._url)
        self._client = httpx.AsyncClient(
            headers={"User-Agent": f"mawep/{__version__}", "Accept": "application/json", **signed},
            timeout=TIMEOUT,
            trust_env=False,
            transport=self._transport,
        )

    async def get(self, path: str, /, **params: str | int) -> Any:
        """The JSON at `path`."""
        return await self._passed("GET", path, params, None)

    async def pages(self, path: str, params: Params | None = None) -> AsyncIterator[Json]:
        """Every entry of a list, page by page."""
        for page in range(1, MOST_PAGES + 1):
            asked = {**(params or {}), "page": page, self._size_key: self._size}
            entries = things(await self._passed("GET", path, asked, None))
            for entry in entries:
                yield entry
            if len(entries) < self._size:
                return
        raise Refused(f"the forge lists more than {MOST_PAGES} pages of {path}")

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Change something, and give the JSON that came back."""
        return await self._passed(method, path, {}, body)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.release()

    async def _passed(self, method: str, path: str, params: Params, body: Mapping[str, Any] | None) -> Any:
        for _ in range(MOST_REFUSALS):
            async with self._limiter.passage("core", write=method != "GET"):
                reply = await self._sent(method, path, params, body)
            headers = {key.lower(): value for key, value in reply.headers.items()}
            if reply.status_code != 429:
                self._limiter.answered("core", headers, free=False)
                return self._answered(f"{method} {path}", reply, writes=method != "GET")
            until = self._limiter.refused("core", headers)
        raise RateLimited(f"the forge refuses {method} {path} again and again", until=until)

    async def _sent(
        self, method: str, path: str, params: Params, body: Mapping[str, Any] | None
    ) -> httpx.Response:
        try:
            return await self._client.request(method, self._url + path, params=dict(params), json=body)
        except httpx.HTTPError as error:
            failure = unanswered(f"{method} {path}", error, writes=method != "GET")
        raise failure  # outside of the handler, so that it does not carry along the request, which is signed

    def _answered(self, asked: str, reply: httpx.Response, *, writes: bool) -> Any:
        if reply.status_code < 300:
            return decoded(asked, reply.content, writes=writes)
        raise refusal(asked, reply.status_code, said(reply), writes=writes, leave=self._leave)
