"""Conflict markers that somebody has left in files."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_objects import ABSENT, SUBMODULE, SYMLINK, Change, read_blob, size_of

LARGEST = 2**20
"""Bytes of a file that is looked at; nobody resolves conflicts in what is larger by hand."""

_CONFLICT = re.compile(rb"^<{7} .*?^={7}\r?$.*?^>{7} ", re.MULTILINE | re.DOTALL)


async def marked(repository: Repository, changes: Iterable[Change]) -> list[str]:
    """The changed files with more conflicts in them than they had before. Raises GitError."""
    return [
        change.path
        for change in changes
        if await _conflicts(repository, change.new_mode, change.new_sha)
        > await _conflicts(repository, change.old_mode, change.old_sha)
    ]


async def _conflicts(repository: Repository, mode: str, sha: Sha) -> int:
    if mode in (ABSENT, SUBMODULE, SYMLINK) or await size_of(repository, sha) > LARGEST:
        return 0
    return len(_CONFLICT.findall(await read_blob(repository, sha)))
