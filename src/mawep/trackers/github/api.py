"""One request at a time to GitHub: signed, limited, conditional, bounded, and every failure by its own name.

`githubkit` carries it; replies are decoded here, and no error of anybody else's leaves this file.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from githubkit import GitHub
from githubkit.auth import BaseAuthStrategy
from githubkit.exception import RateLimitExceeded, RequestError, RequestFailed

from mawep import __version__
from mawep.trackers.base import ForgeError, RateLimited, Refused, Unreachable
from mawep.trackers.failures import MOST_REFUSALS, decoded, refusal, said, unanswered
from mawep.trackers.github.auth import Bearer, Signer
from mawep.trackers.json_values import Json, text, thing, things
from mawep.trackers.limiter import Limiter
from mawep.trackers.transport import Transport

SECONDS = 120
"""For one request, whole; GitHub itself gives up after ten."""
TIMEOUT = httpx.Timeout(30, connect=10)
MOST_PAGES = 200
"""Of a list; a page has a hundred entries."""
KEPT_BYTES = 1 << 25
"""Replies kept for the next time we ask, in all."""
GRAPHQL = "/graphql"
HEADERS = {"X-GitHub-Api-Version": "2022-11-28", "GraphQL-Features": "sub_issues"}


class GraphQLError(ForgeError):
    """GraphQL answered with errors: `kinds` are their types, upper case, `data` is what it gave in spite of them."""

    def __init__(self, message: str, kinds: frozenset[str], data: Json) -> None:
        self.message = message
        self.kinds = kinds
        self.data = data
        super().__init__("the forge refused a query", cause=message)

    @property
    def unsupported(self) -> bool:
        """True when the schema of this server lacks what was asked for."""
        return bool(self.kinds & {"UNDEFINEDFIELD", "UNDEFINEDTYPE", "UNSUPPORTED"})


@dataclass(frozen=True)
class Reply:
    """What came back: `data` is decoded JSON, or None for an empty body."""

    status: int
    headers: Mapping[str, str]
    data: Any
    content: bytes = b""


@dataclass(frozen=True)
class _Kept:
    """A reply for the next time that the same is asked for."""

    headers: dict[str, str]
    content: bytes


@dataclass(frozen=True)
class _Asked:
    """What is asked for; as a text it is what errors say, without parameters."""

    method: str
    path: str
    params: Mapping[str, str | int]
    body: Mapping[str, Any] | None
    writes: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def name(self) -> str:
        """What a reply is kept under."""
        return f"{self.path}?{sorted(self.params.items())}"

    @property
    def resource(self) -> str:
        """Which of the forge's limits it counts against."""
        if self.path == GRAPHQL:
            return "graphql"
        return "search" if self.path.startswith("/search/") else "core"


