"""How bytes travel: connections kept across requests, and no reply taken in that is larger than we can hold."""

from __future__ import annotations

import urllib.request
import zlib
from collections.abc import AsyncIterable
from urllib.parse import urlsplit

import httpx

from mawep.adapters.finishing import finished

MOST_BYTES = 1 << 25
"""A hundred issues with the longest text that GitHub takes are not larger."""
_OF_THE_ENCODING = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class ReplyTooLargeError(httpx.ReadError):
    """A reply has more bytes than we take in."""


class Transport(httpx.AsyncBaseTransport):
    """Reads each reply whole, unpacked, up to `MOST_BYTES`.

    The client makes a new `httpx.AsyncClient` for every request and closes it; connections outlive that and are
    closed by `release`.
    """

    def __init__(self, base_url: str) -> None:
        self._inner = httpx.AsyncHTTPTransport(proxy=_proxy(base_url))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["Accept-Encoding"] = "gzip"
        response = await self._inner.handle_async_request(request)
        try:
            if not isinstance(response.stream, httpx.AsyncByteStream):
                raise TypeError("the transport gave a reply that is not asynchronous")
            packed = response.headers.get("content-encoding", "").lower() == "gzip"
            content = await _read(response.stream, packed, request)
        finally:
            await response.aclose()
        headers = [
            (name, value)
            for name, value in response.headers.raw
            if name.lower().decode() not in _OF_THE_ENCODING
        ]
        return httpx.Response(
            response.status_code, headers=headers, content=content, extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Connections stay for the next request."""

    async def release(self) -> None:
        """Close all connections."""
        await finished(self._inner.aclose())


async def _read(stream: AsyncIterable[bytes], packed: bool, request: httpx.Request) -> bytes:
    unpack = zlib.decompressobj(wbits=31)
    whole = bytearray()
    async for chunk in stream:
        try:
            whole += unpack.decompress(chunk, MOST_BYTES + 1 - len(whole)) if packed else chunk
        except zlib.error as error:
            raise httpx.DecodingError(f"the reply cannot be unpacked: {error}", request=request) from None
        if len(whole) > MOST_BYTES:
            raise ReplyTooLargeError(f"the reply is longer than {MOST_BYTES} bytes", request=request)
    return bytes(whole)


def _proxy(base_url: str) -> str | None:
    """The proxy that the environment names for this address."""
    parts = urlsplit(base_url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
