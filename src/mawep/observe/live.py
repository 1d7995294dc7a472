"""What is happening now, as workers tell it: a view beside the journal, written often and believed never.

The journal knows what happened; this knows how far an agent says it is, and how its processes do. It is
written to a file of the run, from which other processes read it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from mawep.clock import Clock
from mawep.core import events as ev
from mawep.core.clashes import Clash
from mawep.core.model import Number, PlanEntry, Usage
from mawep.core.state import State

Item = TypeVar("Item")

KEPT_NOTICES = 20
"""Blockers and breaking changes that are kept, each."""
WRITE_SECONDS = 0.5
"""The file is written at most this often."""


class AttemptView(msgspec.Struct):
    """One attempt as its worker tells it. Times of process and silence in seconds, memory in MiB; None: unknown.

    `claimed`: the percentage is the agent's own word.
    """

    issue: Number
    attempt: int
    agent: str = ""
    stage: str = ""
    percent: float | None = None
    plan: tuple[PlanEntry, ...] = ()
    activity: str = ""
    files: tuple[str, ...] = ()
    usage: Usage = Usage()
    eta_seconds: float | None = None
    progress_at: datetime | None = None
    pid: int | None = None
    cpu_seconds: float | None = None
    cpu_percent: float | None = None
    rss_mb: float | None = None
    idle_seconds: float | None = None
    health_at: datetime | None = None
    claimed: bool = False


class Blocker(msgspec.Struct, frozen=True):
    """Something kept an attempt from going on."""

    at: datetime
    issue: Number
    attempt: int
    kind: str
    text: str


class BreakingChange(msgspec.Struct, frozen=True):
    """An attempt changed what others rely on."""

    at: datetime
    issue: Number
    attempt: int
    file: str
    change: str
    affects: tuple[str, ...]
    migration: str
    severity: str


class BusCounts(msgspec.Struct, frozen=True):
    """What the bus did since the process began."""

    sent: int = 0
    received: int = 0
    dropped: int = 0
    dead_letters: int = 0
    duplicates: int = 0


class Disk(msgspec.Struct, frozen=True):
    """Room for worktrees, in bytes: used by them, free, and the floor under which none is made."""

    used: int | None = None
    free: int | None = None
    floor: int | None = None


class Owed(msgspec.Struct, frozen=True):
    """Reports that a forge has not got yet, and why. `where` names it; `given_up` are those that it refused.

    `refused` says of the first of those what they are and why they were refused. `posted` and `failed` count what was
    tried.
    """

    reports: int = 0
    where: str = ""
    since: datetime | None = None
    why: str = ""
    given_up: int = 0
    refused: tuple[str, ...] = ()
    posted: int = 0
    failed: int = 0


class ForgeView(msgspec.Struct, frozen=True):
    """How it stands with the forge: when it was read last, why not since, when next, and whether webhooks come."""

    read_at: datetime | None = None
    trouble: str = ""
    next_at: datetime | None = None
    hooked: bool = False


class Silence(msgspec.Struct, frozen=True):
    """What pull requests need (`where` names it) does not answer, since when, why, and when it is asked again."""

    where: str
    since: datetime
    why: str
    again_at: datetime | None = None


class ForgeBudget(msgspec.Struct, frozen=True):
    """How many requests to the forge are left of one of its limits, or of ours for an hour (`own`)."""

    resource: str
    left: int
    limit: int
    resets_at: datetime | None = None
    waiting_until: datetime | None = None


class Live(msgspec.Struct):
    """The view. `at` is when it last changed; attempts are known by `issue/attempt`."""

    at: datetime | None = None
    attempts: dict[str, AttemptView] = msgspec.field(default_factory=dict)
    blockers: list[Blocker] = msgspec.field(default_factory=list)
    breaking_changes: list[BreakingChange] = msgspec.field(default_factory=list)
    bus: BusCounts = BusCounts()
    bus_restarts: int = 0
    disk: Disk = Disk()
    owed: Owed = Owed()
    forge: ForgeView = ForgeView()
    silence: Silence | None = None
    clashes: tuple[Clash, ...] = ()
    forge_budgets: dict[str, ForgeBudget] = msgspec.field(default_factory=dict)

    def of(self, issue: Number, attempt: int) -> AttemptView | None:
        """What is known of an attempt."""
        return self.attempts.get(f"{issue}/{attempt}")

    def progress(
        self,
        at: datetime,
        issue: Number,
        attempt: int,
        *,
        agent: str,
        stage: str,
        percent: float | None,
        plan: Iterable[PlanEntry],
        activity: str,
        files: Iterable[str],
        usage: Usage,
        eta_seconds: float | None,
        claimed: bool = False,
    ) -> None:
        """An attempt says how far it is."""
        view = self._attempt(at, issue, attempt)
        view.agent, view.stage, view.percent, view.activity = agent, stage, percent, activity
        view.plan, view.files, view.usage = tuple(plan), tuple(files), usage
        view.eta_seconds, view.progress_at, view.claimed = eta_seconds, at, claimed

    def health(
        self,
        at: datetime,
        issue: Number,
        attempt: int,
        *,
        pid: int,
        cpu_seconds: float,
        rss_mb: float,
        idle_seconds: float,
    ) -> None:
        """A worker says how an attempt's processes do."""
        view = self._attempt(at, issue, attempt)
        view.cpu_percent = _cpu_share(view, at, cpu_seconds) if view.pid == pid else None
        view.pid, view.cpu_seconds, view.rss_mb = pid, cpu_seconds, rss_mb
        view.idle_seconds, view.health_at = idle_seconds, at

    def blocker(self, at: datetime, issue: Number, attempt: int, *, kind: str, text: str) -> None:
        """Something keeps an attempt from going on."""
        self.at = at
        _keep(self.blockers, Blocker(at, issue, attempt, kind, text))

    def breaking_change(
        self,
        at: datetime,
        issue: Number,
        attempt: int,
        *,
        file: str,
        change: str,
        affects: Iterable[str],
        migration: str,
        severity: str,
    ) -> None:
        """An attempt changes what others rely on."""
        self.at = at
        said = BreakingChange(at, issue, attempt, file, change, tuple(affects), migration, severity)
        _keep(self.breaking_changes, said)

    def count(self, at: datetime, bus: BusCounts) -> None:
        """The bus has done this much."""
        if bus != self.bus:
            self.at, self.bus = at, bus

    def restarted(self, at: datetime) -> None:
        """The embedded server of the bus died and was started again."""
        self.at, self.bus_restarts = at, self.bus_restarts + 1

    def room(self, at: datetime, disk: Disk) -> None:
        """There is this much room."""
        self.at, self.disk = at, disk

    def owe(self, at: datetime, owed: Owed) -> None:
        """So much has not been told outside."""
        if owed != self.owed:
            self.at, self.owed = at, owed

    def watched(self, at: datetime, forge: ForgeView) -> None:
        """The forge was looked at, or could not be."""
        self.at, self.forge = at, forge

    def silent(self, at: datetime, silence: Silence | None) -> None:
        """What pull requests need does not answer, or does again."""
        if silence != self.silence:
            self.at, self.silence = at, silence

    def clash(self, at: datetime, clashes: Iterable[Clash]) -> None:
        """These live branches do not merge."""
        self.at, self.clashes = at, tuple(clashes)

    def forge_left(self, at: datetime, budget: ForgeBudget) -> None:
        """The forge takes that many more requests."""
        self.at, self.forge_budgets[budget.resource] = at, budget

    def witness(self, recorded: ev.Recorded, state: State) -> None:
        """Forget attempts that are over."""
        if isinstance(
            recorded.event,
            ev.AttemptFailed | ev.AttemptInterrupted | ev.TargetMoved | ev.IssueParked | ev.PullRequestMerged,
        ):
            self.attempts = {key: view for key, view in self.attempts.items() if _goes_on(view, state)}

    def _attempt(self, at: datetime, issue: Number, attempt: int) -> AttemptView:
        self.at = at
        return self.attempts.setdefault(f"{issue}/{attempt}", AttemptView(issue, attempt))


