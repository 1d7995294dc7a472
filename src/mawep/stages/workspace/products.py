"""Products: what the set-up of a gate tree made, kept from one gate to the next only while it is untouched.

`git clean` would throw away what took minutes to install; keeping it would let one gate (which runs an agent's code)
prepare the next one's verdict. An inode's change time cannot be set back by its owner: whatever is younger than the
set-up was added or altered since. What was added is removed; what was altered or is missing asks for a new set-up.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICK = 0.002
_COARSE = getattr(time, "CLOCK_REALTIME_COARSE", time.CLOCK_REALTIME)


@dataclass(frozen=True)
class Products:
    """Paths relative to the tree (directories whole), as they were when their youngest inode changed at `mark` ns."""

    paths: tuple[str, ...]
    directories: frozenset[str]
    digest: bytes
    mark: int

    @classmethod
    async def of(cls, tree: Path, paths: Iterable[str]) -> Products:
        """Take stock after a set-up."""
        products = await asyncio.to_thread(_take_stock, tree, tuple(path.rstrip("/") for path in paths))
        # The kernel stamps inodes with a clock that stands still for some milliseconds.
        while time.clock_gettime_ns(_COARSE) <= products.mark:  # noqa: ASYNC110 - a clock calls nobody
            await asyncio.sleep(TICK)
        return products

    async def restore(self, tree: Path) -> bool:
        """Remove what was added since. False when what was there is altered or missing: set up again."""
        return await asyncio.to_thread(_restore, tree, self)


class _Survey:
    """What was found in one walk: directories, all else, and the youngest change of an inode in ns."""

    def __init__(self) -> None:
        self.directories: set[str] = set()
        self.files: list[str] = []
        self.youngest = 0

    def digest(self) -> bytes:
        """One value for everything found; the order in which it was found does not matter."""
        digest = hashlib.sha256()
        for path in (*sorted(self.directories), "", *sorted(self.files)):
            digest.update(os.fsencode(path) + b"\0")
        return digest.digest()


def _take_stock(tree: Path, paths: tuple[str, ...]) -> Products:
    survey = _Survey()
    for path in paths:
        _look(tree, path, survey)
    return Products(paths, frozenset(survey.directories), survey.digest(), survey.youngest)


def _look(tree: Path, path: str, survey: _Survey) -> None:
    """Note everything at and below `path`, without following a link."""
    place = os.path.join(tree, path)  # noqa: PTH118 - strings: there may be 100,000 of them
    inode = os.lstat(place)
    survey.youngest = max(survey.youngest, inode.st_ctime_ns)
    if not stat.S_ISDIR(inode.st_mode):
        survey.files.append(path)
        return
    survey.directories.add(path)
    for name in os.listdir(place):  # noqa: PTH208
        _look(tree, f"{path}/{name}", survey)


def _restore(tree: Path, products: Products) -> bool:
    left = _Survey()
    try:
        for path in products.paths:
            _purge(tree, path, products, left)
    except OSError:
        return False
    return left.digest() == products.digest


def _purge(tree: Path, path: str, products: Products, left: _Survey) -> None:
    """Remove what is new at and below `path`, and note what is not."""
    place = os.path.join(tree, path)  # noqa: PTH118
    inode = os.lstat(place)
    if not stat.S_ISDIR(inode.st_mode):
        if inode.st_ctime_ns > products.mark:
            os.unlink(place)  # noqa: PTH108
        else:
            left.files.append(path)
    elif path in products.directories:
        left.directories.add(path)
        for name in os.listdir(place):  # noqa: PTH208
            _purge(tree, f"{path}/{name}", products, left)
    else:
        shutil.rmtree(place)
