"""The terminal's view of a run: a whole screen for `mawep watch`, a few lines for `mawep start`.

Off a terminal there is no view: each event that matters is one plain line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live as Display
from rich.table import Table
from rich.text import Text

from mawep.core import events as ev
from mawep.core.state import State
from mawep.observe import at_work, panels
from mawep.observe.readmodel import Phase, Status
from mawep.observe.words import describe, noteworthy

REFRESH = 0.25
"""Seconds between two looks at the status."""
FRAME = 2
LEAST_WIDTH, LEAST_HEIGHT = 20, 4
TALL = 40
"""Lines from which agents have room for a second line each."""
WIDE = 110
"""Columns from which claims have a frame of their own beside agents and landing."""

Named = Sequence[tuple[str, Status]]
"""Runs that go on at once, each with the name of its repository; one alone needs none."""


def render(status: Status, width: int, height: int, tz: tzinfo | None = None) -> RenderableType:
    """The whole screen: header, issues, agents, landing, claims and events in exactly the room there is.

    Times of events are shown in `tz`, by default the machine's own time zone.
    """
    width, height = max(width, LEAST_WIDTH), max(height, LEAST_HEIGHT)
    head = panels.header(status, width)
    room = height - len(head)
    if room < 3 * FRAME + 4:
        return Group(*head, panels.issue_table(status, width, room))
    events = _share(len(status.events), room // 6, least=2) + FRAME
    below = _share(_busiest(status, width), room // (3 if height >= TALL else 5), least=1) + FRAME
    if room - events - below < FRAME + 3:
        below = 0
    issues = min(max(len(status.issues), 1) + FRAME, room - events - below)
    events = room - issues - below
    return Group(
        *head,
        panels.framed(panels.issue_table(status, width - 2 * FRAME, issues - FRAME), "Issues", issues),
        *([_side_by_side(status, width, below)] if below else []),
        panels.framed(panels.event_list(status, events - FRAME, tz), "Events", events),
    )


def compact(status: Status, width: int, height: int) -> RenderableType:
    """A few lines below what is printed anyway: the header, the issues that go on, the newest event."""
    width = max(width, LEAST_WIDTH)
    head = panels.header(status, width)
    rows = min(len(status.issues), 12, max(height - len(head) - 3, 1))
    lines: list[RenderableType] = [*head, panels.issue_table(status, width, rows)]
    if status.events:
        newest = Text(f" {status.events[-1].text}", "bright_black", no_wrap=True, overflow="ellipsis")
        lines.append(newest)
    return Group(*lines)


def several(runs: Named, width: int, height: int, *, screen: bool) -> RenderableType:
    """All runs, one below the other in the room there is; of more than one a few lines each."""
    if len(runs) == 1 and screen:
        return render(runs[0][1], width, height)
    parts: list[RenderableType] = []
    for name, status in runs:
        if name:
            parts.append(Text(f" {name}", "bold", no_wrap=True, overflow="ellipsis"))
        parts.append(compact(status, width, height // len(runs) - bool(name)))
    return Group(*parts)


async def show(
    get_runs: Callable[[], Named],
    console: Console,
    *,
    screen: bool = True,
    refresh: float = REFRESH,
) -> Named:
    """Show runs until they are over or no process conducts them any more; how they stood at last.

    `screen`: on a screen of its own, which is given back at the end. Otherwise below what was printed, and
    the lines are taken away at the end. It can be cancelled at any time.
    """
    with Display(
        console=console, screen=screen, auto_refresh=False, transient=True, vertical_overflow="crop"
    ) as display:
        while True:
            runs = get_runs()
            display.update(several(runs, console.width, console.height, screen=screen), refresh=True)
            if all(status.phase is Phase.ENDED or not status.alive for _, status in runs):
                return runs
            await asyncio.sleep(refresh)


class Lines:
    """One plain line for each event that matters: what there is to see where there is no terminal."""

    def __init__(self, stream: TextIO, tz: tzinfo | None = None, name: str = "") -> None:
        """`name` is that of the repository, where there are several."""
        self._stream = stream
        self._tz = tz
        self._name = f"{name}  " if name else ""

    def witness(self, recorded: ev.Recorded, state: State) -> None:
        """Print the event."""
        if noteworthy(recorded.event):
            line = f"{recorded.at.astimezone(self._tz):%H:%M:%S}  {self._name}{describe(recorded)}"
            encoding = self._stream.encoding or "utf-8"
            print(line.encode(encoding, "replace").decode(encoding), file=self._stream, flush=True)


def _share(wanted: int, most: int, least: int) -> int:
    return max(least, min(wanted, most))


def _busiest(status: Status, width: int) -> int:
    """Lines that the longest of the parts side by side would like to have."""
    busy = {agent.issue for agent in status.agents} - {None}
    told = sum(1 + bool(at_work.summary(issue)) for issue in status.issues if issue.number in busy)
    free = len(busy) < len(status.agents)
    landing = (
        bool(status.landing.batch)
        + len(status.landing.aside)
        + bool(status.landing.queue)
        + len(status.gates)
    )
    return max(told + free, landing, len(status.claims) if width >= WIDE else 0)


def _side_by_side(status: Status, width: int, height: int) -> RenderableType:
    rows = height - FRAME
    parts = [
        panels.framed(panels.agent_table(status, rows), "Agents", height),
        panels.framed(panels.landing_table(status, rows), "Landing", height),
    ]
    if width >= WIDE:
        parts.append(panels.framed(panels.claim_table(status, rows), "Claims", height))
    grid = Table.grid(expand=True)
    for _ in parts:
        grid.add_column(ratio=1)
    grid.add_row(*parts)
    return grid
