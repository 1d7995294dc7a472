"""A short, private directory for the sockets of one run: the path of a socket may have 107 bytes at most."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from mawep.errors import UsageError

SOCKET_PATH_LIMIT = 107
ROOM = 32
"""Bytes kept free for the names of sockets in the directory."""


def runtime_directory(owner: Path) -> Path:
    """The directory, mode 0700, for what the run whose things are at `owner` listens on.

    The name follows from `owner`, so that the next process of the same run finds what a killed one left.

    Raises:
        UsageError: something that is not a private directory of ours is in its place.
    """
    path = _path(owner)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise UsageError(
            f"{path} is not a private directory of yours",
            cause=f"owner {status.st_uid}, mode {stat.filemode(status.st_mode)}",
            next_step="set XDG_RUNTIME_DIR to a directory of yours with mode 0700",
        )
    return path


def leave_runtime_directory(owner: Path) -> None:
    """Take the directory away when nothing is left in it."""
    with suppress(OSError):
        _path(owner).rmdir()


def clear_runtime_directory(owner: Path) -> None:
    """Take the directory away with the sockets that a killed process left in it; no process of that run may live."""
    with suppress(OSError):
        for entry in _path(owner).iterdir():
            if stat.S_ISSOCK(entry.lstat().st_mode):
                entry.unlink()
    leave_runtime_directory(owner)


def _path(owner: Path) -> Path:
    name = f"mawep-{os.getuid()}-{hashlib.sha256(b'run ' + os.fsencode(owner.absolute())).hexdigest()[:12]}"
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent")
    path = runtime / name
    if not runtime.is_dir() or len(os.fsencode(path)) > SOCKET_PATH_LIMIT - ROOM:
        return Path("/tmp") / name  # noqa: S108 - the directory is checked before it is used
    return path
