"""The forge of a run: opened once for all who speak to it, and watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mawep.adapters.git import Repository
from mawep.cli.forging import open_forge
from mawep.clock import Clock
from mawep.config import Config
from mawep.orchestrator import Orchestrator
from mawep.orchestrator.watcher import Watched, Watcher, Watching
from mawep.trackers.base import AllowanceObserver, Forge
from mawep.trackers.registry import FORGES


def has_forge(config: Config) -> bool:
    """True when issues come from a forge."""
    return config.issues.tracker in FORGES


@asynccontextmanager
async def forge_of_run(
    config: Config, repository: Repository, clock: Clock, observer: AllowanceObserver | None = None
) -> AsyncIterator[Forge | None]:
    """The forge that a run's issues come from, patient with its limits; None when they come from elsewhere."""
    if not has_forge(config):
        yield None
        return
    forge = await open_forge(config, repository, clock, observer, patient=True)
    try:
        yield forge
    finally:
        await forge.close()


def watcher_of(
    config: Config,
    forge: Forge | None,
    hall: Orchestrator,
    clock: Clock,
    told: Callable[[Watching], None],
) -> Watcher | None:
    """Who watches the forge of a run, if its issues come from one."""
    if forge is None:
        return None
    github = config.github
    watched = Watched(
        forge,
        every=github.poll_seconds,
        trust=config.issues.trust,
        our_labels=tuple(github.labels.values()),
        told=told,
    )
    return Watcher(watched, hall, clock)
