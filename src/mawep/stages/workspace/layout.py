"""What git keeps on disk about a linked worktree: its entry, the pointer back to it, and its branch.

An entry appears, moves and disappears by one rename each, because `git worktree list` and every git that looks for
"who has this branch checked out" die on an entry that is half there, and agents run git whenever they like. It is
locked in git's own sense, so that nobody's `git worktree prune` takes it while its directory is being moved.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from mawep.adapters.git_files import read_plain, written_ref
from mawep.core.model import Sha
from mawep.stages.workspace.values import BranchMovedError

_LOCK_REASON = "in use by mawep; `mawep cleanup` gives it back\n"


def entry_of(common_dir: Path, name: str) -> Path:
    """The worktree entry of that name."""
    return common_dir / "worktrees" / name


def make_entry(common_dir: Path, name: str, path: Path, head: str, *, index: Path, draft: Path) -> None:
    """Make `path` the linked worktree `name`, at `head` (a commit or `ref: refs/heads/…`), with a copy of `index`.

    No other entry has that name. `draft` is a path on the repository's file system to build the entry at.
    """
    draft.mkdir()
    for file, text in _constant(path).items():
        (draft / file).write_text(text, encoding="utf-8")
    (draft / "HEAD").write_text(f"{head}\n", encoding="utf-8")
    copy_index(index, draft / "index")
    entry = entry_of(common_dir, name)
    while not entry.exists():
        # Git removes `worktrees` with the last entry in it.
        entry.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            draft.rename(entry)
    point(path, entry)


def is_as_made(common_dir: Path, name: str, path: Path) -> bool:
    """True when of the worktree nothing else than HEAD and index can have been written, and nothing was added."""
    entry, constant = entry_of(common_dir, name), _constant(path)
    try:
        inodes = {file.name: file.lstat() for file in entry.iterdir()}
    except OSError:
        return False
    return (
        not entry.is_symlink()
        and inodes.keys() == {*constant, "HEAD", "index"}
        and all(stat.S_ISREG(inode.st_mode) and inode.st_nlink == 1 for inode in inodes.values())
        and all(read_plain(entry / file) == os.fsencode(text) for file, text in constant.items())
        and entry_named_by(path) == entry
    )


def _constant(path: Path) -> dict[str, str]:
    """The files of an entry that stay as they are while the directory is at `path`."""
    return {"commondir": "../..\n", "locked": _LOCK_REASON, "gitdir": f"{path}/.git\n"}


def move_entry(common_dir: Path, old: str, new: str, path: Path, head: str) -> None:
    """Rename the entry `old`, whose directory is at `path` by now, and put it on `head`."""
    entry = entry_of(common_dir, new)
    entry_of(common_dir, old).rename(entry)
    _replace(entry / "gitdir", f"{path}/.git\n")
    set_head(entry, head)
    point(path, entry)


def set_head(entry: Path, head: str) -> None:
    """Put the worktree on `head` (a commit or `ref: refs/heads/…`) without touching a file of it."""
    _replace(entry / "HEAD", f"{head}\n")


def head_of(entry: Path) -> str:
    """What the worktree's HEAD says, empty when there is none."""
    return read_plain(entry / "HEAD").decode("utf-8", "surrogateescape").strip()


def point(path: Path, entry: Path) -> None:
    """Make the directory's `.git` file name its entry; anything else that is there must be a file or link."""
    _replace(path / ".git", f"gitdir: {entry}\n")


def entry_named_by(path: Path) -> Path | None:
    """The worktree entry that the directory's `.git` file names, None when that is no such file."""
    content = read_plain(path / ".git")
    named = content.removeprefix(b"gitdir: ").removesuffix(b"\n")
    return Path(os.fsdecode(named)) if named != content else None


def directory_of(entry: Path) -> Path | None:
    """The directory that a worktree entry stands for, None when there is no such entry."""
    pointer = read_plain(entry / "gitdir").rstrip(b"\n")
    return Path(os.fsdecode(pointer)).parent if pointer else None


def copy_index(source: Path, target: Path) -> None:
    """Copy an index with its time: git takes a file as young as the index for one that may have changed since."""
    shutil.copyfile(source, target)
    times = source.stat()
    os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))


def branch_head(common_dir: Path, ref: str) -> Sha | None:
    """What a branch points at, None when there is none; costs no process.

    Raises BranchMovedError when it is a symbolic ref: what is committed on it would move another branch.
    """
    written = written_ref(common_dir, ref)
    if written is not None and written.startswith("ref:"):
        raise BranchMovedError(
            f"{ref} is a link to another branch",
            cause="whatever worked in the worktree made it one",
            next_step="look at the attempt's transcript; its work is kept in its worktree",
        )
    return written


def _replace(path: Path, text: str) -> None:
    """Write a file beside it and rename, so that a link in its place is replaced and never written through."""
    draft = path.with_name(f".mawep-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError:
        draft.unlink()
        raise
