"""Where a process that conducts runs speaks: its log, and on standard error a live view or one line an event."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from types import TracebackType

from mawep.cli.terminal import Terminal
from mawep.config import Config
from mawep.core import events as ev
from mawep.core.state import State
from mawep.observe import tui
from mawep.observe.logging import Logs
from mawep.observe.readmodel import Status
from mawep.orchestrator.hall import Witness


class Outlet:
    """Shared by all runs of the process, as an asynchronous context.

    A terminal sees the live view, anything else one line an event, unless the configuration wants JSON.
    """

    def __init__(self, configs: Sequence[Config]) -> None:
        monitoring = configs[0].monitoring
        self._as_json = monitoring.log_format == "json"
        self.terminal = Terminal() if Terminal.is_there() and not self._as_json else None
        self.logs = Logs(
            monitoring.log_level,
            monitoring.log_format,
            stream=self.terminal.above if self.terminal else None,
            secrets={secret for config in configs for secret in config.secrets(os.environ)},
            aside=() if self._as_json else ("mawep.events",),
        )
        self._statuses: dict[str, Callable[[], Status]] = {}
        self._view: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Outlet:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._view is not None:
            self._view.cancel()
            await asyncio.gather(self._view, return_exceptions=True)
        self.logs.close()

    def lines(self, name: str) -> tuple[Witness, ...]:
        """Who prints the events of a run, where no view shows them; `name` stands before each, if it has one."""
        if self.terminal is not None or self._as_json:
            return ()

        def tell(recorded: ev.Recorded, state: State) -> None:
            with contextlib.suppress(OSError, ValueError):  # nobody reads it any more; the run goes on
                tui.Lines(sys.stderr, name=name).witness(recorded, state)

        return (tell,)

    def show(self, name: str, status: Callable[[], Status]) -> None:
        """Keep the run in the live view until it is over."""
        self._statuses[name] = status
        if self.terminal is None or self._view is not None:
            return
        self._view = asyncio.ensure_future(self.terminal.show(self._all))

    def _all(self) -> list[tuple[str, Status]]:
        return [(name, status()) for name, status in self._statuses.items()]