def _cpu_share(before: AttemptView, at: datetime, cpu_seconds: float) -> float | None:
    """The share of one processor since the last look, in percent."""
    if before.health_at is None or before.cpu_seconds is None or at <= before.health_at:
        return None
    used = max(0.0, cpu_seconds - before.cpu_seconds)
    return round(100 * used / (at - before.health_at).total_seconds(), 1)


def _goes_on(view: AttemptView, state: State) -> bool:
    if view.issue not in state.active:
        return False
    attempt = state.issues[view.issue].attempt
    return attempt is not None and attempt.number == view.attempt


def _keep(notices: list[Item], notice: Item) -> None:
    notices.append(notice)
    del notices[:-KEPT_NOTICES]


class LiveFile:
    """Where the view is written for other processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = b""

    def write(self, live: Live) -> None:
        """Replace the file with `live`, at once or not at all; nothing happens when nothing changed.

        Raises:
            OSError: it cannot be written.
        """
        data = msgspec.json.encode(live)
        if data == self._written:
            return
        fresh = self.path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        fresh.replace(self.path)
        self._written = data

    async def follow(self, live: Live, clock: Clock) -> None:
        """Keep the file like `live` until cancelled. A disk that refuses costs the view, not the run."""
        try:
            while True:
                with contextlib.suppress(OSError):
                    self.write(live)
                await clock.sleep(WRITE_SECONDS)
        finally:
            with contextlib.suppress(OSError):
                self.write(live)

    def read(self) -> Live | None:
        """What was written last; None when there is nothing that can be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Live)
        except (OSError, ValueError):
            return None
