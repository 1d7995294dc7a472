"""The receiver of webhooks, as an ASGI application: takes what is signed, new and of this repository, and rings.

A delivery only says that something changed: what it was is read from the forge itself, so nothing that stands in a
delivery reaches anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mawep.reports.markers import MARK
from mawep.state.door_book import DoorBook
from mawep.trackers import webhooks

log = structlog.get_logger("mawep.serve")

MOST_BYTES = 5 * 2**20
"""Bytes of a delivery; what is larger is refused, and seen by the next look all the same."""
BODY_SECONDS = 30.0
"""How long a body may take to come."""
PATH = "/webhooks"


def receiver(
    *,
    secret: str | None,
    repository: str,
    book: DoorBook,
    ring: Callable[[], None],
    health: Callable[[], dict[str, object]],
) -> Starlette:
    """The application. Without a `secret` there is only `/healthz`."""

    async def healthz(request: Request) -> Response:
        return JSONResponse(health())

    async def take(request: Request) -> Response:
        answer = await _taken(request)
        if answer.status_code >= 400:
            log.warning(
                "a delivery is refused",
                status=answer.status_code,
                why=bytes(answer.body).decode(),
                of=request.client.host if request.client else "",
            )
        return answer

    async def _taken(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse("too large, or too slow", 413)
        if not webhooks.genuine(secret or "", body, request.headers.get(webhooks.SIGNATURE, "")):
            return PlainTextResponse("not signed with our secret", 401)
        delivery = request.headers.get(webhooks.DELIVERY, "")
        if not webhooks.well_named(delivery):
            return PlainTextResponse("a delivery without a name", 400)
        event = request.headers.get(webhooks.EVENT, "")
        about = webhooks.repository_of(body)
        if (about or "").casefold() != repository.casefold() and not (event == "ping" and about is None):
            return PlainTextResponse("of another repository", 403)
        if not book.first(delivery):
            return PlainTextResponse("this delivery came before", 409)
        if event not in webhooks.MATTERS or MARK.match(webhooks.comment_of(body)):  # it is our own
            return PlainTextResponse("heard", 200)
        ring()
        return PlainTextResponse("looking", 202)

    routes = [Route("/healthz", healthz, methods=["GET"])]
    if secret is not None:
        routes.append(Route(PATH, take, methods=["POST"]))
    return Starlette(routes=routes)


async def _body(request: Request) -> bytes | None:
    """The whole body; None when it is larger than may be, however large it says it is."""
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MOST_BYTES:
        return None
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > MOST_BYTES:
                    return None
                parts.append(part)
    except (ClientDisconnect, TimeoutError):
        return None
    return b"".join(parts)
