"""Scratch directories of this process in a repository, and what a process that died has left of its own there."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

_OURS = re.compile(r"scratch-([0-9]+)-.+")


def scratch(common_dir: Path) -> tempfile.TemporaryDirectory[str]:
    """A directory on the repository's file system that goes with the context."""
    return tempfile.TemporaryDirectory(dir=common_dir / "mawep", prefix=f"scratch-{os.getpid()}-")


def forget_dead_scratch(common_dir: Path) -> None:
    """Take away what processes of ours that are dead have left."""
    for place in (common_dir / "mawep").glob("scratch-*"):
        owner = _OURS.fullmatch(place.name)
        if owner is not None and not lives(int(owner[1])):
            shutil.rmtree(place, ignore_errors=True)


def lives(pid: int) -> bool:
    """True while a process has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
