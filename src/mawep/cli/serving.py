"""Wire `mawep serve` together: one server for each repository, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
import uvicorn

from mawep.adapters.process import Supervisor
from mawep.cli.context import Context, open_context
from mawep.cli.doorman import Doorman, Premises, launcher
from mawep.cli.forging import open_forge
from mawep.cli.receiver import PATH, receiver
from mawep.cli.upkeep import ended
from mawep.cli.watching import has_forge
from mawep.clock import SystemClock
from mawep.errors import InfrastructureError, UsageError
from mawep.observe.logging import Logs
from mawep.state.door_book import DoorBook
from mawep.state.runs import home

log = structlog.get_logger("mawep.serve")

CLOSE_SECONDS = 5


class Server(uvicorn.Server):
    """Signals are ours."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()


async def serve_repository(
    path: Path | None, overrides: Sequence[str] | None, *, webhooks: bool, host: str, port: int
) -> int:
    """Serve until SIGINT or SIGTERM; the exit code."""
    context = await open_context(path, overrides)
    config = context.config
    if not has_forge(config):
        raise UsageError(
            f"`issues.tracker` is `{config.issues.tracker}`, which tells nothing",
            next_step="use one that is a forge",
        )
    secret = config.github.webhook_secret if webhooks else None
    if webhooks and secret is None:
        raise UsageError(
            "`github.webhook_secret` is missing: deliveries could not be believed",
            next_step="write `webhook_secret: ${WEBHOOK_SECRET}` below `github`, the same as in the webhook's settings",
        )
    listener = _listen(host, port)
    logs = Logs(config.monitoring.log_level, config.monitoring.log_format, secrets=config.secrets(os.environ))
    try:
        with listener, _alone(home(context.repository.common_dir)):
            await _serve(context, listener, secret, _options(path, overrides), logs.mask)
    finally:
        logs.close()
    return 0


def _options(path: Path | None, overrides: Sequence[str] | None) -> tuple[str, ...]:
    """What a run that is started is told of the configuration."""
    config = ("--config", str(path.absolute())) if path else ()
    return (*config, *(word for text in overrides or () for word in ("--set", text)))


async def _serve(
    context: Context,
    listener: socket.socket,
    secret: str | None,
    options: tuple[str, ...],
    learned: Callable[[str], None],
) -> None:
    config, common_dir, clock = context.config, context.repository.common_dir, SystemClock()
    place = home(common_dir) / "serve"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        book = DoorBook(place / "book.db")
        stack.callback(book.close)
        forge = await open_forge(config, context.repository, clock, learned=learned)
        stack.push_async_callback(forge.close)
        supervisor = await Supervisor.start()
        stack.push_async_callback(supervisor.close)
        premises = Premises(
            forge,
            common_dir,
            book,
            launcher(supervisor, place, Path.cwd()),
            every=config.github.poll_seconds,
            hooked=secret is not None,
            options=options,
        )
        doorman = Doorman(premises, clock)
        application = receiver(
            secret=secret, repository=forge.repository, book=book, ring=doorman.ring, health=doorman.health
        )
        server = Server(
            uvicorn.Config(
                application,
                lifespan="off",
                ws="none",
                loop="none",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=100,
                timeout_graceful_shutdown=CLOSE_SECONDS,
            )
        )
        serving = asyncio.create_task(server.serve([listener]))
        looking = asyncio.create_task(doorman.run())
        stack.push_async_callback(ended, looking)
        with _told_to_end() as over:
            where = "http://{}:{}".format(*listener.getsockname()[:2])
            what = f"{where}{PATH}" if secret is not None else f"{where}/healthz"
            log.info("serving", repository=forge.repository, at=what, webhooks=secret is not None)
            print(what, flush=True)
            first = [asyncio.create_task(over.wait()), serving, looking]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            first[0].cancel()
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        if looking.done() and not looking.cancelled() and (error := looking.exception()) is not None:
            raise error
        log.info("the server ends")


@contextlib.contextmanager
def _told_to_end() -> Iterator[asyncio.Event]:
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    try:
        yield over
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        listener.setblocking(False)
    except OSError as error:
        raise UsageError(f"nothing can listen on {host}:{port}", cause=str(error)) from error
    return listener


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the right to serve this repository."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(directory / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InfrastructureError(f"{directory} cannot be written", cause=str(error)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise UsageError("another `mawep serve` serves this repository") from None
    try:
        yield
    finally:
        os.close(descriptor)
