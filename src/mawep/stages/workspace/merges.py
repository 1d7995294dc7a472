"""Merges that an agent begins in its worktree and leaves to us: what was merged, and that it is done."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mawep.adapters.git import Repository
from mawep.adapters.git_files import read_plain
from mawep.adapters.git_objects import exists, is_ancestor
from mawep.core.model import Sha
from mawep.stages.workspace import layout

_NAME = re.compile(rb"([0-9a-f]{40}(?:[0-9a-f]{24})?)\n?")
_STATE = ("MERGE_HEAD", "MERGE_MODE", "MERGE_MSG", "AUTO_MERGE")


async def begun(repository: Repository, places: Iterable[Path], head: Sha) -> Sha | None:
    """The commit that is being merged into `head`, as one of these git directories says; None when there is none.

    An agent can write there what it likes, as it can merge what it likes: the import checks judge what comes of it.
    """
    for place in places:
        name = _NAME.fullmatch(read_plain(place / "MERGE_HEAD"))
        if name is None:
            continue
        commit = name[1].decode()
        if await exists(repository, f"{commit}^{{commit}}") and not await is_ancestor(
            repository, commit, head
        ):
            return commit
    return None


def conclude(entry: Path, ref: str, index: Path) -> None:
    """Bring a worktree's own index to the commit that was made for it, as `git commit` does.

    Without this the next merge there would be refused. What is at something else, or locked, is the agent's affair.
    """
    if layout.head_of(entry) != f"ref: {ref}" or (entry / "index.lock").exists():
        return
    draft = entry / ".mawep-index"
    with suppress(OSError):
        layout.copy_index(index, draft)
        draft.replace(entry / "index")
        for name in _STATE:
            (entry / name).unlink(missing_ok=True)
