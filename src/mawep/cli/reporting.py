"""What a run has done outside and says there, as the configuration wants it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog

from mawep.adapters.git import Repository
from mawep.agents.redaction import Redactor
from mawep.cli.forging import open_forge
from mawep.cli.upkeep import ended
from mawep.clock import Clock
from mawep.config import Config
from mawep.core.engine import replay
from mawep.core.state import State
from mawep.errors import UsageError
from mawep.observe.live import Live
from mawep.orchestrator import Orchestrator
from mawep.orchestrator.errands import Errands
from mawep.orchestrator.reporter import CERTAIN, Reporter, Reporting
from mawep.state import journal as journals
from mawep.state.clone_key import clone_key
from mawep.state.journal import Journal
from mawep.state.outbox import Outbox, OutboxError, written
from mawep.state.runs import RunDirectory, RunSummary, list_runs
from mawep.trackers.base import Forge
from mawep.trackers.registry import FORGES

log = structlog.get_logger("mawep.reporting")


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
    reporter = _reporter(config, repository, outbox, forge, lambda: hall.state, live, clock)
    await reporter.promise()
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


async def tell_the_rest(config: Config, repository: Repository, run: RunSummary, clock: Clock) -> int:
    """Tell the forge what a run that has ended still owes; how many reports are left.

    Raises:
        JournalError: another process is at it.
        UsageError: it cannot be told which repository is meant, or how to sign in.
    """
    if config.issues.tracker not in FORGES:
        raise UsageError(
            f"Run {run.directory.run} took its issues from a forge, which does not know all of it yet",
            next_step="name that forge as `issues.tracker`",
        )
    journal = Journal.open(run.directory.journal)  # nobody else may have the outbox open
    try:
        state = replay(journals.read(run.directory.journal))
        forge = await open_forge(config, repository, clock)
        try:
            with outbox_of(run.directory, clock) as outbox:
                reporter = _reporter(config, repository, outbox, forge, lambda: state, Live(), clock)
                return await reporter.finish()
        finally:
            await forge.close()
    finally:
        journal.close()


def _reporter(
    config: Config,
    repository: Repository,
    outbox: Outbox,
    forge: Forge,
    state: Callable[[], State],
    live: Live,
    clock: Clock,
) -> Reporter:
    return Reporter(
        forge,
        outbox,
        reporting(config, state()),
        secret=clone_key(repository.common_dir),
        state=state,
        live=live,
        clock=clock,
        hide=Redactor(config.secrets(os.environ)).text,
        past=partial(_written_down, repository.common_dir),
    )


def _written_down(common_dir: Path, key: str) -> str:
    """What a run of this clone wrote down of what it did outside, the newest first; empty: none did."""
    for run in list_runs(common_dir):
        try:
            if said := written(run.directory.outbox, key):
                return said
        except OutboxError as error:
            log.warning(
                "what an earlier run did outside is not known", run=run.directory.run, cause=error.cause
            )
    return ""


def reporting(config: Config, state: State) -> Reporting:
    """How it is reported; the template is that of the run's beginning."""
    github = config.github
    return Reporting(
        every=config.agents.update_frequency_minutes * 60,
        template=json.loads(state.settings)["templates"].get("update"),
        labels=github.labels,
        summary=github.summary_issue,
    )
