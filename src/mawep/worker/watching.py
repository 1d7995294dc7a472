"""While a turn goes on, its worktree is watched: what the agent changes is told, whatever way it writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from mawep.adapters.git import Repository
from mawep.clock import Clock
from mawep.stages.attempt import Changed
from mawep.worker.desk import Desk
from mawep.worker.mishaps import logged

LOOK_SECONDS = 1.0
LOOK_SHARE = 0.02
"""Looking at the files of an attempt may take this share of the time."""


@contextlib.asynccontextmanager
async def watched(desk: Desk, repository: Repository, clock: Clock) -> AsyncIterator[None]:
    """Tell the desk's turn what changes while the block runs, and at its end what changed last."""
    if desk.changed is None:
        desk.changed = Changed(repository.worktree(desk.at.path, None))
    else:
        await logged("changed files not seen", desk.changed.look())  # between turns it was not the agent
    task = asyncio.create_task(_watch(desk, desk.changed, clock))
    try:
        yield
        await _look(desk, desk.changed)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(desk: Desk, changed: Changed, clock: Clock) -> None:
    pause = LOOK_SECONDS
    while True:
        await clock.sleep(pause)
        began = clock.awake()
        await _look(desk, changed)
        pause = max(LOOK_SECONDS, (clock.awake() - began) / LOOK_SHARE)


async def _look(desk: Desk, changed: Changed) -> None:
    """What cannot be seen now costs the warning, not the turn."""
    files = await logged("changed files not seen", changed.look())
    if files and desk.turn is not None:
        desk.turn.changed(files)
