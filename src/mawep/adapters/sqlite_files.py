"""Looking into a SQLite file that another process may be writing, wherever it lies."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

PATIENCE = 10
"""How long a look waits for a writer that has the file locked, in seconds."""


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises sqlite3.Error when there is no such file, or none that can be read.

    Where nothing can be written beside the file (a read-only disk), a file without a log of writes is taken as it is.
    """
    place = quote(os.fsencode(path))
    log = path.with_name(f"{path.name}-wal")
    unchanging = "" if os.access(path.parent, os.W_OK) or log.exists() else "&immutable=1"
    return sqlite3.connect(f"file:{place}?mode=ro{unchanging}", uri=True, timeout=PATIENCE)
