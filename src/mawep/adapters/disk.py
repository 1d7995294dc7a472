"""How much there is below directories: what it takes of the disk, and what reading it would come to."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

BLOCK = 512
"""Unit of `st_blocks`, whatever the file system's own blocks are."""


def bytes_on_disk(*roots: Path) -> int:
    """Bytes that everything below the directories takes, each file once; holes take nothing.

    As for all here: it looks at every entry, so it belongs in a thread. What is not there, or goes away meanwhile,
    is not counted, and symbolic links are not followed.
    """
    return sum(found.st_blocks * BLOCK for found in _once(_below(*roots)))


def bytes_to_read(*roots: Path) -> int:
    """Bytes that who reads every file below the directories has to go through, each file once, holes counted."""
    return sum(found.st_size for found in _once(_below(*roots)) if stat.S_ISREG(found.st_mode))


def files_over(limit: int, root: Path) -> dict[Path, int]:
    """The files below the directory that have more than `limit` bytes to read, and how many."""
    return {
        Path(path): found.st_size
        for path, found in _below(root)
        if found.st_size > limit and stat.S_ISREG(found.st_mode)
    }


def _once(entries: Iterable[tuple[str, os.stat_result]]) -> Iterator[os.stat_result]:
    """Every inode once, however many names it has."""
    seen = set[tuple[int, int]]()
    for _, found in entries:
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            if (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
        yield found


def _below(*roots: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The path and status of every entry below the directories."""
    ahead = [str(root) for root in roots]
    while ahead:
        with contextlib.suppress(OSError), os.scandir(ahead.pop()) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:  # gone meanwhile
                    continue
                if stat.S_ISDIR(found.st_mode):
                    ahead.append(entry.path)
                yield entry.path, found
