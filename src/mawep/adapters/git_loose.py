"""Writes one object as git would, a loose file named after its content, without the price of a process."""

from __future__ import annotations

import hashlib
import os
import secrets
import zlib
from pathlib import Path

from mawep.adapters.git import Repository, Sha

FASTEST = 1
"""Git's own level for loose objects."""


def write_object(repository: Repository, kind: str, content: bytes) -> Sha:
    """Write an object of that kind (commit, tree, blob, tag) and return its name.

    The content is not checked. A file that is there under the name already, whatever is in it, is replaced.
    """
    whole = f"{kind} {len(content)}\0".encode() + content
    name = hashlib.new(repository.object_format, whole, usedforsecurity=False).hexdigest()
    objects, packed = repository.common_dir / "objects", zlib.compress(whole, FASTEST)
    try:
        _write(objects, name, packed)
    except (
        FileNotFoundError
    ):  # a person's `git gc --prune=now` took our draft, or the directory that it is for
        _write(objects, name, packed)
    return name


def _write(objects: Path, name: Sha, packed: bytes) -> None:
    # Who may read and write in a repository that is shared is seen from its directory.
    mode = objects.stat().st_mode
    directory = objects / name[:2]
    if not directory.is_dir():
        directory.mkdir(exist_ok=True)
        directory.chmod(mode)
    draft = (
        directory / f"tmp_obj_{secrets.token_hex(8)}"
    )  # git's own name: `git gc` takes one that a crash left
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(packed)
            os.fchmod(file.fileno(), mode & 0o444)
        draft.replace(directory / name[2:])
    except OSError:
        draft.unlink(missing_ok=True)
        raise
