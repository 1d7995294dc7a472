"""What can be made again at any time, kept so that it need not be: a file of keys and values that may be thrown away.

Whatever is wrong with the file (damaged, locked, on a disk that is full or read-only), nothing is found in it and
nothing is put there: it only saves time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

PATIENCE = 2
"""How long to wait for another process that is writing, in seconds."""
AT_ONCE = 500
"""Keys that are asked for with one query."""

_TABLE = "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"


class Kept:
    """A file of keys and values. Each call opens it by itself, so that threads and processes can share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, keys: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """What is there of these keys, in any order."""
        ordered = sorted(keys)
        with suppress(sqlite3.Error), closing(self._open()) as db:
            for start in range(0, len(ordered), AT_ONCE):
                some = ordered[start : start + AT_ONCE]
                marks = ",".join("?" * len(some))
                yield from db.execute(f"SELECT key, value FROM kept WHERE key IN ({marks})", some)  # noqa: S608

    def put(self, values: Mapping[str, bytes], wanted: Collection[str]) -> None:
        """Add these. When most of what is there is not `wanted` any more, that goes."""
        try:
            with closing(self._open()) as db, db:
                db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", values.items())
                there = {key for (key,) in db.execute("SELECT key FROM kept")}
                stale = there.difference(wanted)
                if len(stale) > len(wanted):
                    db.executemany("DELETE FROM kept WHERE key = ?", [(key,) for key in stale])
        except sqlite3.OperationalError:
            pass  # locked, full or read-only: the next look makes it again
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)  # damaged

    def _open(self) -> sqlite3.Connection:
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=PATIENCE)
        try:
            db.execute(_TABLE)
        except sqlite3.Error:
            db.close()
            raise
        return db
