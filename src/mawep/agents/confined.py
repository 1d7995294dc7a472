"""Files below a directory that an agent may have written to: nothing is followed that it could have put there.

A path is walked one directory at a time without following links, so that what changes meanwhile leads nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def parent(root: Path, parts: Sequence[str], *, make: bool = False) -> Iterator[tuple[int, str]]:
    """A descriptor of the directory that holds the path, and the name in it.

    Raises:
        OSError: a directory on the way is missing, is none, or is a link.
    """
    *directories, name = parts
    directory = os.open(root, _DIRECTORY & ~os.O_NOFOLLOW)
    try:
        for part in directories:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=directory)
            deeper = os.open(part, _DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = deeper
        yield directory, name
    finally:
        os.close(directory)


def put(root: Path, parts: Sequence[str], data: bytes, mode: int | None = None) -> bool:
    """Put a file in place whole, with directories on the way; False when something else is there.

    Without `mode` a file keeps the one that it has.

    Raises:
        OSError: a directory on the way is none or is a link, or it cannot be written.
    """
    with parent(root, parts, make=True) as (directory, name):
        wanted = 0o644 if mode is None else mode
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode) and mode is None:
                return False
            wanted = stat.S_IMODE(found.st_mode) & 0o777 if mode is None else mode
        new = f".mawep-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with open(os.open(new, flags, 0o600, dir_fd=directory), "wb") as file:  # noqa: PTH123
                os.fchmod(file.fileno(), wanted)
                file.write(data)
            os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(new, dir_fd=directory)
            raise
    return True
