"""Which files of a worktree its agent changes, seen from outside: whatever git would not ignore, each told once."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from itertools import islice

from mawep.adapters.git import WorkTree, failure

MOST_AT_ONCE = 1000
"""Changed files that one look takes in; the rest is for the next."""


class Changed:
    """The files of a worktree that were changed after this was made.

    Change times are the kernel's own: nobody can set them. A file that is gone is not seen, nor what changed while the
    clock was set back; what an attempt made is known for certain when its commits are imported.
    """

    def __init__(self, tree: WorkTree) -> None:
        self._tree = tree
        self._since = time.time_ns()
        self._seen: set[str] = set()

    async def look(self) -> list[str]:
        """The files, relative to the worktree, that are changed now and were not at any look before.

        Raises:
            GitError: git does not say which of them it ignores.
        """
        new = await asyncio.to_thread(lambda: list(islice(self._new(), MOST_AT_ONCE)))
        if not new:
            return []
        ignored = await self._ignored(new)
        self._seen.update(new)
        return sorted(path for path in new if path not in ignored)

    def _new(self) -> Iterator[str]:
        root = os.fspath(self._tree.path)
        for directory, below, files in os.walk(root):
            below[:] = [name for name in below if name != ".git"]
            for name in files:
                file = f"{directory}/{name}"  # making a `Path` of each takes longer than all the rest
                if self._is_newer(file):
                    path = file[len(root) + 1 :]
                    if path not in self._seen and path.isprintable():
                        yield path

    def _is_newer(self, file: str) -> bool:
        try:
            return os.lstat(file).st_ctime_ns > self._since
        except OSError:  # gone again
            return False

    async def _ignored(self, paths: list[str]) -> set[str]:
        asked = ("check-ignore", "--no-index", "-z", "--stdin")
        done = await self._tree.call(*asked, input=b"".join(path.encode() + b"\0" for path in paths))
        if done.code > 1:  # 1: it ignores none of them
            raise failure(("git", *asked), done)
        return set(done.stdout.decode().split("\0"))
