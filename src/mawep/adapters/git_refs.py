"""Refs: read, listed, and moved by compare-and-swap in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mawep.adapters.finishing import finished
from mawep.adapters.git import Door, LockHeldError, Repository, Sha
from mawep.adapters.git_files import written_ref
from mawep.adapters.git_orphans import remove_stale_lock
from mawep.errors import GitError

_LOCKED_TOO = ("HEAD", "packed-refs")
"""What git locks besides the refs themselves: HEAD if it is on one of them, the packed ones if one goes."""

PATIENCE = 10.0
"""Seconds for which a caller who is cancelled waits for an update that is under way."""

RefUpdate = tuple[str, Sha | None, Sha | None]
"""(ref, new, old): `old` None means the ref must not exist yet, `new` None deletes it."""


class RefMovedError(GitError):
    """`ref` is not at `expected` but at `actual` (None: no such ref); the whole transaction did nothing."""

    def __init__(self, error: GitError, ref: str, expected: Sha | None, actual: Sha | None) -> None:
        super().__init__(error.command, error.code, error.stdout, error.stderr)
        self.ref = ref
        self.expected = expected
        self.actual = actual
        self.what = f"{ref} moved: expected {expected or 'no such ref'}, found {actual or 'no such ref'}"
        self.cause = "something else updated it"


async def update_refs(
    repository: Repository, updates: Sequence[RefUpdate], *, message: str = "mawep", fsync: bool = True
) -> None:
    """Move all refs or none, each only if it still is at its old value.

    A symbolic ref is replaced, never followed. `message` goes to the reflogs. It is not broken off when the caller is
    cancelled: a git that is ended in the moment in which it makes a lock file leaves that behind.
    Raises RefMovedError on a mismatch, LockHeldError when another git is in the way, else GitError.
    """
    command = ("update-ref", "-m", message, "--no-deref", "--stdin", "-z")
    lines = (_line(ref, new, old, repository.null) for ref, new, old in updates)
    question = "".join(["start\0", *lines, "commit\0"]).encode("utf-8", "surrogateescape")
    try:
        updated = repository.ask(*command, question=question, read=_until_committed, fsync=fsync)
        await finished(updated, within=PATIENCE)
    except GitError as error:
        if type(error) is GitError:
            for ref, _, old in updates:
                actual = await read_ref(repository, ref)
                if actual != old:
                    raise RefMovedError(error, ref, old, actual) from error
        raise


async def _until_committed(answers: asyncio.StreamReader) -> None:
    await answers.readuntil(b"commit: ok\n")


async def update_refs_again(
    repository: Repository,
    updates: Sequence[RefUpdate],
    *,
    intended_at: float,
    message: str = "mawep",
    fsync: bool = True,
) -> None:
    """Do what `update_refs` does, past locks that a dead child of ours left when it tried the same.

    `intended_at` is when the caller journalled this update, in seconds since 1970. Raises as `update_refs`.
    """
    contents = {f"{ref}.lock": new for ref, new, _ in updates}
    for _ in range(len(updates) + len(_LOCKED_TOO)):
        try:
            return await update_refs(repository, updates, message=message, fsync=fsync)
        except LockHeldError as error:
            content = next((new for name, new in contents.items() if error.path.match(name)), None)
            if not remove_stale_lock(repository, error.path, intended_at=intended_at, content=content):
                raise
    return await update_refs(repository, updates, message=message, fsync=fsync)


async def read_ref(door: Door, ref: str) -> Sha | None:
    """The object that the fully named ref points at, None when it does not exist; seldom costs a process."""
    written = written_ref(door.common_dir, ref)
    if written is None or not written.startswith("ref:"):
        return written
    done = await door.call("show-ref", "--verify", "--hash", "--", ref)
    return done.stdout.decode().strip() if done.code == 0 else None


async def list_refs(door: Door, *prefixes: str) -> dict[str, Sha]:
    """Every ref under the prefixes (whole path components, such as `refs/mawep/`), by name."""
    output = await door.run("for-each-ref", "--format=%(objectname) %(refname)", "--", *prefixes)
    lines = output.decode("utf-8", "surrogateescape").splitlines()
    return {ref: sha for sha, _, ref in (line.partition(" ") for line in lines)}


def _line(ref: str, new: Sha | None, old: Sha | None, null: Sha) -> str:
    if new is None:
        return f"delete {ref}\0{old or null}\0"
    return f"update {ref}\0{new}\0{old or null}\0"


async def hold(repository: Repository, ref: str, sha: Sha) -> None:
    """Point `ref` at `sha`, durably, wherever it was before: for refs that only this process writes.

    A lock that is on such a ref without a live git was left by a dead child of ours, whenever that was.
    """
    old: Sha | None = None
    while old != sha:
        try:
            await update_refs_again(repository, [(ref, sha, old)], intended_at=0.0, message="mawep: hold")
            old = sha
        except RefMovedError as held:
            old = held.actual