class Api:
    """GitHub's API through one credential.

    A read is sent with the ETag of what we have; a 304 is answered from that and does not count.
    """

    def __init__(self, api_url: str, signer: Signer, limiter: Limiter) -> None:
        self._url = api_url.rstrip("/")
        # On a company's own server it is beside `/api/v3`.
        self._graphql = self._url.removesuffix("/v3") + GRAPHQL
        self._signer = signer
        self._limiter = limiter
        self._transport = Transport(self._url)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._kept_bytes = 0

    async def get(self, path: str, /, **params: str | int) -> Any:
        """The JSON at `path`."""
        return (await self.reply(path, params)).data

    async def reply(self, path: str, params: Mapping[str, str | int] = {}) -> Reply:
        """The whole reply of a GET."""
        return await self._passed(_Asked("GET", path, params, None, writes=False))

    async def pages(self, path: str, /, key: str = "", **params: str | int) -> AsyncIterator[Json]:
        """Every entry of a list, page by page; `key` is where in an object the list is."""
        asked: dict[str, str | int] = {"per_page": 100, **params}
        for _ in range(MOST_PAGES):
            reply = await self.reply(path, asked)
            if key and thing(reply.data).get("incomplete_results") is True:
                raise Unreachable(f"the forge did not finish its search at {path}")
            for entry in things(thing(reply.data).get(key) if key else reply.data):
                yield entry
            following = _next_page(reply.headers.get("link", ""))
            if not following or following == asked:
                return
            asked = following
        raise Refused(f"the forge lists more than {MOST_PAGES} pages of {path}")

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Change something, and give the JSON that came back."""
        return (await self._passed(_Asked(method, path, {}, body, writes=True))).data

    async def graphql(self, query: str, *, write: bool = False, **variables: Any) -> Json:
        """The `data` of a GraphQL query.

        Raises:
            GraphQLError: it had errors.
        """
        body = {"query": query, "variables": variables}
        reply = await self._passed(_Asked("POST", GRAPHQL, {}, body, writes=write))
        answer = thing(reply.data)
        errors = things(answer.get("errors"))
        if not errors:
            return thing(answer.get("data"))
        message = "; ".join(text(error.get("message"))[:300] for error in errors[:3])
        raise GraphQLError(message, _kinds(answer), thing(answer.get("data")))

    async def token(self) -> str | None:
        """What git signs in with."""
        return await self._signer.token(self._exchange)

    async def login(self) -> str | None:
        """Our login, where `GET /user` does not tell it."""
        return await self._signer.login(self._exchange)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.release()

    async def _exchange(self, method: str, path: str, sign: BaseAuthStrategy) -> Any:
        asked = _Asked(method, path, {}, None, writes=method != "GET")
        return (await self._passed(asked, sign)).data

    async def _passed(self, asked: _Asked, sign: BaseAuthStrategy | None = None) -> Reply:
        """Send when it is allowed; what a limit refused was not carried out and is sent again later."""
        spaced = asked.writes and sign is None
        for _ in range(MOST_REFUSALS):
            signed = sign or Bearer(await self._signer.token(self._exchange))
            async with self._limiter.passage(asked.resource, write=spaced):
                try:
                    return await self._sent(asked, signed)
                except _HadEnoughError as limit:
                    until = self._limiter.refused(asked.resource, limit.headers)
        raise RateLimited(f"the forge refuses {asked} again and again", until=until)

    async def _sent(self, asked: _Asked, sign: BaseAuthStrategy) -> Reply:
        kept = self._kept.get(asked.name) if asked.method == "GET" else None
        client = GitHub(
            sign,
            base_url=self._url,
            user_agent=f"mawep/{__version__}",
            timeout=TIMEOUT,
            http_cache=False,
            auto_retry=False,
            trust_env=False,
            async_transport=self._transport,
        )
        try:
            async with asyncio.timeout(SECONDS):
                response = await client.arequest(
                    asked.method,
                    self._graphql if asked.path == GRAPHQL else self._url + asked.path,
                    params=dict(asked.params),
                    json=asked.body,
                    headers={**HEADERS, **({"If-None-Match": kept.headers["etag"]} if kept else {})},
                )
        except (RequestError, TimeoutError) as error:
            failure = self._failure(error, asked)
        else:
            return self._answered(response.raw_response, asked, kept)
        # Outside of the handler, so that no error of ours carries along the request, which is signed.
        raise failure

    def _answered(self, response: httpx.Response, asked: _Asked, kept: _Kept | None) -> Reply:
        headers = {key.lower(): value for key, value in response.headers.items()}
        self._limiter.answered(asked.resource, headers, free=response.status_code == 304)
        content = response.content
        if response.status_code == 304 and kept is not None:
            self._kept.move_to_end(asked.name)
            headers, content = kept.headers, kept.content
        elif asked.method == "GET" and "etag" in headers:
            self._keep(asked.name, _Kept(headers, content))
        is_json = "json" in headers.get("content-type", "json")
        data = decoded(asked, content, writes=asked.writes) if is_json else None
        if asked.path == GRAPHQL and _kinds(data) & {"RATE_LIMITED", "RATE_LIMIT"}:
            raise _HadEnoughError(headers)
        return Reply(response.status_code, headers, data, b"" if is_json else content)

    def _keep(self, name: str, kept: _Kept) -> None:
        previous = self._kept.pop(name, None)
        self._kept[name] = kept
        self._kept_bytes += len(kept.content) - (len(previous.content) if previous else 0)
        while self._kept_bytes > KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest.content)

    def _failure(self, error: Exception, asked: _Asked) -> Exception:
        if isinstance(error, RequestFailed):
            return self._refusal(error, asked)
        cause = error.exc if isinstance(error, RequestError) else error
        return unanswered(asked, cause, writes=asked.writes)

    def _refusal(self, error: RequestFailed, asked: _Asked) -> Exception:
        response = error.response.raw_response
        headers = {key.lower(): value for key, value in response.headers.items()}
        status, message = response.status_code, said(response)
        if isinstance(error, RateLimitExceeded) or status == 429 or "rate limit" in message.lower():
            return _HadEnoughError(headers)
        self._limiter.answered(asked.resource, headers, free=False)
        if status == 401:
            self._signer.refused()
        return refusal(asked, status, message, writes=asked.writes, leave=_leave(headers))


class _HadEnoughError(Exception):
    """The forge refused a request because of a limit."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        super().__init__("limited")


def _kinds(answer: Any) -> frozenset[str]:
    """Of what types the errors of a GraphQL answer are."""
    return frozenset(
        text(kind).upper()
        for error in things(thing(answer).get("errors"))
        for kind in (error.get("type"), thing(error.get("extensions")).get("code"))
    )


def _next_page(link: str) -> dict[str, str | int]:
    """The parameters of the next page: only they are taken, so that no reply sends us and our token elsewhere."""
    for part in link.split(","):
        address, _, rest = part.partition(";")
        if 'rel="next"' in rest:
            return dict(parse_qsl(urlsplit(address.strip().strip("<>")).query))
    return {}


def _leave(headers: Mapping[str, str]) -> str:
    needed = headers.get("x-accepted-github-permissions") or headers.get("x-accepted-oauth-scopes")
    return f"give the credential these permissions: {needed[:200]}" if needed else "check `github.token`"
