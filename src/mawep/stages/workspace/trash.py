"""Removal: a rename now, the work later, in one thread behind everybody's back."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path


class Trash:
    """Takes paths out of sight at once and removes them in the background, one at a time.

    `near` is the bin for what lies below `base`, `far` the one for all else: a rename stays on one file system.
    """

    def __init__(self, base: Path, near: Path, far: Path) -> None:
        self._base = base
        self._near = near
        self._far = far
        self._remover = ThreadPoolExecutor(1, thread_name_prefix="trash")

    def throw(self, path: Path) -> None:
        """Make `path` disappear; a path that is not there is fine. Raises OSError when it cannot be renamed."""
        place = self._near if path.is_relative_to(self._base) else self._far
        doomed = place / secrets.token_hex(8)
        try:
            _rename(path, doomed)
        except FileNotFoundError:
            return
        self._remover.submit(remove, doomed)

    def empty(self) -> None:
        """Remove what dead processes left in the bins."""
        for place in (self._near, self._far):
            for doomed in place.iterdir():
                self._remover.submit(remove, doomed)

    async def emptied(self) -> None:
        """Wait until everything thrown so far is gone."""
        await asyncio.get_running_loop().run_in_executor(self._remover, lambda: None)

    async def close(self, patience: float | None = None) -> None:
        """Finish removing and end the thread; after `patience` seconds, leave the rest in the bins.

        What is left there is removed by whoever opens the repository next.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self.emptied()
        await asyncio.to_thread(self._remover.shutdown, cancel_futures=True)


def _rename(path: Path, target: Path) -> None:
    try:
        path.rename(target)
    except PermissionError:
        if path.is_symlink():
            raise
        # A directory that its owner may not write to cannot change its parent either.
        path.chmod(0o700)
        path.rename(target)


def remove(path: Path) -> None:
    """Remove a file, link or tree, whatever its permissions; never follows a link, never raises.

    What even the owner may not remove stays in the bin and is tried again at the next start.
    """
    with suppress(OSError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        _open_up(path)
        shutil.rmtree(path, ignore_errors=True)


def _open_up(top: Path) -> None:
    """Make every directory below `top` one that its owner can empty."""
    with suppress(OSError):
        top.chmod(0o700)
    for directory, names, _ in os.walk(top):
        for path in (Path(directory, name) for name in names):
            if not path.is_symlink():
                with suppress(OSError):
                    path.chmod(0o700)
