"""What model calls may cost and did cost, durably: `gateway.db` in the run's directory.

A call's worst case is on the disk before the call is made (`reserved`), what it consumed afterwards (`settled`). An
answer that was cut off is settled at an upper bound (`cut`). A reservation that a killed process left has no answer,
and never will have one: it counts as spent, at its worst case, for ever (`unknown`).

Totals are kept in memory by the only writer; what it adds up is what the disk holds, plus what is on its way there.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from mawep.adapters.sqlite_files import open_to_read
from mawep.errors import InfrastructureError
from mawep.gateway.budget import Account
from mawep.gateway.values import NOTHING, Amount, Tokens

SCHEMA_VERSION = 1
PARTS = ("input", "cache_read", "cache_write", "cache_write_long", "output", "thinking")

Ending = Literal["settled", "cut"]

# ruff: noqa: S608 - what is put into statements are the names above
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    issue INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    runtime TEXT NOT NULL,
    api TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    {", ".join(f"{part} INTEGER NOT NULL" for part in PARTS)},
    usd REAL
);
INSERT OR IGNORE INTO meta VALUES ('schema_version', '{SCHEMA_VERSION}');
UPDATE calls SET state = 'unknown' WHERE state = 'reserved';
COMMIT;
"""
_SUMS = f"""
SELECT issue, attempt, {", ".join(f"sum({part})" for part in PARTS)}, total(usd), sum(usd IS NULL), count(*)
FROM calls GROUP BY issue, attempt
"""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a call is made for."""

    issue: int
    attempt: int
    runtime: str
    api: str
    model: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """A call whose worst case is on the books."""

    id: int
    purpose: Purpose
    worst: Amount


class LedgerError(InfrastructureError):
    """The ledger cannot be read or written; without it nothing may be spent."""


class Ledger:
    """The one writer of a run's ledger."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self.settled = asyncio.Event()
        self._db = db
        self._inode = path.stat().st_ino
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._next = 1 + int(db.execute("SELECT ifnull(max(id), 0) FROM calls").fetchone()[0])
        self._spent: dict[tuple[int, int], Amount] = defaultdict(lambda: NOTHING, _totals(db))
        self._under_way: dict[int, Reservation] = {}
        self.failure: LedgerError | None = None

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """The ledger at `path`, made if there is none. Reservations of a process that died become `unknown`.

        Raises:
            LedgerError: it cannot be read.
        """
        try:
            db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            try:
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=FULL")
                db.executescript(_SCHEMA)
                path.chmod(0o600)
                return cls(path, db)
            except BaseException:
                db.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise _unusable(path, error) from error

    async def reserve(self, purpose: Purpose, worst: Amount, at: datetime) -> Reservation:
        """Put a call's worst case on the books; it counts at once, and is on the disk when this returns.

        Raises:
            LedgerError: it cannot be written, or something could not be written before.
        """
        if self.failure is not None:
            raise self.failure
        made = Reservation(self._next, purpose, worst)
        self._next += 1
        self._under_way[made.id] = made
        tokens = asdict(worst.tokens)
        row = (
            *(made.id, at.isoformat(), purpose.issue, purpose.attempt, purpose.runtime, purpose.api),
            *(
                purpose.model,
                "reserved",
                *(tokens[part] for part in PARTS),
                None if worst.unpriced else worst.usd,
            ),
        )
        marks = ", ".join("?" * len(row))
        try:
            await asyncio.shield(
                asyncio.wrap_future(
                    self._write(lambda: self._db.execute(f"INSERT INTO calls VALUES ({marks})", row))
                )
            )
        except BaseException:
            self.settle(made, Amount(calls=1), "settled")  # the call is not made
            raise
        return made

    def settle(self, made: Reservation, used: Amount, ending: Ending) -> Future[None]:
        """Replace a worst case by what was consumed; it counts at once, and is on the disk a little later."""
        self._under_way.pop(made.id, None)
        key = made.purpose.issue, made.purpose.attempt
        self._spent[key] += used
        self.settled.set()
        self.settled = asyncio.Event()
        tokens = asdict(used.tokens)
        values = (*(tokens[part] for part in PARTS), None if used.unpriced else used.usd, ending, made.id)
        columns = ", ".join(f"{part} = ?" for part in PARTS)
        return self._write(
            lambda: self._db.execute(f"UPDATE calls SET {columns}, usd = ?, state = ? WHERE id = ?", values)
        )

    def of_attempt(self, issue: int, attempt: int) -> Account:
        """What one attempt has spent and reserved."""
        return self._account(lambda key: key == (issue, attempt))

    def of_issue(self, issue: int) -> Account:
        """What all attempts at an issue have."""
        return self._account(lambda key: key[0] == issue)

    def of_run(self) -> Account:
        """What the whole run has."""
        return self._account(lambda key: True)

    def close(self) -> None:
        """Write what is to be written and let go."""
        self._writer.shutdown(wait=True)
        self._db.close()

    def _account(self, mine: Callable[[tuple[int, int]], bool]) -> Account:
        reserved = (
            one.worst for one in self._under_way.values() if mine((one.purpose.issue, one.purpose.attempt))
        )
        return Account(
            sum((spent for key, spent in self._spent.items() if mine(key)), NOTHING), sum(reserved, NOTHING)
        )

    def _write(self, statement: Callable[[], object]) -> Future[None]:
        def written() -> None:
            try:
                # SQLite goes on writing into an unlinked file without an error.
                if self.path.stat().st_ino != self._inode:
                    raise OSError(0, "it was replaced by another file")
                statement()
            except (sqlite3.Error, OSError) as error:
                self.failure = _unusable(self.path, error)
                raise self.failure from error

        return self._writer.submit(written)


def read_totals(path: Path) -> dict[tuple[int, int], Amount]:
    """What each (issue, attempt) has spent or reserved, for who only looks; empty when there is no ledger.

    Raises:
        LedgerError: it cannot be read.
    """
    if not path.exists():
        return {}
    try:
        with closing(open_to_read(path)) as db:
            return _totals(db)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _totals(db: sqlite3.Connection) -> dict[tuple[int, int], Amount]:
    found = {}
    for issue, attempt, *tokens, usd, unpriced, calls in db.execute(_SUMS):
        parts = dict(zip(PARTS, tokens, strict=True))
        found[issue, attempt] = Amount(Tokens(**parts), usd, unpriced, calls)
    return found


def _unusable(path: Path, error: Exception) -> LedgerError:
    return LedgerError(
        f"The ledger of model calls {path} cannot be used",
        cause=str(error),
        next_step="make room or restore the file's directory, then `mawep resume`",
    )
