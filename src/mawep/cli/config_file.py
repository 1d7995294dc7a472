"""The file of the configuration that a person means, and the one thing that is read of it before all else."""

from __future__ import annotations

from pathlib import Path

from mawep.errors import UsageError

DEFAULT_CONFIG = Path("mawep.yaml")


def existing(path: Path | None) -> Path:
    """The file of the configuration that a person means.

    Raises:
        UsageError: there is none.
    """
    chosen = path or DEFAULT_CONFIG
    if not chosen.exists():
        raise UsageError(
            f"There is no configuration {chosen}", next_step="`mawep init` writes one, or name one with -c"
        )
    return chosen


def about_several(path: Path | None) -> bool:
    """True when the configuration names its repositories; nothing is checked."""
    chosen = path or DEFAULT_CONFIG
    if not chosen.is_file() or b"repositories" not in chosen.read_bytes():  # reading YAML takes 40 ms
        return False
    from mawep.config.repositories import KEY
    from mawep.config.written import read

    return KEY in read(chosen, ()).tree
