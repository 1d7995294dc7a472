"""Worktrees: listed, and changed one at a time per repository.

Git's own `worktree list` fails while another process is half way through `worktree add`: the entries are read here.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.git import Repository

LOCK_POLL = 0.005
_UNDER_WAY = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}


@dataclass(frozen=True)
class Listed:
    """One work tree of the repository; `name` is None for the main one.

    `branch` is the full ref it is on, also while a rebase of that branch is under way; None when detached.
    `under_way` names an operation that has not ended, such as `merge` or `rebase`.
    """

    name: str | None
    path: Path
    branch: str | None
    under_way: str | None


@asynccontextmanager
async def worktrees_locked(repository: Repository) -> AsyncIterator[None]:
    """Hold the right to add, move or forget worktrees of this repository, against every MAWEP process."""
    async with repository.worktrees_lock:
        descriptor = os.open(
            repository.common_dir / "mawep" / "worktrees.lock", os.O_RDWR | os.O_CREAT, 0o600
        )
        try:
            while not _locked(descriptor):  # noqa: ASYNC110 - another process may hold it
                await asyncio.sleep(LOCK_POLL)
            yield
        finally:
            os.close(descriptor)


def list_worktrees(repository: Repository) -> tuple[Listed, ...]:
    """Every work tree of the repository, the main one first; a bare repository has no main one."""
    main, home = repository.main_work_tree, repository.common_dir / "worktrees"
    first = [_listed(None, repository.common_dir, main)] if main else []
    entries = sorted(home.iterdir()) if home.is_dir() else []
    return (*first, *(_listed(entry.name, entry, path) for entry in entries if (path := _path_of(entry))))


def _listed(name: str | None, git_dir: Path, path: Path) -> Listed:
    head = _read(git_dir / "HEAD") or ""
    under_way = next((what for file, what in _UNDER_WAY.items() if (git_dir / file).exists()), None)
    branch = head.removeprefix("ref: ") if head.startswith("ref: ") else None
    for kind in ("rebase-merge", "rebase-apply"):
        branch = branch or _read(git_dir / kind / "head-name")
    return Listed(name, path, branch, under_way)


def _path_of(entry: Path) -> Path | None:
    """The worktree that an entry under `worktrees/` stands for, None when it is half made."""
    pointer = _read(entry / "gitdir")
    return (entry / pointer).parent if pointer else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").strip() or None
    except OSError:
        return None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
