"""Text files of the worktree for an agent that has us read and write them: never outside of it, never through a link.

MAWEP does this with its own rights: see confined.py.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mawep.agents.confined import parent, put
from mawep.agents.permission import relative
from mawep.agents.sdk import acp, schema

FILE_LIMIT = 20 * 2**20
"""No file of more bytes is read or written for an agent."""

_REFUSED = -32000
_MISSING = -32002


class Files:
    """The files of one worktree."""

    def __init__(self, worktree: Path) -> None:
        self._worktree = worktree

    def read(self, path: str, line: int | None, limit: int | None) -> schema.ReadTextFileResponse:
        """The text of a file, or `limit` lines of it from `line` on, counted from 1.

        Raises:
            RequestError: it is outside the worktree, no text file, missing, or too large.
        """
        with self._reported(path), parent(self._worktree, self._parts(path)) as (directory, name):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(name, flags, dir_fd=directory), "rb") as file:  # noqa: PTH123
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise _refused(path, "is not a file")
                if found.st_size > FILE_LIMIT:
                    raise _refused(path, f"has more than {FILE_LIMIT // 2**20} MiB")
                text = file.read(FILE_LIMIT).decode(errors="replace")
        if line is not None or limit is not None:
            first = max((line or 1) - 1, 0)
            text = "".join(text.splitlines(keepends=True)[first:][:limit])
        return schema.ReadTextFileResponse(content=text)

    def write(self, path: str, content: str) -> schema.WriteTextFileResponse:
        """Put a file in place whole, with directories on the way to it; it keeps its mode.

        Raises:
            RequestError: it is outside the worktree, is no file, or cannot be written.
        """
        data = content.encode(errors="surrogatepass")
        if len(data) > FILE_LIMIT:
            raise _refused(path, f"would have more than {FILE_LIMIT // 2**20} MiB")
        with self._reported(path):
            if not put(self._worktree, self._parts(path), data):
                raise _refused(path, "is not a file")
        return schema.WriteTextFileResponse()

    def _parts(self, path: str) -> list[str]:
        inside = relative(self._worktree, path) if "\0" not in path else "/"
        parts = inside.split("/")
        if inside in (".", "") or inside.startswith("/") or ".." in parts:
            raise _refused(path, "is outside the worktree")
        if any(part.lower() == ".git" for part in parts):
            raise _refused(path, "belongs to git")
        return parts

    @contextlib.contextmanager
    def _reported(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise acp.RequestError(_MISSING, f"Resource not found: {path}", {"uri": path}) from None
        except OSError as error:
            raise _refused(path, f"cannot be used: {error.strerror}") from None


def _refused(path: str, why: str) -> acp.RequestError:
    return acp.RequestError(_REFUSED, f"{path} {why}", {"path": path})
