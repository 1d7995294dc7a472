"""Files of a git directory read without git, in which whatever has worked there may have left anything."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

_NAME = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")

MOST_BYTES = 2**16
"""Of a file that names one thing; a file of holes can say that it has any number, and costs nothing."""


def read_plain(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a plain file of at most that many bytes, empty for anything else: a FIFO would never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        status = os.fstat(descriptor)
        fit = stat.S_ISREG(status.st_mode) and status.st_size <= most
        return os.read(descriptor, status.st_size) if fit else b""
    finally:
        os.close(descriptor)


def written_ref(common_dir: Path, ref: str) -> str | None:
    """What is written of a fully named ref: an object name, or `ref: …` if it is symbolic; None: no such ref."""
    loose = common_dir / ref
    # `git pack-refs` writes the packed file before it removes the loose one.
    for content in (read_plain(loose), _packed(common_dir, ref), read_plain(loose)):
        if content.startswith(b"ref:"):
            return os.fsdecode(content).strip()
        if loose.is_symlink():
            return f"ref: {loose.readlink()}"
        if name := _NAME.match(content):
            return name[0].decode()
    return None


def _packed(common_dir: Path, ref: str) -> bytes:
    """The line of `packed-refs` about a ref, empty when there is none. No agent writes that file: it may be long."""
    packed = read_plain(common_dir / "packed-refs", most=sys.maxsize)
    end = packed.find(f" {ref}\n".encode("utf-8", "surrogateescape"))
    return packed[packed.rfind(b"\n", 0, end) + 1 : end] if end >= 0 else b""
