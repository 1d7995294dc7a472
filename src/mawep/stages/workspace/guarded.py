"""Which paths of a worktree can be mounted read-only, so that an agent learns at once what an import would refuse."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mawep.adapters.git import Repository
from mawep.stages.workspace.values import Workspace

MOST_GUARDED = 300
_WILD = frozenset("*?[")


async def guarded_paths(
    repository: Repository, workspace: Workspace, index: Path, patterns: Sequence[str]
) -> tuple[Path, ...]:
    """Paths in the worktree that these patterns name: directories as a whole where they can be named so."""
    plain = [pattern.removesuffix("/**") for pattern in patterns]
    named = [pattern for pattern in plain if not _WILD & set(pattern)]
    wild = [f":(top,glob,icase){pattern}" for pattern in plain if _WILD & set(pattern)]
    if wild and index.exists():
        door = repository.worktree(workspace.path, None)
        found = await door.run("ls-files", "-z", "--", *wild[:MOST_GUARDED], index=index)
        named += found.decode("utf-8", "surrogateescape").split("\0")[:-1]
    return tuple(_real(workspace.path, named))[:MOST_GUARDED]


def _real(top: Path, names: Iterable[str]) -> Iterator[Path]:
    """Those that are there, and not by way of a link: a mount would follow that out of the worktree."""
    for path in dict.fromkeys(top / name for name in names):
        if os.path.lexists(path) and os.path.realpath(path) == str(path) and path != top:
            yield path
