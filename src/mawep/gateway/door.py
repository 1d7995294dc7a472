"""One request at the gateway's door: checked, forwarded, metered, and its answer passed on as it comes."""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from mawep.adapters.seldom import worth_telling
from mawep.errors import InfrastructureError
from mawep.gateway.gateway import (
    MOST_CALLS,
    MOST_HELD_BYTES,
    MOST_WAITING,
    Gateway,
    Made,
    Outcome,
    Visitor,
)
from mawep.gateway.ledger import Reservation
from mawep.gateway.shapes import SHAPES
from mawep.gateway.shapes.base import Asked, Call, Meter, Refused, Shape
from mawep.gateway.throttle import limited
from mawep.gateway.upstreams import Upstream
from mawep.gateway.values import NOTHING, Tokens

if TYPE_CHECKING:
    import httpx
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

log = structlog.get_logger("mawep.gateway")

MOST_BYTES = 32 * 1024 * 1024
"""A longer request is refused; providers take no longer ones either."""
BODY_SECONDS = 120.0
MOST_OF_AN_ERROR = 256 * 1024
"""Bytes of a provider's error that are passed on; a longer one is cut."""

ASKED_WITH = re.compile(
    r"accept|content-type|user-agent|anthropic-(?:version|beta)|openai-beta|x-goog-api-client|x-app|originator|"
    r"session_id|conversation_id|x-stainless-[\w-]+"
)
"""Headers of a request that are passed on. None of them can name another account, project or key."""
ANSWERED_WITH = re.compile(
    r"content-type|content-length|cache-control|retry-after(?:-ms)?|x-should-retry|request-id|x-request-id|date|"
    r"anthropic-[\w-]+|openai-(?:processing-ms|version|model)|x-ratelimit-[\w-]+|x-goog-[\w-]+|x-codex-[\w-]+"
)
PLAIN = re.compile(r"/[A-Za-z0-9_.:@/-]*")


class Door:
    """The ASGI application behind the gateway's socket."""

    def __init__(self, gateway: Gateway, client: httpx.AsyncClient) -> None:
        self._gateway = gateway
        self._client = client
        self._strangers = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        from starlette.requests import ClientDisconnect, Request

        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        visitor, api = None, _guess(request)
        try:
            visitor = self._gateway.visitor(_token(request))
            if visitor is None:
                raise Refused("token", "this token is not, or no longer, one of an attempt of MAWEP's")
            if api not in visitor.apis:
                api = next(iter(visitor.apis), api)
            shape, upstream = SHAPES[api], self._gateway.upstreams[api]
            with _under_way(visitor) as load:
                async with visitor.places:
                    path, query = _path(request), dict(request.query_params)
                    asked = Asked(request.method, path, query, await _body(request, load))
                    passage = _Passage(self._gateway, visitor, upstream, shape, shape.call(asked))
                    await self._until_gone(receive, self._account_for(passage, request, send))
        except Refused as refusal:
            await self._refuse(visitor, api, refusal, send)
        except ClientDisconnect:
            return  # in the middle of its request
        except InfrastructureError as error:
            log.error("model call not made", cause=str(error))  # noqa: TRY400
            await self._refuse(visitor, api, Refused("upstream", f"MAWEP: {error.what}"), send)

    async def _refuse(self, visitor: Visitor | None, api: str, refusal: Refused, send: Send) -> None:
        from starlette.responses import Response

        status, body = SHAPES[api].refusal(refusal.trouble, refusal.why)
        if self._worth_telling(visitor):
            log.warning(
                "model call refused",
                issue=visitor.issue if visitor else None,
                attempt=visitor.attempt if visitor else None,
                reason=refusal.trouble,
                why=refusal.why[:300],
            )
        self._gateway.refused(visitor, api, refusal)
        headers = {"x-should-retry": "true" if refusal.trouble in {"busy", "upstream"} else "false"}
        response = Response(body, status, headers, "application/json")
        await send({"type": "http.response.start", "status": status, "headers": response.raw_headers})
        await send({"type": "http.response.body", "body": body})

    def _worth_telling(self, visitor: Visitor | None) -> bool:
        """True while the log is not flooded by this visitor; those without a token count as one."""
        if visitor is None:
            self._strangers += 1
            return worth_telling(self._strangers)
        visitor.told += 1
        return worth_telling(visitor.told)

    async def _until_gone(self, receive: Receive, work: Any) -> None:
        """Do the work; give it up when whoever asked for it has gone."""
        working = asyncio.ensure_future(work)
        watching = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            if not working.cancelled() and (error := working.exception()):
                raise error
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)

    async def _account_for(self, passage: _Passage, request: Request, send: Send) -> None:
        """Make the call on the visitor's account, and settle what it consumed, however it ends."""
        await passage.reserve()
        began = time.monotonic()
        try:
            await passage.go(self._client, request, send)
        finally:
            passage.settle(time.monotonic() - began)


