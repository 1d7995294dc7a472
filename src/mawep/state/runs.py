"""Where a run keeps its things, and which runs there are. All of it lies under the git directory, mode 0700.

It is not in the work tree, where `git clean -fdx` would take it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.sqlite_files import open_to_read
from mawep.errors import JournalError, UsageError

_SAY_SO = "'RunEnded', 'IssueReopened', 'CandidateOffered', 'RevertAsked'"
"""Events that say whether a run has ended: after the last three it goes on."""


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run."""

    path: Path

    @property
    def run(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The journal's database."""
        return self.path / "journal.db"

    @property
    def keys(self) -> Path:
        """Private and public keys of everybody who speaks in this run."""
        return self.path / "keys"

    @property
    def gates(self) -> Path:
        """Logs of gate runs."""
        return self.path / "gates"

    @property
    def reviews(self) -> Path:
        """The folder of what reviewers were told, said and did."""
        return self.path / "reviews"

    def review(self, issue: int, number: int) -> Path:
        """The folder of one review."""
        return self.reviews / f"{issue}-{number}"

    @property
    def log(self) -> Path:
        """What this run logged."""
        return self.path / "mawep.log"

    @property
    def live(self) -> Path:
        """What is happening now, as a view: written often, believed never."""
        return self.path / "live.json"

    @property
    def gateway(self) -> Path:
        """What model calls cost, when they go through the gateway."""
        return self.path / "gateway.db"

    @property
    def outbox(self) -> Path:
        """What was done outside, and what may have been."""
        return self.path / "outbox.db"

    @property
    def report(self) -> Path:
        """The final document of the run."""
        return self.path / "report.json"

    def attempt(self, issue: int, number: int) -> Path:
        """The directory of one attempt: prompt, transcript, output."""
        return self.path / "attempts" / f"{issue}-a{number}"

    def make(self) -> None:
        """Create the directory."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)


@dataclass(frozen=True)
class RunSummary:
    """A run at a glance. `alive`: a mawep process writes its journal now."""

    directory: RunDirectory
    target_branch: str
    started_at: str
    ended: bool
    alive: bool


def home(common_dir: Path) -> Path:
    """MAWEP's own directory in a repository."""
    return common_dir / "mawep"


def directory_of(common_dir: Path, run: str) -> RunDirectory:
    """The directory of a run, whether it exists or not."""
    return RunDirectory(home(common_dir) / "runs" / run)


def list_runs(common_dir: Path) -> list[RunSummary]:
    """Every run of the repository, newest first (ids are UUIDv7, so they sort by time)."""
    root = home(common_dir) / "runs"
    names = sorted((entry.name for entry in root.iterdir()), reverse=True) if root.is_dir() else []
    found = (summarize(RunDirectory(root / name)) for name in names)
    return [summary for summary in found if summary is not None]


def summarize(directory: RunDirectory) -> RunSummary | None:
    """A run at a glance; None when its journal holds no start (it died before the first commit)."""
    if not directory.journal.exists():
        return None
    first = "SELECT json, at FROM events WHERE type = 'RunStarted' ORDER BY seq LIMIT 1"
    last = f"SELECT type FROM events WHERE type IN ({_SAY_SO}) ORDER BY seq DESC LIMIT 1"  # noqa: S608
    try:
        with closing(open_to_read(directory.journal)) as db:
            begun = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone()
            start, end = [begun and db.execute(query).fetchone() for query in (first, last)]
    except sqlite3.Error as error:
        raise JournalError(f"The journal {directory.journal} cannot be read", cause=str(error)) from error
    if start is None:
        return None
    target = json.loads(start[0])["target_branch"]
    ended = end is not None and end[0] == "RunEnded"
    return RunSummary(directory, target, start[1], ended, is_alive(directory))


@contextlib.contextmanager
def target_claimed(common_dir: Path, branch: str) -> Iterator[None]:
    """Hold a target branch for this process: two starts at the same moment do not both begin.

    Raises:
        UsageError: another process holds it.
    """
    directory = home(common_dir) / "targets"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = hashlib.sha256(branch.encode()).hexdigest()[:16]
    descriptor = os.open(directory / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise UsageError(
            f"Another mawep process works on {branch}",
            next_step="`mawep status` shows it; `mawep resume` and `mawep cancel` reach it",
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


def is_alive(directory: RunDirectory) -> bool:
    """True while a process holds the journal's lock. Several may look at once."""
    lock = directory.journal.with_suffix(".lock")
    if not lock.exists():
        return False
    descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
