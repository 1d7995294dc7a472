"""How much disk a directory takes: what is really allocated, each file once."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

BLOCK = 512
"""Unit of `st_blocks`, whatever the file system's own blocks are."""


def bytes_below(root: Path) -> int:
    """Bytes that everything below `root` takes; 0 when it is not there.

    It looks at every entry, so it belongs in a thread. What goes away meanwhile is not counted, symbolic
    links are not followed, and a file with several names counts once.
    """
    total, seen, ahead = 0, set[tuple[int, int]](), [str(root)]
    while ahead:
        with contextlib.suppress(OSError), os.scandir(ahead.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += _allocated(entry.stat(follow_symlinks=False), seen)
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(entry.path)
    return total


def _allocated(found: os.stat_result, seen: set[tuple[int, int]]) -> int:
    if found.st_nlink > 1:
        if (found.st_dev, found.st_ino) in seen:
            return 0
        seen.add((found.st_dev, found.st_ino))
    return found.st_blocks * BLOCK
