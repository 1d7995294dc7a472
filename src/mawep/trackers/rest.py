"""One request at a time to a forge that speaks plain REST: signed, limited, bounded, every failure by its own name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from mawep import __version__
from mawep.trackers.base import (
    Ambiguous,
    Conflicted,
    ForgeError,
    NotAllowed,
    NotThere,
    RateLimited,
    Refused,
    Unreachable,
)
from mawep.trackers.github.decode import Json, text, thing, things
from mawep.trackers.github.limiter import Limiter

TIMEOUT = httpx.Timeout(60, connect=10)
MOST_BYTES = 1 << 25
"""Of one reply."""
MOST_PAGES = 500
MOST_REFUSALS = 8
"""So often in a row one request is refused for a limit before we give up."""
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_BY_STATUS: Mapping[int, type[ForgeError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotThere,
    409: Conflicted,
    410: NotThere,
}

Params = Mapping[str, str | int | tuple[int, ...]]


@dataclass(frozen=True)
class _Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    reason: str


class Rest:
    """A forge's API through one token. Redirects are not followed: no reply sends the token elsewhere."""

    def __init__(
        self, api_url: str, token: str | None, limiter: Limiter, *, key: str, size: int, size_key: str
    ) -> None:
        """`key` is where the token stands in the configuration; pages have `size` entries, asked for by `size_key`."""
        self._url = api_url.rstrip("/")
        self._limiter = limiter
        self._key = key
        self._size = size
        self._size_key = size_key
        signed = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.AsyncClient(
            headers={"User-Agent": f"mawep/{__version__}", "Accept": "application/json", **signed},
            timeout=TIMEOUT,
            trust_env=False,
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
        await self._client.aclose()

    async def _passed(self, method: str, path: str, params: Params, body: Mapping[str, Any] | None) -> Any:
        for _ in range(MOST_REFUSALS):
            async with self._limiter.passage("core", write=method != "GET"):
                reply = await self._sent(method, path, params, body)
            if reply.status != 429:
                self._limiter.answered("core", reply.headers, free=False)
                return self._answered(method, path, reply)
            until = self._limiter.refused("core", reply.headers)
        raise RateLimited(f"the forge refuses {method} {path} again and again", until=until)

    async def _sent(self, method: str, path: str, params: Params, body: Mapping[str, Any] | None) -> _Reply:
        failure: ForgeError
        try:
            request = self._client.build_request(method, self._url + path, params=dict(params), json=body)
            reply = await self._client.send(request, stream=True)
            try:
                content = b""
                async for piece in reply.aiter_bytes():
                    content += piece
                    if len(content) > MOST_BYTES:
                        raise httpx.ReadError("the answer is too long")
            finally:
                await reply.aclose()
            headers = {key.lower(): value for key, value in reply.headers.items()}
            return _Reply(reply.status_code, headers, content, reply.reason_phrase)
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}"
            if method != "GET" and not isinstance(error, _NEVER_SENT):
                failure = Ambiguous(f"no answer to {method} {path}", cause=reason)
            else:
                failure = Unreachable(f"the forge does not answer {method} {path}", cause=reason)
        raise failure  # outside of the handler, so that it does not carry along the request, which is signed

    def _answered(self, method: str, path: str, reply: _Reply) -> Any:
        asked, status = f"{method} {path}", reply.status
        try:
            data = msgspec.json.decode(reply.content) if reply.content else None
        except (msgspec.DecodeError, RecursionError):
            data = None
            if status < 300:
                unclear = Unreachable if method == "GET" else Ambiguous
                raise unclear(f"the answer to {asked} makes no sense", cause="it is no JSON") from None
        if status < 300:
            return data
        said = f"{status} {_message(data) or reply.reason}"
        if status >= 500 and method != "GET":
            raise Ambiguous(f"no clear answer to {asked}", cause=said)
        if status >= 500:
            raise Unreachable(f"the forge is in trouble: {asked}", cause=said)
        kind = _BY_STATUS.get(status, Refused)
        if kind is NotAllowed:
            raise NotAllowed(f"{asked} is not allowed", cause=said, next_step=f"check `{self._key}`")
        raise kind(f"the forge refuses {asked}", cause=said)


def _message(data: Any) -> str:
    """What the forge says itself, short; it goes into errors and logs."""
    found = thing(data).get("message") or thing(data).get("error")
    said = text(found) if isinstance(found, str) else msgspec.json.encode(found).decode() if found else ""
    return " ".join(said.split())[:300]
