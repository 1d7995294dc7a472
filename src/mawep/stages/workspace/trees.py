"""Trees: made, brought to a commit, moved and removed; the one place where worktrees come into being.

Every tree begins in the pool under a name that nobody can guess, so what bears such a name is ours. Files are written
by one `git read-tree -u` with a private index that lies out of every agent's sight; the worktree gets a copy of it.
Only the appearance of an entry, microseconds, is under the lock of the repository.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mawep.adapters.git import Repository
from mawep.adapters.git_worktrees import worktrees_locked
from mawep.core.model import Sha
from mawep.stages.workspace import layout
from mawep.stages.workspace.places import Places
from mawep.stages.workspace.provision import Provision
from mawep.stages.workspace.registry import Kind, Record, Registry, Stage
from mawep.stages.workspace.trash import Trash
from mawep.stages.workspace.values import TreeGoneError, WorkspaceExists

POOL_PREFIX = "mawep-"

STRICT = {
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "core.trustCtime",
    "GIT_CONFIG_VALUE_0": "true",
    "GIT_CONFIG_KEY_1": "core.checkStat",
    "GIT_CONFIG_VALUE_1": "default",
}
"""Users may let git trust a file's modification time alone, which whoever writes the file can set back."""


@dataclass(frozen=True)
class Trees:
    """What it takes to make and remove trees; spares, gates and attempts share it."""

    repository: Repository
    places: Places
    registry: Registry
    trash: Trash
    provision: Provision

    async def make(self, kind: Kind, commit: Sha) -> Record:
        """Make a set-up tree for the pool, detached at `commit`; a failure leaves nothing."""
        pool = self.places.spares if kind is Kind.SPARE else self.places.gates
        name = f"{POOL_PREFIX}{kind}-{secrets.token_hex(4)}"
        record = Record(name, kind, Stage.MAKING, self.registry.owner, str(pool / name), commit)
        self.registry.create(record)
        try:
            (pool / name).mkdir()
            await self.check_out(record, commit, "-m")
            await self.seat(record)
            return self.settle(record, stage=Stage.READY, furnished=await self.furnish(record))
        except BaseException:
            await self.dispose(record)
            raise

    async def check_out(self, record: Record, commit: Sha, mode: str) -> None:
        """Bring the files and the private index to `commit`.

        Mode `-m` writes what differs between the index and the commit and raises GitError rather than overwrite
        anything else; `--reset` compares every file with the index and overwrites whatever is in the way.
        """
        door = self.repository.worktree(Path(record.path), None)
        await door.run("read-tree", mode, "-u", commit, index=self.registry.index(record.name), env=STRICT)

    async def seat(self, record: Record) -> None:
        """Give the directory a fresh worktree entry at the record's commit, whatever its old one was."""
        common_dir, name = self.repository.common_dir, record.name
        async with worktrees_locked(self.repository):
            self.trash.throw(layout.entry_of(common_dir, name))
            layout.make_entry(
                *(common_dir, name, Path(record.path), record.commit),
                index=self.registry.index(name),
                draft=self.registry.house(name) / "entry",
            )

    async def reseat(self, record: Record) -> None:
        """Bring the entry to the record's commit; one that somebody may have tampered with is made afresh."""
        if layout.is_as_made(self.repository.common_dir, record.name, Path(record.path)):
            self.show(record)
        else:
            await self.seat(record)

    async def furnish(self, record: Record) -> str:
        """Set the tree up as its commit asks, and return the digest of that."""
        digest = await self.provision.digest(record.commit)
        await self.provision.furnish(record)
        if self.provision.needed:
            # A set-up command may have used git.
            self.show(record)
        return digest

    def show(self, record: Record) -> None:
        """Put the worktree's entry at the record's commit, with a copy of the private index."""
        entry = layout.entry_of(self.repository.common_dir, record.name)
        layout.copy_index(self.registry.index(record.name), entry / "index")
        layout.set_head(entry, record.commit)

    async def rename(self, old: Record, new: Record, *, head: str) -> None:
        """Turn one tree into another: directory, entry and private index move, nothing is copied.

        Raises WorkspaceExists, with nothing moved, when the directory or the entry is taken.
        """
        path, common_dir = Path(new.path), self.repository.common_dir
        async with worktrees_locked(self.repository):
            for taken in (path, layout.entry_of(common_dir, new.name)):
                if os.path.lexists(taken):
                    raise WorkspaceExists(f"{taken} is already there", next_step="take another name")
            Path(old.path).rename(path)
            layout.move_entry(common_dir, old.name, new.name, path, head)
        self.registry.index(old.name).rename(self.registry.index(new.name))
        self.trash.throw(self.registry.house(old.name))

    def settle(
        self, record: Record, *, stage: Stage, furnished: str | None = None, commit: Sha | None = None
    ) -> Record:
        """Note how far a tree is, and that it is ours."""
        settled = msgspec.structs.replace(
            record,
            stage=stage,
            owner=self.registry.owner,
            furnished=record.furnished if furnished is None else furnished,
            commit=commit or record.commit,
        )
        self.registry.write(settled)
        return settled

    async def dispose(self, record: Record) -> None:
        """Remove a tree with everything that is noted about it; what is missing already is fine.

        Of an attempt that was never handed over only what is provably ours goes: its caller chose the name.
        """
        path, entry = Path(record.path), layout.entry_of(self.repository.common_dir, record.name)
        named = record.kind is Kind.ATTEMPT and record.stage is Stage.MAKING
        if not named:
            with suppress(OSError):  # a full disk must not keep us from freeing some of it
                self.settle(record, stage=Stage.LEAVING)
        async with worktrees_locked(self.repository):
            if not named or self._made_it(layout.entry_named_by(path), record):
                self.trash.throw(path)
            if not named or self._made_it(layout.directory_of(entry), record):
                self.trash.throw(entry)
        for place in (self.places.temporary, self.places.private, self.places.homes):
            self.trash.throw(place / record.name)
        self.trash.throw(self.registry.house(record.name))

    def _made_it(self, pointer: Path | None, record: Record) -> bool:
        """True when a pointer between directory and entry is one that only our hand-over writes."""
        if pointer is None:
            return False
        ends = {Path(record.path), layout.entry_of(self.repository.common_dir, record.name)}
        return pointer in ends or pointer.name.startswith(f"{POOL_PREFIX}{Kind.SPARE}-")


def require_real(path: Path) -> None:
    """Raise TreeGoneError unless `path` is a directory in its own place.

    What works in a tree could put a link there; cleaning or reading through it would reach the user's files.
    """
    if path.is_symlink() or not path.is_dir() or path.resolve() != path:
        raise TreeGoneError(
            f"{path} is not the directory that was lent",
            cause="it was removed or replaced by what worked in it",
            next_step="look at the attempt's transcript; what it committed is on its branch",
        )
