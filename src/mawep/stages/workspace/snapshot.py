"""The tree of a working directory, taken through a private index that whoever works there cannot influence.

Git's own index in the worktree is its agent's: it may hide edits behind skip-worktree or name objects that are not in
the files. Nothing here reads it, runs anything of a repository that was made inside the directory, or follows a link.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from mawep.adapters.disk import bytes_to_read, files_over
from mawep.adapters.git import Door, Repository
from mawep.adapters.git_objects import SUBMODULE
from mawep.core.model import Sha
from mawep.stages.workspace.layout import copy_index
from mawep.stages.workspace.values import LeftOutError

LARGEST_FILE = 100 * 2**20
LARGEST_TOTAL = 2**30
MOST_NESTED = 100
NESTED_ARCHIVE = "git-directory.tar"

_GITLINK_MODE = b"\x00\x00\xe0\x00"


class Snapshot:
    """One reading of the directory `top`; made by `snapshot`.

    When `rescuing`, the git directories of nested repositories are kept too, and files are left out that are larger
    than LARGEST_FILE or of which there are more than LARGEST_TOTAL bytes. `left_out` has a reason for each path.
    """

    def __init__(self, repository: Repository, top: Path, scratch: Path, *, rescuing: bool) -> None:
        self.left_out: dict[str, str] = {}
        self.index = scratch / "index"
        self._repository = repository
        self._door = repository.worktree(top, None)
        self._top = top
        self._scratch = scratch
        self._rescuing = rescuing
        self._bytes = 0

    async def start_from(self, commit: Sha, known: Path, known_commit: Sha | None) -> None:
        """Load the index with `commit`.

        `known` is an index that may exist, at `known_commit` if that is given: what it remembers of the files' times
        spares reading them again.
        """
        if known.exists():
            copy_index(known, self.index)
            if known_commit == commit:
                return
        merge = ("-m", "-i") if self.index.exists() else ()
        await self._door.run("read-tree", *merge, commit, index=self.index)

    async def require_at_most(self, limit: float) -> None:
        """See that git has no more than `limit` bytes to go through, as it reads holes like anything else.

        What it ignores is not counted. Known race: whoever still writes there may put more after our look.
        Raises LeftOutError.
        """
        if await asyncio.to_thread(bytes_to_read, self._top) <= limit:
            return
        sizes = await asyncio.to_thread(_sizes, self._top, list(await self._list("--cached")))
        total = sum(sizes.values())
        if total <= limit:
            return
        largest = max(sizes, key=sizes.__getitem__)
        raise LeftOutError(
            "the work of an agent is too much to be committed for it",
            cause=f"there are {total / 1e9:.1f} GB to read, the limit is {limit / 1e9:g}; "
            f"{largest!r} alone has {sizes[largest] / 1e9:.1f} (holes count)",
            next_step="look at the worktree, which is kept; `agents.limits.disk_gb` sets the limit",
        )

    async def stage_quickly(self) -> bool | None:
        """Stage everything in one process: True if something differed, False if nothing did.

        None when it cannot be trusted: there is a nested repository, or a file that git cannot read.
        """
        if _GITLINK_MODE in self.index.read_bytes():
            # Git would start itself inside the nested repository, with that one's settings.
            return None
        # Past the guard of `WorkTree.call`, which is there for indexes that may hold such a link.
        done = await Door.call(self._door, "add", "--all", "--verbose", index=self.index)
        if done.code != 0 or any(line.endswith(b"/'") for line in done.stdout.splitlines()):
            return None
        return bool(done.stdout)

    async def stage_carefully(self) -> None:
        """Stage everything file by file, and nested repositories as plain files."""
        if self._rescuing:
            await self._set_aside(await asyncio.to_thread(files_over, LARGEST_FILE, self._top))
        links = await self._gitlinks()
        nested = [f"{link}/" for link in links if (self._top / link).is_dir()]
        changed, gone = [], links
        for path in await self._list("--modified", "--deleted"):
            if path.endswith("/"):
                nested.append(path)
            elif self._is_beyond_link(path):
                gone.append(path)
            elif self._may_take(path):
                changed.append(path)
        changed += await self._files_of(nested)
        if gone:
            await self._update(("--force-remove",), gone)
        await self._update(("--add", "--remove", "--replace"), changed)
        if (self._top / ".git").is_dir():
            await self._archive("")

    async def write(self) -> Sha:
        """Write what is staged as a tree."""
        return (await self._door.run("write-tree", index=self.index)).decode().strip()

    async def _set_aside(self, large: Mapping[Path, int]) -> None:
        """Leave out large files that differ from what is staged by their length: git would read them to compare."""
        sizes = {str(path.relative_to(self._top)): size for path, size in large.items()}
        if not sizes:
            return
        staged = {path: sha for _, sha, path in await self._staged() if path in sizes}
        asked = "".join(f"{sha}\n" for sha in staged.values()).encode()
        lengths = await self._door.run("cat-file", "--batch-check=%(objectsize)", input=asked)
        pairs = zip(staged, lengths.decode().splitlines(), strict=True)
        changed = [path for path, length in pairs if length != str(sizes[path])]
        await self._update(("--assume-unchanged",), changed)
        self.left_out |= {path: _too_large(sizes[path]) for path in changed}

    async def _staged(self) -> list[tuple[str, Sha, str]]:
        """Mode, object and path of every entry of the index."""
        output = await self._door.run("ls-files", "-z", "--stage", index=self.index)
        entries = []
        for entry in output.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            head, _, path = entry.partition("\t")
            mode, sha, _ = head.split(" ")
            entries.append((mode, sha, path))
        return entries

    async def _update(self, how: tuple[str, ...], paths: Iterable[str]) -> None:
        await self._door.run(
            "update-index", *how, "-z", "--stdin", input=_null_separated(paths), index=self.index
        )

    async def _gitlinks(self) -> list[str]:
        """Nested repositories that a commit holds as links."""
        if _GITLINK_MODE not in self.index.read_bytes():
            return []
        return [path for mode, _, path in await self._staged() if mode == SUBMODULE]

    async def _list(self, *which: str, below: str = "") -> Iterator[str]:
        """Paths that nothing ignores, and `which` else; nested repositories end in `/`."""
        door, index = self._door, self.index
        if below:
            door, index = self._repository.worktree(self._top / below, None), self._scratch / "none"
        listing = ("ls-files", "-z", "--others", "--exclude-standard", *which)
        output = await door.run(*listing, index=index)
        found = output.decode("utf-8", "surrogateescape").split("\0")[:-1]
        return (below + path for path in dict.fromkeys(found))

    async def _files_of(self, nested: list[str]) -> list[str]:
        """The files of nested repositories, and of those nested in them, that no rule here or there ignores."""
        found: list[str] = []
        for _ in range(MOST_NESTED):
            if not nested:
                break
            place = nested.pop()
            for path in await self._list(below=place):
                if path.endswith("/"):
                    nested.append(path)
                else:
                    found.append(path)
            await self._archive(place)
        self.left_out |= dict.fromkeys(nested, f"there are more than {MOST_NESTED} nested repositories")
        ignored = await self._ignored(found)
        return [path for path in found if path not in ignored and self._may_take(path)]

    async def _ignored(self, paths: list[str]) -> set[str]:
        """Those of the paths that the rules of the outer repository ignore."""
        if not paths:
            return set()
        done = await self._door.call(
            "check-ignore", "-z", "--stdin", input=_null_separated(paths), index=self.index
        )
        return set(done.stdout.decode("utf-8", "surrogateescape").split("\0"))

    def _is_beyond_link(self, path: str) -> bool:
        """True when a directory of a tracked path is a link now: git would refuse to look behind it."""
        parents = Path(path).parents
        return any((self._top / parent).is_symlink() for parent in list(parents)[:-1])

    def _may_take(self, path: str) -> bool:
        """True when the file can be read and is not too much; one that is gone is taken as gone."""
        try:
            inode = (self._top / path).lstat()
        except OSError:
            return True
        if stat.S_ISLNK(inode.st_mode) or stat.S_ISDIR(inode.st_mode):
            return True
        reason = None
        if not stat.S_ISREG(inode.st_mode):
            reason = "is not a file"
        elif not os.access(self._top / path, os.R_OK):
            reason = "cannot be read"
        elif self._rescuing:
            reason = self._too_much(inode.st_size)
        if reason is not None:
            self.left_out[path] = reason
        return reason is None

    def _too_much(self, size: int) -> str | None:
        if size > LARGEST_FILE:
            return _too_large(size)
        if self._bytes + size > LARGEST_TOTAL:
            return f"would make more than {LARGEST_TOTAL >> 20} MiB"
        self._bytes += size
        return None

    async def _archive(self, place: str) -> None:
        """Keep the git directory of the nested repository at `place` (empty, or ending in `/`) as a tar."""
        source = self._top / place / ".git"
        if not self._rescuing or source.is_symlink() or not source.is_dir():
            return
        archive = self._scratch / "nested.tar"
        try:
            reason = self._too_much(await asyncio.to_thread(bytes_to_read, source))
            if reason is None:
                await asyncio.to_thread(_pack, source, archive)
        except OSError as error:
            reason = str(error)
        if reason is not None:
            self.left_out[f"{place}.git"] = reason
            return
        written = await self._door.run("hash-object", "-w", "--no-filters", "--", str(archive))
        entry = f"100644,{written.decode().strip()},{place}{NESTED_ARCHIVE}"
        await self._door.run("update-index", "--add", "--replace", "--cacheinfo", entry, index=self.index)


@contextmanager
def snapshot(repository: Repository, top: Path, house: Path, *, rescuing: bool) -> Iterator[Snapshot]:
    """A snapshot whose scratch files lie in `house` and go with it."""
    scratch = house / f"scratch-{secrets.token_hex(4)}"
    scratch.mkdir(mode=0o700, parents=True)
    try:
        yield Snapshot(repository, top, scratch, rescuing=rescuing)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _null_separated(paths: Iterable[str]) -> bytes:
    return "".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape")


def _too_large(size: int) -> str:
    return f"has {size >> 20} MiB, more than {LARGEST_FILE >> 20}"


def _sizes(top: Path, paths: Iterable[str]) -> dict[str, int]:
    """The bytes to read of files, and of everything in nested repositories, of those that are there."""
    found = {}
    for path in paths:
        place = top / path
        with suppress(OSError):
            inode = place.lstat()
            found[path] = bytes_to_read(place) if stat.S_ISDIR(inode.st_mode) else inode.st_size
    return found


def _pack(source: Path, archive: Path) -> None:
    with tarfile.open(archive, "w") as tar:
        tar.add(source, arcname=".git")
