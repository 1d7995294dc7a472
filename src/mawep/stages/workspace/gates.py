"""Gate trees: clean, set-up trees at an exact commit, kept from one gate to the next.

A gate runs code that an agent wrote. Nothing of it stays: afterwards, behind everybody's back, the tree is cleaned;
before the next use every file is compared with our own index and brought to the commit, and so is the worktree entry.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mawep.core.model import Sha
from mawep.errors import GitError, MawepError
from mawep.stages.workspace.places import anchored
from mawep.stages.workspace.products import Products
from mawep.stages.workspace.registry import Kind, Record, Stage
from mawep.stages.workspace.trees import Trees, require_real

MOST_PRODUCTS = 1000
"""More paths than this are not kept from one gate to the next: they would not fit on a command line."""


@dataclass
class _Kept:
    """A gate tree between two uses. `products` None: what its set-up made is not to be trusted.

    `names` are those that `_tidy` found before the use; None: nobody looked.
    """

    record: Record
    inode: int
    products: Products | None = None
    names: frozenset[str] | None = None
    cleaning: asyncio.Task[bool] | None = field(default=None)

    @property
    def path(self) -> Path:
        return Path(self.record.path)


class Gates:
    """Up to `slots` gate trees in use at a time, and no more kept."""

    def __init__(self, trees: Trees, slots: int) -> None:
        self._trees = trees
        self._slots = asyncio.Semaphore(slots)
        self._kept: list[_Kept] = []

    def add(self, record: Record) -> None:
        """Take in a gate tree that a dead process left; it is cleaned before it is used."""
        self._put_back(_Kept(record, _inode(Path(record.path))))

    @asynccontextmanager
    async def use(self, commit: Sha) -> AsyncIterator[Path]:
        """A clean, set-up tree at exactly `commit`; waits for a free slot."""
        async with self._slots:
            tree = await self._prepare(commit)
            try:
                tree.names = await self._names(tree)
                yield tree.path
            finally:
                self._put_back(tree)

    def _put_back(self, tree: _Kept) -> None:
        tree.cleaning = asyncio.create_task(self._clean(tree), name=f"clean {tree.record.name}")
        self._kept.append(tree)

    async def _prepare(self, commit: Sha) -> _Kept:
        digest = await self._trees.provision.digest(commit)
        while self._kept:
            tree = min(self._kept, key=lambda kept: (kept.record.furnished != digest, not _is_idle(kept)))
            self._kept.remove(tree)
            try:
                if await self._cleaned(tree) and await self._bring(tree, commit, digest):
                    return tree
            except BaseException:
                await self._trees.dispose(tree.record)
                raise
            await self._trees.dispose(tree.record)
        record = await self._trees.make(Kind.GATE, commit)
        tree = _Kept(record, _inode(Path(record.path)))
        await self._take_stock(tree)
        return tree

    async def _cleaned(self, tree: _Kept) -> bool:
        """Wait for the cleaning that follows a use; False when it failed."""
        return tree.cleaning is not None and await tree.cleaning

    async def _bring(self, tree: _Kept, commit: Sha, digest: str) -> bool:
        """Bring a clean tree to `commit`; False when it cannot be, so that a new one is made."""
        trees, before = self._trees, tree.record.commit
        tree.record = msgspec.structs.replace(tree.record, commit=commit)
        try:
            # Before the check-out: what was made by the set-up once may be a file of the commit now.
            fits = tree.record.furnished == digest and await self._is_furnished(tree)
            if not fits:
                await self._sweep(tree, keep=())
            await trees.check_out(tree.record, commit, "--reset")
            await trees.reseat(tree.record)
            fits = fits and not await trees.provision.is_uncovered(
                tree.record.name, tree.path, before, commit
            )
        except (GitError, OSError):
            return False
        if not fits:
            tree.record = trees.settle(
                tree.record, stage=Stage.READY, furnished=await trees.furnish(tree.record)
            )
            await self._take_stock(tree)
        return True

    async def _names(self, tree: _Kept) -> frozenset[str] | None:
        """The names in a tree before its use, by which to tell afterwards whether there is anything to clean.

        None when what the set-up made has to go in any case.
        """
        if tree.products is None and self._trees.provision.needed:
            return None
        return await asyncio.to_thread(_tidy, tree.path, frozenset(_kept(tree)))

    async def _is_furnished(self, tree: _Kept) -> bool:
        """True when what the set-up made is all there and nothing else."""
        if not self._trees.provision.needed:
            return True
        return tree.products is not None and await tree.products.restore(tree.path)

    async def _take_stock(self, tree: _Kept) -> None:
        """Remember what the set-up made, so that it survives the cleaning."""
        tree.products = None
        if not self._trees.provision.needed:
            return
        door = self._trees.repository.worktree(tree.path, None)
        listing = ("ls-files", "-z", "--others", "--directory")
        output = await door.run(*listing, index=self._trees.registry.index(tree.record.name))
        paths = output.decode("utf-8", "surrogateescape").split("\0")[:-1]
        if len(paths) <= MOST_PRODUCTS:
            tree.products = await Products.of(tree.path, paths)

    async def _clean(self, tree: _Kept) -> bool:
        """Remove what a gate left; False when the tree is not fit to be used again."""
        try:
            await self._sweep(tree, keep=_kept(tree))
        except (MawepError, OSError):
            return False
        return True

    async def _sweep(self, tree: _Kept, keep: tuple[str, ...]) -> None:
        """Remove everything that git does not track but `keep`, nested repositories and special files too."""
        require_real(tree.path)
        if _inode(tree.path) != tree.inode:
            raise FileNotFoundError(tree.path)
        kept = frozenset(keep)
        if await asyncio.to_thread(_tidy, tree.path, kept) == tree.names:
            return  # git, which looks at every name too, would find nothing to remove
        exceptions = (part for path in keep for part in ("-e", anchored(path)))
        door = self._trees.repository.worktree(tree.path, None)
        await door.run("clean", "-ffdxq", *exceptions, index=self._trees.registry.index(tree.record.name))
        await asyncio.to_thread(_tidy, tree.path, kept)

    async def close(self) -> None:
        """Remove the gate trees."""
        while self._kept:
            tree = self._kept.pop()
            await self._cleaned(tree)
            await self._trees.dispose(tree.record)


def _is_idle(tree: _Kept) -> bool:
    return tree.cleaning is None or tree.cleaning.done()


def _inode(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_ino
    return 0


def _kept(tree: _Kept) -> tuple[str, ...]:
    return tree.products.paths if tree.products else ()


def _tidy(top: Path, keep: frozenset[str]) -> frozenset[str]:
    """Remove what git neither lists nor cleans: FIFOs, sockets, devices, and anything named `.git`.

    Returns the names of all else but `keep`: directories with a `/` behind, links with an `@`.
    """
    pending, names = [""], set()
    while pending:
        below = pending.pop()
        with os.scandir(top / below) as entries:
            for entry in entries:
                path = f"{below}/{entry.name}".lstrip("/")
                if path in keep or (path == ".git" and entry.is_file(follow_symlinks=False)):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if entry.name == ".git":
                        shutil.rmtree(entry.path)
                    else:
                        names.add(f"{path}/")
                        pending.append(path)
                elif path != ".git" and (entry.name == ".git" or not _is_ordinary(entry)):
                    Path(entry.path).unlink()
                else:
                    names.add(f"{path}@" if entry.is_symlink() else path)
    return frozenset(names)


def _is_ordinary(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() or entry.is_file(follow_symlinks=False)
