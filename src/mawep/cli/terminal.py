"""The live view of a run below what is printed, for the process that conducts it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from mawep.cli.showing import console
from mawep.observe import tui
from mawep.observe.readmodel import Status


class Terminal:
    """Standard error as a terminal. `above` is where others write so that the view stays below it."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self.above = _Above(self._console)

    @staticmethod
    def is_there() -> bool:
        """Whether a person watches, on a terminal that can move its cursor."""
        return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    async def show(self, runs: Callable[[], Sequence[tuple[str, Status]]]) -> None:
        """Keep the view up to date until every run is over or this is cancelled."""
        await tui.show(runs, self._console, screen=False)


class _Above(io.StringIO):
    """A stream whose text is printed above the view."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text.strip():
            self._console.print(Text.from_ansi(text.rstrip("\n")), soft_wrap=True)
        return len(text)
