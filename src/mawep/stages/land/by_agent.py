"""What an agent made of the conflicts that it was to resolve: told with its landing, never a reason to refuse it."""

from __future__ import annotations

import asyncio
from itertools import groupby

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_merge import Conflicted, Stage, merge_trees
from mawep.adapters.git_objects import list_tree, read_blob, size_of
from mawep.merging.account import account
from mawep.stages.land.resolve import LARGEST

MOST_LINES = 5
"""Lines of a file that are told."""
LONGEST = 100
"""Characters of each."""
_SIDES = {"ours": "the target's", "theirs": "its own", "merge": "new"}


async def accounted(repository: Repository, before: Sha, after: Sha, target: Sha) -> tuple[str, ...]:
    """One sentence for each file in which `before` conflicted with what of the target `after` has merged.

    Raises GitError.
    """
    merged = (await repository.run("merge-base", target, after)).decode().strip()
    tried = await merge_trees(repository, merged, before)
    if not isinstance(tried, Conflicted):
        return ()
    return tuple(
        [
            f"{path}: {await _told(repository, path, list(stages), after)}"
            for path, stages in groupby(tried.stages, key=lambda stage: stage.path)
        ]
    )


async def _told(repository: Repository, path: str, stages: list[Stage], after: Sha) -> str:
    there = {entry.path: entry.sha for entry in await list_tree(repository, after, path)}
    if [stage.number for stage in stages] != [1, 2, 3] or path not in there:
        return "resolved" if path in there else "resolved, it is gone"
    blobs = [*(stage.blob for stage in stages), there[path]]
    if max([await size_of(repository, blob) for blob in blobs]) > LARGEST:
        return "resolved, and too large for an account"
    base, ours, theirs, made = [
        (await read_blob(repository, blob)).decode("utf-8", "surrogateescape") for blob in blobs
    ]
    lost = (await asyncio.to_thread(account, base, ours, theirs, made, path)).lost
    if not lost:
        return "resolved, every line of both sides is accounted for"
    named = [f"{_SIDES[entry.side]} `{entry.line.strip()[:LONGEST]}`" for entry in lost[:MOST_LINES]]
    more = f" and {len(lost) - MOST_LINES} more" if len(lost) > MOST_LINES else ""
    return f"resolved, not as either side wrote it: {', '.join(named)}{more}"
