"""What some scopes read of a commit, in one digest: while it stays the same, so does the gate's verdict on them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_objects import Entry, list_tree
from mawep.core.model import Rules, Scope
from mawep.core.scopes import reads, unread


async def what_is_read(
    repository: Repository, commit: Sha, rules: Rules, gated: Sequence[str] | None
) -> str | None:
    """The digest of what these scopes read of a commit, where a verdict holds for that; None: it holds for the tree.

    Raises:
        GitError: the commit is not there.
    """
    if not rules.lanes or gated is None:
        return None
    return await read_digest(repository, commit, rules.scopes, gated)


async def read_digest(
    repository: Repository, commit: Sha, scopes: Sequence[Scope], gated: Sequence[str]
) -> str:
    """The sha256 over mode, object and path of all in a commit or tree that makes a difference to the `gated` scopes.

    Raises:
        GitError: the commit is not there.
    """
    entries = await list_tree(repository, commit)
    return await asyncio.to_thread(
        _digest, entries, scopes, gated
    )  # patterns times paths, of which there are many


def _digest(entries: Sequence[Entry], scopes: Sequence[Scope], gated: Sequence[str]) -> str:
    passed_over, found = unread(scopes, gated), hashlib.sha256()
    for entry in entries:
        if reads(scopes, passed_over, entry.path):
            found.update(f"{entry.mode} {entry.sha}\t{entry.path}\0".encode(errors="surrogateescape"))
    return found.hexdigest()