class _Passage:
    """One call on its way to the provider and back."""

    def __init__(
        self, gateway: Gateway, visitor: Visitor, upstream: Upstream, shape: Shape, call: Call
    ) -> None:
        self._gateway = gateway
        self._visitor = visitor
        self._upstream = upstream
        self._shape = shape
        self._call = call
        self._made: Reservation | None = None
        self._outcome: Outcome = "cut"
        self._free = False
        self._meter: Meter | None = None

    async def reserve(self) -> None:
        """Put the call on the books, if it costs. Raises Refused."""
        if self._call.stripped:
            log.debug("taken out of a model call", issue=self._visitor.issue, fields=self._call.stripped[:20])
        if self._call.metered:
            self._made = await self._gateway.reserve(self._visitor, self._upstream.api, self._call)

    def settle(self, seconds: float) -> None:
        """Put on the books what the call consumed: what its answer says, else what it can have been at most."""
        used = NOTHING
        if self._made is not None:
            said = Tokens() if self._free else self._meter.used() if self._meter else None
            worst = self._made.worst.tokens
            tokens = said or (self._meter.at_most(worst) if self._meter else worst)
            used = self._gateway.settle(self._visitor, self._made, tokens, cut=said is None)
        self._gateway.made(self._visitor, Made(self._upstream.api, self._outcome, None, seconds, used))

    async def go(self, client: httpx.AsyncClient, request: Request, send: Send) -> None:
        """Pass the request on, and its answer back.

        Raises:
            Refused: the provider cannot be reached.
        """
        import httpx

        call, upstream = self._call, self._upstream
        outgoing = client.build_request(
            call.method,
            upstream.base + call.path,
            params=dict(call.query) or None,
            headers=_headers(request, self._shape, upstream, call),
            content=call.body or None,
        )
        try:
            answer = await client.send(outgoing, stream=True)
        except httpx.HTTPError as error:
            self._outcome = "failed"
            self._free = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)  # it was never asked
            raise _unreachable(upstream, error) from None
        try:
            if not answer.is_success:
                self._free, self._outcome = True, "failed"  # providers do not charge for what they refuse
                await self._pass_error(answer, send)
            else:
                self._meter = self._shape.meter(call, answer.headers.get("content-type", ""))
                await self._pass_on(answer, send)
        except httpx.HTTPError as error:  # whoever asked sees that the answer breaks off
            log.warning("the provider broke off", api=upstream.api, cause=repr(error))
        finally:
            await answer.aclose()

    async def _pass_on(self, answer: httpx.Response, send: Send) -> None:
        headers = _answered(answer)
        if self._call.stripped:
            names = ", ".join(self._call.stripped).encode("ascii", "replace")[:500].replace(b"\n", b" ")
            headers.append((b"x-mawep-taken-out", re.sub(rb"[^ -~]", b"?", names)))
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        async for piece in answer.aiter_bytes():
            if self._meter is not None:
                self._meter.feed(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        self._outcome = "answered"
        await send({"type": "http.response.body", "body": b""})

    async def _pass_error(self, answer: httpx.Response, send: Send) -> None:
        upstream = self._upstream
        seen = bytearray()
        whole = True
        async for piece in answer.aiter_bytes():
            if len(seen) > MOST_OF_AN_ERROR:
                whole = False
                break
            seen += piece
        body = bytes(seen)
        if upstream.key:  # a provider may quote what it was sent
            body = body.replace(upstream.key.encode(), b"[key]")
        headers = [(name, value) for name, value in _answered(answer) if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        if not whole:
            log.warning("a long error of the provider was cut", api=upstream.api)
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        found = limited(
            upstream.api,
            answer.status_code,
            {name.lower(): value for name, value in answer.headers.items()},
            body,
            self._gateway.clock.now(),
        )
        log.warning(
            "the provider refused a model call",
            api=upstream.api,
            status=answer.status_code,
            issue=self._visitor.issue,
            until=found.until.isoformat() if found and found.until else None,
        )
        if found is not None:
            self._gateway.limited(self._visitor, found)


async def _gone(receive: Receive) -> None:
    """Return when whoever asked has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


@dataclass
class _Load:
    """What one request of a visitor's holds in memory."""

    visitor: Visitor
    bytes: int = 0

    def add(self, more: int) -> None:
        """Take more bytes in. Raises Refused."""
        self.bytes += more
        self.visitor.held += more
        if self.visitor.held > MOST_HELD_BYTES:
            raise Refused("busy", f"requests under way may have {MOST_HELD_BYTES:,} bytes together")


@contextmanager
def _under_way(visitor: Visitor) -> Iterator[_Load]:
    """Let the visitor's dismissal end what this task does. Raises Refused when too much is under way."""
    if len(visitor.calls) >= MOST_CALLS + MOST_WAITING:
        raise Refused("busy", "too many calls at once; wait for their answers")
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a request is answered by a task")
    load = _Load(visitor)
    visitor.calls.add(task)
    try:
        yield load
    finally:
        visitor.calls.discard(task)
        visitor.held -= load.bytes


def _guess(request: Request) -> str:
    """The API that is probably meant."""
    path = request.url.path
    if "anthropic-version" in request.headers or path.startswith("/v1/messages"):
        return "anthropic"
    google = "key" in request.query_params or "x-goog-api-key" in request.headers
    return "gemini" if google or path.startswith("/v1beta/") else "openai"


def _token(request: Request) -> str:
    """The token, wherever the clients of a provider put their key; empty when there is none."""
    kind, _, bearer = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    for name in (name for shape in SHAPES.values() for name in shape.tokens_in):
        if request.headers.get(name):
            return request.headers[name]
    return request.query_params.get("key", "")


def _path(request: Request) -> str:
    path = request.url.path
    if not PLAIN.fullmatch(path) or ".." in path.split("/"):
        raise Refused("path", "the address of the request is not let through by MAWEP's gateway")
    return path


async def _body(request: Request, load: _Load) -> bytes:
    """The body, uncompressed. Raises Refused."""
    taken = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in _unpacked(request):
                taken += piece
                load.add(len(piece))
                if len(taken) > MOST_BYTES:
                    raise Refused("size", f"a request may have {MOST_BYTES:,} bytes at most")
    except TimeoutError:
        raise Refused("request", f"the request did not come within {BODY_SECONDS:.0f} s") from None
    return bytes(taken)


async def _unpacked(request: Request) -> AsyncIterator[bytes]:
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        async for piece in request.stream():
            yield piece
        return
    if encoding != "gzip":
        raise Refused("request", f"MAWEP's gateway takes no requests in the encoding {encoding[:20]}")
    packed = zlib.decompressobj(wbits=31)
    try:
        async for piece in request.stream():
            yield packed.decompress(piece, MOST_BYTES + 1)
            if packed.unconsumed_tail:
                raise Refused("size", f"a request may have {MOST_BYTES:,} bytes at most")
    except zlib.error:
        raise Refused("request", "the body of the request is not what its encoding says") from None


def _headers(request: Request, shape: Shape, upstream: Upstream, call: Call) -> dict[str, str]:
    headers = {name: value for name, value in request.headers.items() if ASKED_WITH.fullmatch(name)}
    headers["accept-encoding"] = "identity"
    if call.body:
        headers["content-type"] = "application/json"
    if upstream.key is not None:
        bearer = {"authorization": f"Bearer {upstream.key}"}
        headers |= bearer if upstream.bearer else shape.key_headers(upstream.key)
    return headers


def _answered(answer: httpx.Response) -> list[tuple[bytes, bytes]]:
    unpacked = "content-encoding" in answer.headers  # then its length is another here
    return [
        (name.lower(), value)
        for name, value in answer.headers.raw
        if ANSWERED_WITH.fullmatch(name.lower().decode("latin-1"))
        and not (unpacked and name.lower() == b"content-length")
    ]


def _unreachable(upstream: Upstream, error: Exception) -> Refused:
    log.warning("the provider cannot be reached", api=upstream.api, cause=repr(error))
    return Refused(
        "upstream", f"MAWEP's gateway cannot reach the {upstream.api} provider: {type(error).__name__}"
    )
