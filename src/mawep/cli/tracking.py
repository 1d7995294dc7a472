"""The tracker that a configuration names, opened and closed again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mawep.adapters.git import Repository
from mawep.clock import SystemClock
from mawep.config import Config
from mawep.trackers.base import Tracker
from mawep.trackers.issue_file import ALONE, Around
from mawep.trackers.registry import FORGES, TRACKERS


@asynccontextmanager
async def tracker_of(
    config: Config, repository: Repository | None, around: Around = ALONE
) -> AsyncIterator[Tracker]:
    """Where the issues come from.

    Raises:
        UsageError: it cannot be told which repository of a forge is meant.
    """
    tracker = await _open(config, repository, around)
    try:
        yield tracker
    finally:
        await tracker.close()


async def _open(config: Config, repository: Repository | None, around: Around) -> Tracker:
    if config.issues.tracker not in FORGES:
        return TRACKERS[config.issues.tracker](config.issues.path, around)
    from mawep.cli.forging import open_forge
    from mawep.trackers.forge_tracker import ForgeTracker

    return ForgeTracker(await open_forge(config, repository, SystemClock()), config.issues.trust, around.near)


def name_of(config: Config) -> str:
    """What people call the place where the issues are."""
    return str(config.issues.path) if config.issues.tracker not in FORGES else config.issues.tracker
