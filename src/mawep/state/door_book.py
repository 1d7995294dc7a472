"""The book of `mawep serve`: which deliveries came, how far comments were read, and who waits to be started.

All of it is on the disk before anybody is answered, so that a server that is killed neither takes a delivery twice nor
forgets what somebody asked for.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mawep.errors import InfrastructureError

MOST_DELIVERIES = 20_000
"""Deliveries that are remembered, the newest: some weeks of a busy repository."""
MOST_ASKED = 5_000
"""Comments that are remembered."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS asked (
    place INTEGER PRIMARY KEY AUTOINCREMENT, comment INTEGER NOT NULL UNIQUE, issue INTEGER NOT NULL,
    by TEXT NOT NULL, state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS read (only INTEGER PRIMARY KEY CHECK (only = 1), until TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Asked:
    """Somebody wants an issue to be worked on, by a comment."""

    comment: int
    issue: int
    by: str


class DoorBook:
    """The book, in a file of its own. Every method may raise InfrastructureError."""

    def __init__(self, path: Path) -> None:
        with _told(path):
            path.touch(mode=0o600)
            self._path = path
            self._db = sqlite3.connect(path, isolation_level=None)
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.executescript(_SCHEMA)
            except sqlite3.Error:
                self._db.close()
                raise

    def first(self, delivery: str) -> bool:
        """Note a delivery; False when it came before."""
        with self._at_once():
            new = self._db.execute("INSERT OR IGNORE INTO deliveries (id) VALUES (?)", (delivery,)).rowcount
            last = "SELECT max(place) FROM deliveries"
            self._db.execute(f"DELETE FROM deliveries WHERE place <= ({last}) - ?", (MOST_DELIVERIES,))  # noqa: S608
        return bool(new)

    def ask(self, asked: Iterable[Asked], until: datetime, *, heard: Iterable[Asked] = ()) -> list[Asked]:
        """Note who waits to be started and how far comments were read, in one step; gives what is new of it.

        `heard` are for others, and are never taken later.
        """
        new = []
        with self._at_once():
            for one in asked:
                row = (one.comment, one.issue, one.by)
                query = "INSERT OR IGNORE INTO asked (comment, issue, by, state) VALUES (?, ?, ?, 'waits')"
                if self._db.execute(query, row).rowcount:
                    new.append(one)
            for one in heard:
                query = "INSERT OR IGNORE INTO asked (comment, issue, by, state) VALUES (?, ?, ?, 'done')"
                self._db.execute(query, (one.comment, one.issue, one.by))
            last = "SELECT max(place) FROM asked"
            old = f"DELETE FROM asked WHERE state = 'done' AND place <= ({last}) - ?"  # noqa: S608
            self._db.execute(old, (MOST_ASKED,))
            self._db.execute("INSERT OR REPLACE INTO read VALUES (1, ?)", (until.isoformat(),))
        return new

    @property
    def until(self) -> datetime | None:
        """How far comments were read, by the forge's clock."""
        with _told(self._path):
            row = self._db.execute("SELECT until FROM read").fetchone()
        return datetime.fromisoformat(row[0]) if row else None

    def next(self) -> Asked | None:
        """Who has waited longest."""
        return self._one("waits")

    def begun(self) -> Asked | None:
        """Who was started and is not known to have ended."""
        return self._one("begun")

    def begin(self, asked: Asked) -> None:
        """It is about to be started."""
        self._put(asked, "begun")

    def end(self, asked: Asked) -> None:
        """It has ended, or could not be started."""
        self._put(asked, "done")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _one(self, state: str) -> Asked | None:
        query = "SELECT comment, issue, by FROM asked WHERE state = ? ORDER BY place LIMIT 1"
        with _told(self._path):
            row = self._db.execute(query, (state,)).fetchone()
        return Asked(*row) if row else None

    def _put(self, asked: Asked, state: str) -> None:
        with self._at_once():
            self._db.execute("UPDATE asked SET state = ? WHERE comment = ?", (state, asked.comment))

    @contextlib.contextmanager
    def _at_once(self) -> Iterator[None]:
        with _told(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise InfrastructureError(f"The book {path} cannot be kept", cause=str(error)) from error
