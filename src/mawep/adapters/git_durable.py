"""Make what somebody else's git wrote survive a power cut: git syncs neither loose objects nor refs by default."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

from mawep.adapters.git import Repository, Sha


async def make_durable(repository: Repository, names: Iterable[Sha]) -> None:
    """Sync these objects where they lie loose, and the directories that name them.

    Objects in a pack are left alone: git syncs a pack before it uses it.
    """
    await asyncio.to_thread(_sync, repository.common_dir / "objects", names)


def _sync(objects: Path, names: Iterable[Sha]) -> None:
    directories = {objects}
    for name in names:
        file = objects / name[:2] / name[2:]
        if sync(file):
            directories.add(file.parent)
    for directory in directories:
        sync(directory)


def sync(path: Path) -> bool:
    """Sync a file or directory; False when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True
