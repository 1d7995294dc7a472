"""The transcript of an attempt: everything that went in and out, one JSON line each, bounded."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LIMIT_BYTES = 50 * 2**20


class Transcript:
    """Appends `{at, dir, msg}` lines to a file that only its owner can read.

    `dir` is `in` (from the agent), `out` (to it), or `mawep` for the one line that says that the limit was
    reached, after which nothing more is written.
    """

    def __init__(self, path: Path, limit: int = LIMIT_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._room = limit - os.fstat(self._fd).st_size

    def write(self, direction: str, message: Any) -> None:
        """Append one line; `message` is anything that JSON can say."""
        if self._fd < 0 or self._room <= 0:
            return
        line = self._line(direction, message)
        self._room -= len(line)
        if self._room <= 0:
            line = self._line("mawep", "the transcript has reached its limit and ends here")
        os.write(self._fd, line)

    def close(self) -> None:
        """Close the file; later writes are ignored."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @staticmethod
    def _line(direction: str, message: Any) -> bytes:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        return (json.dumps({"at": at, "dir": direction, "msg": message}, ensure_ascii=False) + "\n").encode(
            errors="surrogatepass"
        )
