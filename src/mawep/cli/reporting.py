"""What a run has done outside and says there, as the configuration wants it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from mawep.adapters.git import Repository
from mawep.agents.redaction import Redactor
from mawep.cli.upkeep import ended
from mawep.clock import Clock
from mawep.config import Config
from mawep.observe.live import Live
from mawep.orchestrator import Orchestrator
from mawep.orchestrator.errands import Errands
from mawep.orchestrator.reporter import CERTAIN, Reporter, Reporting
from mawep.state.clone_key import clone_key
from mawep.state.outbox import Outbox
from mawep.state.runs import RunDirectory
from mawep.trackers.base import Forge
from mawep.trackers.registry import FORGES


@contextlib.contextmanager
def outbox_of(directory: RunDirectory, clock: Clock) -> Iterator[Outbox]:
    """What was done outside for a run. Raises OutboxError."""
    outbox = Outbox(directory.outbox, clock, certain=CERTAIN)
    try:
        yield outbox
    finally:
        outbox.close()


@asynccontextmanager
async def reporter_of(
    config: Config,
    repository: Repository,
    outbox: Outbox | None,
    forge: Forge | None,
    hall: Orchestrator,
    live: Live,
    clock: Clock,
) -> AsyncIterator[Reporter | None]:
    """Who tells the forge that issues come from about the run, to its end and a bounded while longer."""
    if forge is None or outbox is None or config.issues.tracker not in FORGES:
        yield None
        return
    reporter = Reporter(
        forge,
        outbox,
        reporting(config, hall),
        secret=clone_key(repository.common_dir),
        state=lambda: hall.state,
        live=live,
        clock=clock,
        hide=Redactor(config.secrets(os.environ)).text,
    )
    hall.attend(reporter.witness)
    task = asyncio.create_task(reporter.run())
    try:
        yield reporter
    finally:
        try:
            await reporter.finish()
        finally:
            await ended(task)


def errands_of(config: Config, forge: Forge | None, reporter: Reporter | None) -> Errands | None:
    """Who goes to the forge for agents, if issues come from one."""
    return None if forge is None or reporter is None else Errands(forge, reporter, config.issues.trust)


def reporting(config: Config, hall: Orchestrator) -> Reporting:
    """How it is reported; the template is that of the run's beginning."""
    github = config.github
    return Reporting(
        every=config.agents.update_frequency_minutes * 60,
        template=json.loads(hall.state.settings)["templates"].get("update"),
        labels=github.labels,
        summary=github.summary_issue,
    )
