"""The journal: append-only events of one run in SQLite, chained by hashes, one fsync per decision round.

It is also the outbox: an intent is an event, so it is durable in the same transaction as the decision that
asked for it, and `State.effects` after a replay lists the intents whose effect has not been seen to end.

Hash of an event: sha256 over the previous hash, seq, at, type, version and JSON, each followed by a newline.
There is one writer, kept by a flock beside the file. Readers open, read and close: a reader that stays in a
transaction makes the write-ahead log grow without bound.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from mawep.adapters.sqlite_files import open_to_read
from mawep.core.events import AnyEvent, Recorded, decode, encode, writable
from mawep.errors import JournalError

SCHEMA_VERSION = 1
EVENT_VERSION = 1
GENESIS = "0" * 64

LOCK_SECONDS = 1.0
"""Who only looks whether a writer lives holds the lock for a moment; a writer that begins waits that long."""

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    type TEXT NOT NULL,
    version INTEGER NOT NULL,
    json TEXT NOT NULL,
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO meta VALUES ('schema_version', '{version}'), ('run', '{run}');
COMMIT;
"""


class _Row(NamedTuple):
    seq: int
    at: str
    type: str
    version: int
    json: str
    prev_hash: str
    hash: str


class Journal:
    """The one writer of a run's journal. `head` is the hash of the last appended event."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int) -> None:
        self.path = path
        self._db = connection
        self._lock = lock
        self._inode = path.stat().st_ino
        self._pending: list[_Row] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal")
        last = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        self.seq: int = last[0] if last else 0
        self.head: str = last[1] if last else GENESIS

    @classmethod
    def create(cls, path: Path, run: str) -> Journal:
        """A new, empty journal; JournalError if there is one already."""
        if path.exists():
            raise JournalError(f"There is a journal at {path} already", next_step="use `mawep resume`")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls._opened(path, lambda db: db.executescript(_SCHEMA.format(version=SCHEMA_VERSION, run=run)))

    @classmethod
    def open(cls, path: Path) -> Journal:
        """The journal of an earlier process, for writing on; JournalError if it is held or unreadable."""
        if not path.exists():
            raise JournalError(f"There is no journal at {path}", next_step="see `mawep status` for the runs")
        return cls._opened(path, lambda db: _check_schema(db, path))

    @classmethod
    def _opened(cls, path: Path, prepare: Callable[[sqlite3.Connection], object]) -> Journal:
        with ExitStack() as undo:
            lock = _take_lock(path)
            undo.callback(os.close, lock)
            try:
                db = _connect(path)
                undo.callback(db.close)
                prepare(db)
                path.chmod(0o600)
                journal = cls(path, db, lock)
            except sqlite3.Error as error:
                raise JournalError(f"The journal {path} cannot be opened", cause=str(error)) from error
            undo.pop_all()
            return journal

    def append(self, event: AnyEvent, at: datetime) -> Recorded:
        """Give the event its place; it is durable only after `commit`.

        The event that is recorded is the one that can be written (see `mawep.core.events.writable`).
        """
        event = writable(event)
        text = encode(event).decode()
        row = _chained(self.head, self.seq + 1, at, type(event).__name__, text)
        self._pending.append(row)
        self.seq, self.head = row.seq, row.hash
        return Recorded(row.seq, at, event)

    async def commit(self) -> None:
        """Make everything appended durable, in one transaction and one fsync.

        Raises:
            JournalError: the disk refused, or the file is not the one that was opened any more.
        """
        if not self._pending:
            return
        rows, self._pending = self._pending, []
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._write, rows)
        except JournalError:
            # A later event must never be written without these: the chain would have a hole.
            self._pending = [*rows, *self._pending]
            raise

    def _write(self, rows: list[_Row]) -> None:
        try:
            # SQLite goes on writing into an unlinked file without an error.
            if self.path.stat().st_ino != self._inode:
                raise JournalError(f"The journal {self.path} was replaced by another file")
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            with suppress(sqlite3.Error):
                self._db.rollback()
            raise JournalError(
                f"The journal {self.path} cannot be written",
                cause=str(error),
                next_step="make room or restore the file's directory, then `mawep resume`",
            ) from error

    def hash_at(self, seq: int) -> str:
        """The hash of a committed event: the chain's head at that point."""
        found = self._db.execute("SELECT hash FROM events WHERE seq = ?", (seq,)).fetchone()
        if found is None:
            raise JournalError(f"The journal {self.path} has no event {seq}")
        return str(found[0])

    def close(self) -> None:
        """Let go of file and lock; what was not committed is not there."""
        self._writer.shutdown(wait=True)
        self._db.close()
        os.close(self._lock)


def read(path: Path, after: int = 0) -> list[Recorded]:
    """All events behind `after`, without keeping the file open.

    Raises:
        JournalError: the file cannot be read, or holds an event this version does not know.
    """
    return [
        Recorded(row.seq, datetime.fromisoformat(row.at), _decoded(row, path)) for row in _rows(path, after)
    ]


def verify(path: Path) -> tuple[int, str]:
    """Check every link of the chain; (number of events, head).

    Raises:
        JournalError: an event was changed, removed or added; names the first that does not fit.
    """
    head, seq = GENESIS, 0
    for row in _rows(path, 0):
        expected = _chained(head, seq + 1, datetime.fromisoformat(row.at), row.type, row.json)
        if row != expected:
            raise JournalError(
                f"The journal {path} does not fit together at event {row.seq}",
                cause=f"after event {seq} with hash {head[:12]}…",
                next_step="compare it with a copy; the landing commits name the heads they were made under",
            )
        seq, head = row.seq, row.hash
    return seq, head


def heads(path: Path) -> Iterator[tuple[int, str]]:
    """Every (seq, hash) of the chain."""
    return ((row.seq, row.hash) for row in _rows(path, 0))


def _chained(prev: str, seq: int, at: datetime, kind: str, text: str) -> _Row:
    stamp = at.isoformat()
    digest = hashlib.sha256()
    for part in (prev, str(seq), stamp, kind, str(EVENT_VERSION), text):
        digest.update(part.encode() + b"\n")
    return _Row(seq, stamp, kind, EVENT_VERSION, text, prev, digest.hexdigest())


def _decoded(row: _Row, path: Path) -> AnyEvent:
    try:
        return decode(row.json)
    except ValueError as error:
        raise JournalError(
            f"The journal {path} holds an event this version does not know: {row.type} (number {row.seq})",
            cause=str(error),
            next_step="use the version of mawep that wrote it",
        ) from error


def _rows(path: Path, after: int) -> list[_Row]:
    if not path.exists():
        raise JournalError(f"There is no journal at {path}")
    try:
        with closing(open_to_read(path)) as db:
            _check_schema(db, path)
            return [
                _Row(*row) for row in db.execute("SELECT * FROM events WHERE seq > ? ORDER BY seq", (after,))
            ]
    except sqlite3.Error as error:
        raise JournalError(f"The journal {path} cannot be read", cause=str(error)) from error


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _check_schema(db: sqlite3.Connection, path: Path) -> None:
    found = db.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    if found is None or found[0] != str(SCHEMA_VERSION):
        raise JournalError(
            f"The journal {path} has schema version {found and found[0]}, this mawep reads {SCHEMA_VERSION}",
            next_step="use the version of mawep that wrote it",
        )


def _take_lock(path: Path) -> int:
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() < deadline:
                time.sleep(0.005)
                continue
            os.close(lock)
            raise JournalError(
                f"Another mawep process writes the journal {path}",
                next_step="watch it with `mawep status`, or end it with Ctrl-C first",
            ) from error
        return lock
