"""The outbox: what MAWEP does outside, where nobody takes anything back, is done once.

An entry is on the disk before the act. When nobody knows whether an act was carried out (a crash, a request without an
answer), the next try looks outside, waits until a request that is still under way would have arrived, looks again, and
only then acts. What an act returned is kept, so that it need not be asked for again.

Accepted: what arrives later than `settle` seconds after its sender gave it up is done twice.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec

from mawep.adapters.sqlite_files import open_to_read
from mawep.clock import Clock
from mawep.errors import InfrastructureError

SETTLE_SECONDS = 15.0
"""How long a request whose sender has given it up may still be under way."""
SCHEMA_VERSION = "1"

T = TypeVar("T")

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    state TEXT NOT NULL,
    payload TEXT NOT NULL,
    result BLOB
) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('schema_version', '1');
COMMIT;
"""


TOLD = "told"
"""The entry that says up to which event of the journal everything has been told; none where nobody tells anything."""
WHY_UNTOLD = "why untold"
"""The entry that says why the end of a process left something untold."""


class OutboxError(InfrastructureError):
    """The outbox cannot be read or written; without it nothing may be done outside."""


class Stage(StrEnum):
    """How far an entry is. OWED: not begun; OPEN: perhaps done, perhaps not; DONE: done, never again."""

    OWED = "owed"
    OPEN = "open"
    DONE = "done"


@dataclass(frozen=True)
class Entry:
    """One act. `payload` is what whoever owes it wrote down; `result` is what it returned, as JSON."""

    key: str
    at: datetime
    stage: Stage
    payload: str = ""
    result: bytes | None = None


class Outbox:
    """The acts of one run. Only one process may have it open: the one that holds the run's journal.

    `certain`: errors after which an act surely has not been carried out. After any other error it may have been.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        certain: tuple[type[Exception], ...] = (),
        settle: float = SETTLE_SECONDS,
    ) -> None:
        """Open it, or make it. Raises OutboxError."""
        self.path = path
        self._clock = clock
        self._certain = certain
        self._settle = settle
        self._busy: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._entries: dict[str, Entry] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        try:
            self._db = _opened(path)
            rows = self._db.execute("SELECT key, at, state, payload, result FROM entries").fetchall()
        except (sqlite3.Error, OSError) as error:
            raise OutboxError(f"The outbox {path} cannot be opened", cause=str(error)) from error
        for key, at, stage, payload, result in rows:
            self._entries[key] = Entry(key, datetime.fromisoformat(at), Stage(stage), payload, result)

    def close(self) -> None:
        """Let go of the file, when what is being written is written."""
        self._writer.shutdown(wait=True)
        self._db.close()

    def done(self, key: str) -> bool:
        """Whether the act has been carried out and this is known."""
        entry = self._entries.get(key)
        return entry is not None and entry.stage is Stage.DONE

    def count(self, prefix: str) -> int:
        """How many entries have a key that begins so, whatever has become of them."""
        return sum(key.startswith(prefix) for key in self._entries)

    def unfinished(self) -> list[Entry]:
        """What is owed or open, oldest first."""
        left = (entry for entry in self._entries.values() if entry.stage is not Stage.DONE)
        return sorted(left, key=lambda entry: (entry.at, entry.key))

    async def owe(self, key: str, payload: str) -> None:
        """Write down, durably, that something is to be done. Nothing happens when it is there already.

        Raises:
            OutboxError: the disk refused.
        """
        async with self._busy[key]:
            if key not in self._entries:
                await self._keep(Entry(key, self._clock.now(), Stage.OWED, payload))

    def recalled(self, key: str) -> str:
        """What was written down last under this key; empty when nothing was."""
        entry = self._entries.get(key)
        return entry.payload if entry else ""

    async def remember(self, key: str, payload: str) -> None:
        """Write down something that is known, in the place of what was known before.

        Raises:
            OutboxError: the disk refused.
        """
        async with self._busy[key]:
            await self._keep(Entry(key, self._clock.now(), Stage.DONE, payload))

    async def once(
        self,
        key: str,
        look: Callable[[], Awaitable[T | None]],
        act: Callable[[], Awaitable[T]],
        *,
        as_: type[T],
    ) -> T:
        """Carry out `act`, if that has not happened yet; what it returned, now or then.

        `look` finds outside what `act` would have made, None if it is not there. `as_` is the type of both, which JSON
        must be able to hold.

        Raises:
            OutboxError: the disk refused; nothing was done that it does not know of.
            Exception: whatever `look` and `act` raise. The next call goes on from there.
        """
        async with self._busy[key]:
            known = self._entries.get(key)
            if known is not None and known.stage is Stage.DONE:
                return _decoded(known, as_)
            if known is not None and known.stage is Stage.OPEN:
                found = await self._looked_twice(look)
                if found is not None:
                    return await self._finish(known, found)
            entry = known or Entry(key, self._clock.now(), Stage.OWED)
            await self._keep(replace(entry, stage=Stage.OPEN))
            try:
                made = await act()
            except self._certain:
                await self._keep(entry)
                raise
            return await self._finish(entry, made)

    async def _looked_twice(self, look: Callable[[], Awaitable[T | None]]) -> T | None:
        found = await look()
        if found is None:
            await self._clock.sleep(self._settle)
            found = await look()
        return found

    async def _finish(self, entry: Entry, made: T) -> T:
        await self._keep(replace(entry, stage=Stage.DONE, result=msgspec.json.encode(made)))
        return made

    async def _keep(self, entry: Entry) -> None:
        """Have it on the disk. It counts only when it is there."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._write, entry)
        self._entries[entry.key] = entry

    def _write(self, entry: Entry) -> None:
        row = (entry.key, entry.at.isoformat(), entry.stage.value, entry.payload, entry.result)
        try:
            self._db.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise OutboxError(
                f"The outbox {self.path} cannot be written",
                cause=str(error),
                next_step="make room, then `mawep resume`",
            ) from error


def told_until(path: Path) -> int | None:
    """The number of the event up to which everything has been told; None: nobody tells anything.

    Raises:
        OutboxError: it cannot be read.
    """
    told = written(path, TOLD)
    return int(told) if told else None


def why_untold(path: Path) -> str:
    """Why what is untold was left so; empty: nobody had the time to say.

    Raises:
        OutboxError: it cannot be read.
    """
    return written(path, WHY_UNTOLD)


def written(path: Path, key: str) -> str:
    """What another process wrote down last under this key; empty: nothing, or there is no such outbox.

    Raises:
        OutboxError: it cannot be read.
    """
    if not path.exists():
        return ""
    try:
        with closing(open_to_read(path)) as db:
            found = db.execute("SELECT payload FROM entries WHERE key = ?", (key,)).fetchone()
    except sqlite3.Error as error:
        raise OutboxError(f"The outbox {path} cannot be read", cause=str(error)) from error
    return str(found[0]) if found else ""


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.executescript(_SCHEMA)
        path.chmod(0o600)
        found = db.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        if found[0] != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"schema version {found[0]}, this mawep reads {SCHEMA_VERSION}")
    except (sqlite3.Error, OSError):
        db.close()
        raise
    return db


def _decoded(entry: Entry, as_: type[T]) -> T:
    try:
        return msgspec.json.decode(entry.result or b"null", type=as_)
    except ValueError as error:
        raise OutboxError(f"The outbox holds something else under {entry.key}", cause=str(error)) from error
