"""`python -m benchmarks.gateway`: what the model gateway adds to a call, side by side with calling directly.

Both sides speak HTTP/1.1 over a kept connection to one provider on 127.0.0.1 that answers at once; the gateway's calls
go through its unix socket and put their worst case on the disk first. Prints milliseconds, the ratio, and memory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import psutil

from mawep.clock import SystemClock
from mawep.gateway.gateway import Gateway
from mawep.gateway.ledger import Ledger
from mawep.gateway.prices import load_prices
from mawep.gateway.serve import served
from mawep.gateway.upstreams import upstreams

ANSWER = json.dumps({"type": "message", "usage": {"input_tokens": 10, "output_tokens": 10}}).encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request at once."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            writer.write(HEAD + ANSWER)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def standing(directory: Path, url: str) -> AsyncIterator[Gateway]:
    """A gateway in front of the provider."""
    with contextlib.closing(Ledger.open(directory / "gateway.db")) as ledger:
        gateway = Gateway(
            directory / "s",
            ledger=ledger,
            prices=load_prices(None),
            upstreams=upstreams({"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k"}),
            may_spend=lambda ask: None,
            clock=SystemClock(),
        )
        async with served(gateway):
            yield gateway


async def timed(call: Callable[[], Awaitable[object]]) -> float:
    """How long a call takes, in milliseconds."""
    began = time.perf_counter()
    await call()
    return (time.perf_counter() - began) * 1000


async def measure(options: argparse.Namespace) -> None:
    """Call in turn, directly and through the gateway, and print what it takes."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    body = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "messages": [{"content": "x" * options.bytes}]}
    before = psutil.Process().memory_info().rss
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory) as name:
        async with standing(Path(name), url) as gateway:
            headers = {"x-api-key": gateway.admit(1, 1, "bench", "anthropic").token}
            transport = httpx.AsyncHTTPTransport(uds=str(gateway.socket))
            async with (
                httpx.AsyncClient(base_url=url, timeout=60) as direct,
                httpx.AsyncClient(transport=transport, base_url="http://gateway", timeout=60) as through,
            ):
                sides: dict[str, list[float]] = {"direct": [], "gateway": []}
                for _ in range(options.calls + 10):
                    for side, client in (("direct", direct), ("gateway", through)):
                        sides[side].append(
                            await timed(lambda c=client: c.post("/v1/messages", json=body, headers=headers))
                        )
                began = time.perf_counter()
                await asyncio.gather(
                    *(through.post("/v1/messages", json=body, headers=headers) for _ in range(options.calls))
                )
                rate = options.calls / (time.perf_counter() - began)
        memory = psutil.Process().memory_info().rss
    medians = {side: statistics.median(times[10:]) for side, times in sides.items()}
    worst = {side: statistics.quantiles(times[10:], n=100)[-1] for side, times in sides.items()}
    print(f"calls of {options.bytes} bytes  direct p50 {medians['direct']:.2f} p99 {worst['direct']:.2f} ms")
    print(f"                    gateway p50 {medians['gateway']:.2f} p99 {worst['gateway']:.2f} ms")
    added = medians["gateway"] - medians["direct"]
    print(f"added p50 {added:.2f} ms, ratio {medians['gateway'] / medians['direct']:.2f}")
    print(f"at once: {rate:.0f} calls a second; memory of the process {(memory - before) / 1e6:.0f} MB more")
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--bytes", type=int, default=100_000)
    parser.add_argument("--directory", type=Path, help="where the ledger is; default: $TMPDIR")
    asyncio.run(measure(parser.parse_args()))
