"""The tracker that a configuration names, opened and closed again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mawep.adapters.git import Repository
from mawep.config import Config
from mawep.trackers.base import Tracker
from mawep.trackers.registry import TRACKERS


@asynccontextmanager
async def tracker_of(config: Config, repository: Repository | None) -> AsyncIterator[Tracker]:
    """Where the issues come from.

    Raises:
        UsageError: it cannot be told which repository of a forge is meant, or how to sign in.
    """
    tracker = TRACKERS[config.issues.tracker](config.issues.path)
    try:
        yield tracker
    finally:
        await tracker.close()


def name_of(config: Config, repository: Repository | None) -> str:
    """What people call the place where the issues are."""
    return str(config.issues.path)
