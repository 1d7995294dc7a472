"""Everything that lies in a work tree, as a tree object, through a private index and without entering links."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.git import Door, Sha, WorkTree, failure
from mawep.adapters.git_objects import SUBMODULE


@dataclass(frozen=True)
class Staged:
    """What a work tree holds.

    `tree` has every file except those inside the repositories nested at `nested`, and no link to these.
    `skipped` is what git said about files that it could not read, empty when there were none.
    """

    tree: Sha
    nested: tuple[str, ...]
    skipped: str


async def stage_all(tree: WorkTree, start: Sha, *, index: Path, fsync: bool = False) -> Staged:
    """Write everything in the work tree as a tree object: what `start` tracks, and what is not ignored.

    The work tree's own index is not looked at. `index` is a private file: a new one, or one kept from an earlier
    call, which saves hashing files that did not change since. Raises LockHeldError or GitError.
    """
    await tree.run("read-tree", "--reset", start, index=index)
    await _remove_links(tree, index)
    untracked = await tree.run("ls-files", "--others", "--exclude-standard", "-z", index=index)
    nested = {_text(path.rstrip(b"/")) for path in untracked.split(b"\0") if path.endswith(b"/")}
    paths = [".", *(f":(exclude,literal){path}" for path in nested)]
    # Past the guard of `WorkTree.call`: this index holds no link that git could enter.
    command = ("add", "--all", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul")
    pathspec = "\0".join(paths).encode("utf-8", "surrogateescape")
    done = await Door.call(tree, *command, input=pathspec, index=index, fsync=fsync)
    if done.code not in {0, 1}:
        raise failure(("git", *command), done)
    nested |= await _remove_links(tree, index)
    written = await tree.run("write-tree", index=index, fsync=fsync)
    skipped = done.stderr.decode(errors="replace").strip() if done.code != 0 else ""
    return Staged(written.decode().strip(), tuple(sorted(nested)), skipped)


async def _remove_links(tree: WorkTree, index: Path) -> set[str]:
    """Take the links to other repositories out of the index and return their paths."""
    listed = await tree.run("ls-files", "--stage", "-z", index=index)
    links = [entry for entry in listed.split(b"\0") if entry.startswith(SUBMODULE.encode())]
    paths = [entry.partition(b"\t")[2] for entry in links]
    if paths:
        removed = b"".join(path + b"\0" for path in paths)
        await tree.run("update-index", "--force-remove", "-z", "--stdin", input=removed, index=index)
    return {_text(path) for path in paths}


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
