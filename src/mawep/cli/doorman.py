"""The doorman of `mawep serve`: tells the run under way to look, and starts one where somebody asks for it.

Everything is read from the forge itself, whoever rang. Runs are started one at a time, as processes of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from mawep.adapters.process import Process, Supervisor
from mawep.cli.visit import ask
from mawep.clock import Clock
from mawep.coordination import payloads as wire
from mawep.core.events import RunStarted
from mawep.core.model import Number
from mawep.errors import MawepError
from mawep.orchestrator.authority import Authority
from mawep.state import journal
from mawep.state.door_book import Asked, DoorBook
from mawep.state.runs import RunSummary, list_runs
from mawep.trackers.base import Forge, ForgeError, RateLimited
from mawep.trackers.commands import commands

log = structlog.get_logger("mawep.serve")

OVERLAP = timedelta(minutes=2)
"""A forge may list a comment a while after it was written."""
BEGINNING = ("start", "retry")
"""Commands that begin a run where none is under way."""
RUNG_SECONDS = 2.0
"""Looks that deliveries ask for are at least so far apart."""
SAFETY_SECONDS = 600.0
"""How often comments are read while webhooks come, and a run under way is told that they do."""
GLANCE_SECONDS = 30.0
"""How often is looked on this machine whether a run has begun, which does not know yet that webhooks come."""
END_SECONDS = 60.0
"""How long a run may take to reach a point from which it can be resumed."""


class Child(Protocol):
    """A run that was started."""

    pid: int

    async def wait(self) -> object:
        """Until it has ended."""
        ...

    async def stop(self, grace: float) -> object:
        """End it: SIGTERM, and what is left after `grace` seconds."""
        ...


Launch = Callable[[Sequence[str]], Awaitable[Child]]


@dataclass(frozen=True)
class Premises:
    """What the doorman looks after. `hooked`: deliveries ring; else comments are read `every` so many seconds."""

    forge: Forge
    common_dir: Path
    book: DoorBook
    launch: Launch
    every: float
    hooked: bool
    options: tuple[str, ...] = field(default=())


class Doorman:
    """Reads comments, starts runs, tells the run under way to look."""

    def __init__(self, premises: Premises, clock: Clock) -> None:
        self._premises, self._clock = premises, clock
        self._book = premises.book
        self._authority = Authority(premises.forge, clock)
        self._rung = asyncio.Event()
        self._child: asyncio.Task[None] | None = None
        self._begun = clock.now().replace(microsecond=0)  # as exactly as a forge dates a comment
        self._looked = self._due = float("-inf")
        self._told = ""
        self.trouble = ""

    def ring(self) -> None:
        """Something changed on the forge."""
        self._due = float("-inf")
        self._rung.set()

    def health(self) -> dict[str, object]:
        """What `/healthz` tells."""
        live = self._live()
        asked = self._book.next()
        return {
            "ok": True,
            "webhooks": self._premises.hooked,
            "run": live.directory.run if live else None,
            "waiting": asked.issue if asked else None,
            "trouble": self.trouble,
        }

    async def run(self) -> None:
        """Until cancelled; a run that was started is ended then, so that it can be resumed."""
        try:
            self._take_up()
            while True:
                await self._wait(await self._round())
        finally:
            if self._child is not None:
                self._child.cancel()
                await asyncio.gather(self._child, return_exceptions=True)

    async def _wait(self, seconds: float) -> None:
        """Until somebody rings, a started run ends, or time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        await self._clock.sleep(max(0.0, self._looked + RUNG_SECONDS - self._clock.awake()))
        self._rung.clear()

    async def _round(self) -> float:
        """Read comments if it is time to, and do what follows; how long to wait then."""
        if self._clock.awake() >= self._due:
            await self._read()
        self._start_next()
        await self._tell_run()
        left = max(0.0, self._due - self._clock.awake())
        return min(left, GLANCE_SECONDS) if self._premises.hooked else left

    async def _read(self) -> None:
        premises = self._premises
        self._looked, self._told = self._clock.awake(), ""
        self._due = self._looked + (SAFETY_SECONDS if premises.hooked else premises.every)
        try:
            await self.look()
            self.trouble = ""
        except RateLimited as error:
            self.trouble = str(error.what)
            left = (error.until - self._clock.now()).total_seconds()
            self._due = max(self._due, self._clock.awake() + left)
        except ForgeError as error:
            self.trouble = error.what
        if self.trouble:
            again = round(self._due - self._clock.awake())
            log.warning("comments were not read", cause=self.trouble, again_in=max(0, again))

    # --- comments

    async def look(self) -> None:
        """Note who asks for a run in a comment that is new.

        Raises:
            ForgeError: they could not be read.
        """
        known = self._book.until or self._begun
        since = known - OVERLAP if self._book.until else known
        comments = await self._premises.forge.recent_comments(known - OVERLAP)
        live = self._live()
        worked_on = issues_of(live) if live else frozenset[Number]()
        asked, heard = [], []
        for comment in comments:
            fresh = comment.created_at is not None and comment.created_at >= since
            if not (fresh and any(command.verb in BEGINNING for command in commands(comment.body))):
                continue
            one = Asked(comment.id, comment.issue, comment.author or "")
            if comment.issue in worked_on:  # the run hears it itself
                heard.append(one)
            elif await self._authority.counts(comment):
                asked.append(one)
        moments = [known, *(comment.updated_at for comment in comments if comment.updated_at)]
        until: datetime = max(moments)
        if asked or heard or until > known:
            for one in self._book.ask(asked, until, heard=heard):
                log.info("a run is asked for", issue=one.issue, by=one.by)

    # --- runs

    def _live(self) -> RunSummary | None:
        return next((run for run in list_runs(self._premises.common_dir) if run.alive), None)

    def _take_up(self) -> None:
        """What an earlier server had started and did not see the end of is gone on with, or has ended."""
        begun = self._book.begun()
        if begun is None:
            return
        runs = list_runs(self._premises.common_dir)
        its = [run for run in runs if begun.issue in issues_of(run)]
        left = next((run for run in its if not run.ended), None)
        if left is not None and not left.alive:
            self._begin(begun, ["resume", left.directory.run])
        elif its:
            self._book.end(begun)
        else:  # it died before it was a run
            self._begin(begun, ["start", "--issues", str(begun.issue)])

    def _start_next(self) -> None:
        if self._child is not None and not self._child.done():
            return
        if self._live() is not None:
            return
        asked = self._book.next()
        if asked is not None:
            self._book.begin(asked)
            self._begin(asked, ["start", "--issues", str(asked.issue)])

    def _begin(self, asked: Asked, verb: Sequence[str]) -> None:
        self._child = asyncio.create_task(self._conduct(asked, [*verb, *self._premises.options]))

    async def _conduct(self, asked: Asked, arguments: Sequence[str]) -> None:
        try:
            child = await self._premises.launch(arguments)
        except MawepError as error:
            log.warning("a run could not be started", issue=asked.issue, cause=str(error))
            self._book.end(asked)
            return
        log.info("a run is started", issue=asked.issue, by=asked.by, pid=child.pid, verb=arguments[0])
        try:
            status = await child.wait()
        except asyncio.CancelledError:
            log.info("the run is ended with the server; it is gone on with later", pid=child.pid)
            await child.stop(END_SECONDS)
            raise
        log.info(
            "a run has ended",
            issue=asked.issue,
            pid=child.pid,
            status=str(getattr(status, "code", status)),
            said_in="mawep/serve/run.log",
        )
        self._book.end(asked)
        self.ring()

    async def _tell_run(self) -> None:
        """The run under way looks as soon as something changed, and seldom by itself while webhooks are heard."""
        run = self._live() if self._premises.hooked else None
        if run is None or run.directory.run == self._told:
            return
        try:
            await ask(self._premises.common_dir, run, wire.Look(hooked=True))
            self._told = run.directory.run
        except MawepError as error:  # it looks by itself, only later
            log.warning("the run could not be told", run=run.directory.run, cause=error.what)


def issues_of(run: RunSummary) -> frozenset[Number]:
    """The issues that a run is about."""
    for recorded in journal.read(run.directory.journal):
        if isinstance(recorded.event, RunStarted):
            return frozenset(issue.number for issue in recorded.event.issues)
    return frozenset()


def launcher(supervisor: Supervisor, place: Path, cwd: Path) -> Launch:
    """Starts `mawep VERB …` under supervision: it dies with this process, also when that is killed.

    What it says goes to the file `run.log` at `place`.
    """

    async def launch(arguments: Sequence[str]) -> Process:
        return await supervisor.spawn(
            [sys.executable, "-P", "-m", "mawep", *arguments],
            cwd=cwd,
            env=dict(os.environ),
            lock=place / "run.lock",
            status_file=place / "run.status",
            stdout=place / "run.log",
            stderr=place / "run.log",
        )

    return launch
