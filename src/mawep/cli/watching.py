"""The forge of a run: opened once for all who speak to it, and watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mawep.adapters.git import Repository
from mawep.cli.forging import open_forge
from mawep.cli.landing import signs_in
from mawep.clock import Clock
from mawep.config import Config
from mawep.orchestrator import Orchestrator
from mawep.orchestrator.proposals import Proposals
from mawep.orchestrator.watcher import Watched, Watcher, Watching
from mawep.trackers.base import AllowanceObserver, Forge
from mawep.trackers.registry import FORGES


def has_forge(config: Config) -> bool:
    """True when issues come from a forge."""
    return config.issues.tracker in FORGES


@asynccontextmanager
async def forge_of_run(
    config: Config,
    repository: Repository,
    clock: Clock,
    observer: AllowanceObserver | None = None,
    learned: Callable[[str], None] = lambda secret: None,
) -> AsyncIterator[Forge | None]:
    """The forge that a run's issues come from, or its work goes to, patient with its limits; None: neither."""
    if not (has_forge(config) or signs_in(config)):
        yield None
        return
    forge = await open_forge(config, repository, clock, observer, patient=True, learned=learned)
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
    if forge is None or not has_forge(config):
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


class Eyes:
    """Everybody who looks at the forge, to be poked when something has happened there."""

    def __init__(self, watcher: Watcher | None) -> None:
        self.watcher = watcher
        self.proposals: Proposals | None = None

    def poke(self, hooked: bool) -> None:
        """Look soon."""
        if self.watcher is not None:
            self.watcher.poke(hooked=hooked)
        if self.proposals is not None:
            self.proposals.poke(hooked)
