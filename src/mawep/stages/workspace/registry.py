"""Which trees are ours: one small directory a tree, made before the tree and gone after it.

A name is taken by making its directory. The record in it says what the tree is for and how far its making came, so
that whoever opens the repository next can finish what a dead process left. Only named trees are ever removed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from mawep.adapters.process import lock_is_free
from mawep.core.model import Sha, Value
from mawep.stages.workspace.values import WorkspaceExists

_RECORD = "record.json"
_OWNERS = ".owners"
HALF_TAKEN_SECONDS = 60
"""A name without a record is a process that died between two system calls, once it is this old."""


class Kind(StrEnum):
    """What a tree is for."""

    SPARE = "spare"
    GATE = "gate"
    ATTEMPT = "attempt"


class Stage(StrEnum):
    """How far a tree is: being made, at rest in the pool, lent to an attempt, or being removed."""

    MAKING = "making"
    READY = "ready"
    LENT = "lent"
    LEAVING = "leaving"


class Record(Value, frozen=True):
    """What is noted about a tree. `owner` names the process that makes, keeps or removes it.

    `commit` is what it was last brought to (an attempt's base); `furnished` the digest of its set-up; `port` the
    first of its block. `shelved_at` is when its attempt ended, which starts its retention.
    """

    name: str
    kind: Kind
    stage: Stage
    owner: str
    path: str
    commit: Sha
    branch: str = ""
    furnished: str = ""
    port: int = 0
    shelved_at: datetime | None = None


class Registry:
    """The records of one repository, as one process of possibly several sees them. `open` it before use."""

    def __init__(self, houses: Path) -> None:
        self._houses = houses
        self._owners = houses / _OWNERS
        self.owner = secrets.token_hex(8)
        self._alive: int | None = None

    def open(self) -> None:
        """Show that this process lives, and forget dead ones. Hold the worktrees lock around it."""
        self._owners.mkdir(mode=0o700, parents=True, exist_ok=True)
        for other in self._owners.iterdir():
            if lock_is_free(other):
                other.unlink()
        self._alive = os.open(self._owners / self.owner, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._alive, fcntl.LOCK_EX)

    def close(self) -> None:
        """Let others take over what this process still owns."""
        if self._alive is not None:
            (self._owners / self.owner).unlink(missing_ok=True)
            os.close(self._alive)
            self._alive = None

    def is_abandoned(self, record: Record) -> bool:
        """True when the process that owns the record is dead."""
        return lock_is_free(self._owners / record.owner)

    def house(self, name: str) -> Path:
        """The directory of what MAWEP keeps about that tree."""
        return self._houses / name

    def index(self, name: str) -> Path:
        """The private index of that tree, out of its agent's sight."""
        return self._houses / name / "index"

    def lock(self, name: str) -> Path:
        """The lock that the program working in that tree holds."""
        return self._houses / name / "lock"

    def create(self, record: Record) -> None:
        """Take the name and write its record. Raises WorkspaceExists when it is taken."""
        try:
            self.house(record.name).mkdir(mode=0o700)
        except FileExistsError:
            raise WorkspaceExists(
                f"the worktree name {record.name} is taken", next_step="take another name"
            ) from None
        self.write(record)

    def write(self, record: Record) -> None:
        """Replace the record at once; a process that is killed leaves the old or the new one."""
        house = self.house(record.name)
        draft = house / f"{_RECORD}.new"
        draft.write_bytes(msgspec.json.encode(record))
        draft.replace(house / _RECORD)

    def read(self, name: str) -> Record | None:
        """The record of that name, None when there is none that can be read."""
        try:
            return msgspec.json.decode((self.house(name) / _RECORD).read_bytes(), type=Record)
        except (OSError, msgspec.MsgspecError):
            return None

    def all(self) -> list[Record]:
        """Every record, by name."""
        names = sorted(entry.name for entry in self._houses.iterdir() if not entry.name.startswith("."))
        return [record for record in map(self.read, names) if record is not None]

    def forget_half_taken(self) -> None:
        """Give back names whose taker died before it wrote a record: nothing was made under them."""
        for house in self._houses.iterdir():
            if not house.name.startswith(".") and self._is_half_taken(house):
                house.rmdir()

    @staticmethod
    def _is_half_taken(house: Path) -> bool:
        return not any(house.iterdir()) and time.time() - house.stat().st_mtime > HALF_TAKEN_SECONDS
