"""Workspaces: one worktree for each attempt, lent from a pool of spares, kept or given back when it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import msgspec

from mawep.adapters.git import LockHeldError, Repository
from mawep.adapters.git_objects import Identity
from mawep.adapters.git_refs import RefMovedError, update_refs
from mawep.adapters.git_worktrees import worktrees_locked
from mawep.adapters.process import Supervisor
from mawep.clock import Clock
from mawep.core.model import Sha
from mawep.stages.workspace.commit import Committer
from mawep.stages.workspace.following import Follower
from mawep.stages.workspace.gates import Gates
from mawep.stages.workspace.guarded import guarded_paths
from mawep.stages.workspace.layout import branch_head, entry_of, point
from mawep.stages.workspace.places import Places, check_base, check_name, exclude_base
from mawep.stages.workspace.ports import BLOCK, Ports
from mawep.stages.workspace.private import Private, PrivateGit
from mawep.stages.workspace.private_collect import Collector
from mawep.stages.workspace.private_walls import TreeWalls
from mawep.stages.workspace.provision import Provision, dirty_files
from mawep.stages.workspace.reading import Reading, Readings
from mawep.stages.workspace.registry import Kind, Record, Registry, Stage
from mawep.stages.workspace.salvage import Salvager
from mawep.stages.workspace.spares import Spares
from mawep.stages.workspace.trash import Trash
from mawep.stages.workspace.trees import Trees, require_real
from mawep.stages.workspace.values import TreeGoneError, Workspace, WorkspaceExists, WorkspaceSettings


class _BranchTaken(WorkspaceExists):
    """Somebody made the branch between our look and our compare-and-swap."""


class Workspaces:
    """The workspaces of one repository. Several processes may each have one of these: they share nothing but names.

    `open` it before use and `close` it after; attempts outlive it, spares and gate trees do not.
    """

    def __init__(
        self, repository: Repository, supervisor: Supervisor, settings: WorkspaceSettings, clock: Clock
    ) -> None:
        self._repository = repository
        self._settings = settings
        self._clock = clock
        self._retention = timedelta(days=settings.retention_days)
        self._places = places = Places(settings.base.resolve(), repository.common_dir)
        self._registry = Registry(places.houses)
        self._trash = Trash(places.base, places.trash, places.notes_trash)
        self._private = Private(repository, places, self._registry, self._trash)
        self._walls = TreeWalls(self._private, settings.confinement)
        self._provision = Provision(
            repository, supervisor, settings, places, self._registry, walls=self._walls
        )
        self._trees = Trees(repository, places, self._registry, self._trash, self._provision)
        self._spares = Spares(self._trees, settings.spares)
        self._gates = Gates(self._trees, settings.gate_slots)
        self._ports = Ports(settings.ports_from)
        self._readings = Readings(
            gates=self._gates,
            registry=self._registry,
            places=places,
            private=self._private,
            ports=self._ports,
            trash=self._trash,
        )
        self._committer = Committer(repository, self._registry, self._private, clock, settings.quota_gb * 1e9)
        self._follower = Follower(repository, self._registry, self._committer, clock)
        self._collector = Collector(
            repository, supervisor, self._registry, self._private, settings.confinement
        )
        self._salvager = Salvager(repository, self._registry, clock)

    async def open(self) -> tuple[str, ...]:
        """Check the settings, make the directories, and take over what a dead process left; returns warnings.

        Half-made trees are removed by their recorded names, finished spares and gate trees are used again,
        attempts are left alone. Raises UsageError for settings that cannot be followed, with nothing touched.
        """
        work_tree, common_dir = self._repository.work_tree, self._repository.common_dir
        warnings = check_base(self._places.base, work_tree, common_dir)
        self._provision.check()
        self._places.make()
        exclude_base(self._places.base, work_tree, common_dir)
        async with worktrees_locked(self._repository):
            self._registry.open()
            self._registry.forget_half_taken()
            left = [record for record in self._registry.all() if self._is_left(record)]
            for record in left:
                self._registry.write(msgspec.structs.replace(record, owner=self._registry.owner))
        for record in left:
            await self._take_over(record)
        self._trash.empty()
        self._places.drop_old_logs((self._clock.now() - self._retention).timestamp())
        return warnings

    def _is_left(self, record: Record) -> bool:
        return record.stage is not Stage.LENT and self._registry.is_abandoned(record)

    async def _take_over(self, record: Record) -> None:
        path = Path(record.path)
        usable = record.stage is Stage.READY and path.parent in {self._places.spares, self._places.gates}
        if usable and record.kind is Kind.GATE:
            self._readings.forget(record.name)
            self._gates.add(record)
        elif usable and await self._is_clean(record):
            self._spares.add(record)
        elif record.kind is Kind.ATTEMPT and record.stage is Stage.MAKING:
            await self._undo(record)
        else:
            await self._trees.dispose(record)

    async def _is_clean(self, record: Record) -> bool:
        path, index = Path(record.path), self._registry.index(record.name)
        return path.is_dir() and not await dirty_files(self._repository, path, index)

    async def lend(self, *, name: str, branch: str, base: Sha, port_slot: int) -> Workspace:
        """A workspace on the new branch `branch` at `base`, from a spare if one is ready, else made now.

        Raises WorkspaceExists when the name, the directory or the branch is taken, with nothing changed;
        DiskFloorError; SetupError. A failure leaves nothing behind.
        """
        check_name(name)
        self._places.require_space(self._settings.disk_floor_gb)
        record = Record(
            *(name, Kind.ATTEMPT, Stage.MAKING, self._registry.owner, str(self._places.base / name), base),
            branch=branch,
        )
        ref = f"refs/heads/{branch}"
        if branch_head(self._repository.common_dir, ref) is not None:
            raise WorkspaceExists(f"the branch {branch} is already there", next_step="take another name")
        with self._spares.waiting():
            self._registry.create(record)
            try:
                await self._make_branch(record)
                return await self._hand_over(record, port_slot)
            except BaseException as error:
                await self._undo(record, our_branch=not isinstance(error, _BranchTaken))
                raise

    async def _hand_over(self, record: Record, port_slot: int) -> Workspace:
        spare, reused = await self._spare_at(record.commit)
        try:
            await self._trees.rename(spare, record, head=f"ref: refs/heads/{record.branch}")
        except WorkspaceExists:
            self._spares.add(spare)
            raise
        except BaseException:
            await self._trees.dispose(spare)
            raise
        ports = self._ports.take(record.name, port_slot)
        (self._places.temporary / record.name).mkdir(mode=0o700)
        lent = msgspec.structs.replace(record, stage=Stage.LENT, port=ports.start, furnished=spare.furnished)
        self._registry.write(lent)
        self._committer.began(record.name, record.commit)
        return self._workspace(lent, reused=reused)

    async def _make_branch(self, record: Record) -> None:
        update = (f"refs/heads/{record.branch}", record.commit, None)
        try:
            await update_refs(self._repository, [update], message="mawep: lent", fsync=False)
        except RefMovedError as error:
            raise _BranchTaken(f"the branch {record.branch} is already there", cause=str(error)) from error

    async def _spare_at(self, base: Sha) -> tuple[Record, bool]:
        """A spare at `base`, and whether it was waiting there."""
        digest = await self._provision.digest(base)
        while spare := self._spares.take(base, digest):
            if brought := await self._spares.bring(spare, base):
                return brought, True
        return await self._trees.make(Kind.SPARE, base), False

    async def _undo(self, record: Record, *, our_branch: bool = True) -> None:
        """Take back an attempt that was never handed over: what is ours of it, and its branch if nobody moved it.

        That a branch was not there is looked up before the record is written. A dead try leaves the record, so its
        branch is ours, but for the race in which a person made the same branch at the same commit just then.
        """
        self._ports.release(record.name)
        await self._trees.dispose(record)
        if our_branch:
            with suppress(LockHeldError):  # a branch that stays is one more taken name
                await self._drop_branch(record.branch, record.commit)

    async def _drop_branch(self, branch: str, at: Sha) -> None:
        with suppress(RefMovedError):
            await update_refs(self._repository, [(f"refs/heads/{branch}", None, at)], fsync=False)

    def find(self, name: str) -> Workspace | None:
        """The workspace that was lent under that name, also by a process that is dead; None if there is none."""
        record = self._registry.read(name)
        if record is None or record.stage is not Stage.LENT:
            return None
        if record.shelved_at is None:
            self._ports.keep(name, range(record.port, record.port + BLOCK))
        return self._workspace(record, reused=False)

    def lent(self) -> list[Workspace]:
        """Every workspace that has not been given back, by name, of all runs and processes."""
        return [
            self._workspace(record, reused=False)
            for record in self._registry.all()
            if record.stage is Stage.LENT
        ]

    def _workspace(self, record: Record, *, reused: bool) -> Workspace:
        return Workspace(
            path=Path(record.path),
            name=record.name,
            branch=record.branch,
            base=record.commit,
            ports=range(record.port, record.port + BLOCK),
            tmp=self._places.temporary / record.name,
            lock=self._registry.lock(record.name),
            held=(self._places.homes / record.name, self._places.private / record.name),
            reused_spare=reused,
        )

    def gate_tree(self, commit: Sha) -> AbstractAsyncContextManager[Path]:
        """A clean, set-up worktree at exactly `commit`, for as long as the context lasts; waits for a free slot.

        Raises DiskFloorError, SetupError or GitError.
        """
        self._places.require_space(self._settings.disk_floor_gb)
        return self._gate_tree(commit)

    @asynccontextmanager
    async def _gate_tree(self, commit: Sha) -> AsyncIterator[Path]:
        async with self._gates.use(commit) as tree:
            record = self._registry.read(tree.name)
            if record is not None:
                await self._walls.stand(record, commit)
            try:
                yield tree
            finally:
                self._walls.fall(tree.name)

    def reading_tree(self, commit: Sha, kind: str, port_slot: int) -> AbstractAsyncContextManager[Reading]:
        """A clean, set-up tree at `commit` for a reader behind walls of that kind, like `gate_tree`."""
        self._places.require_space(self._settings.disk_floor_gb)
        return self._readings.use(commit, kind, port_slot)

    def walls_around(self, tree: Path, scratch: Path) -> tuple[tuple[str, ...], Path | None]:
        """What to put in front of a command in a gate tree, and its HOME; nothing where there are no walls."""
        return self._walls.around(tree, scratch, network=False)

    async def seclude(self, workspace: Workspace, kind: str, identity: Identity) -> PrivateGit:
        """A fresh git directory of the agent's own at the head of its branch, after collecting from the last one.

        No process of an agent may be left in the worktree. Raises CollectError, TreeGoneError or GitError.
        """
        require_real(workspace.path)
        await self.collect(workspace)
        record = self._registry.read(workspace.name)
        if record is None:
            raise TreeGoneError(f"{workspace.path} was given back")
        head = branch_head(self._repository.common_dir, workspace.ref) or workspace.base
        indexed = self._committer.is_indexed(workspace.name, head)
        point(workspace.path, entry_of(self._repository.common_dir, workspace.name))
        return await self._private.make(record, head, kind, indexed=indexed, identity=identity)

    async def collect(self, workspace: Workspace) -> None:
        """Bring what the agent committed in a git directory of its own into the repository, and move its branch.

        Raises CollectError when that cannot be taken, with the branch where it was.
        """
        await self._collector.collect(workspace)

    async def existing(self, workspace: Workspace, patterns: Sequence[str]) -> tuple[Path, ...]:
        """Tracked paths of the worktree that the patterns name, those that are really there and no links.

        For mounts, which only assist: a pattern is taken as git takes it, and only so many are looked for.
        """
        return await guarded_paths(
            self._repository, workspace, self._registry.index(workspace.name), patterns
        )

    def home(self, workspace: Workspace) -> Path:
        """A HOME of the attempt's own, kept until the workspace is discarded."""
        home = self._places.homes / workspace.name
        home.mkdir(mode=0o700, exist_ok=True)
        return home

    async def refill(self, base: Sha, at_most: int | None = None) -> None:
        """Make spares until there are as many as the settings say, or `at_most`; lenders go first.

        Raises DiskFloorError, SetupError or GitError; what was made stays.
        """
        self._places.require_space(self._settings.disk_floor_gb)
        await self._spares.refill(base, at_most)

    async def advance(self, base: Sha) -> None:
        """Have one spare at `base`, from which attempts will start soon, if there is any spare.

        Raises SetupError or GitError.
        """
        await self._spares.advance(base)

    async def commit_for_agent(
        self,
        workspace: Workspace,
        message: str,
        identity: Identity,
        trailers: Mapping[str, str],
    ) -> Sha | None:
        """Commit what is not committed onto the recorded branch; the new head, None when nothing differs from it.

        Raises BranchMovedError, LeftOutError, TreeGoneError or GitError.
        """
        return await self._committer.commit(workspace, message, identity, trailers)

    async def follow(
        self, workspace: Workspace, target: Sha, identity: Identity, trailers: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Merge the target into a branch whose agent does not run; the files that do not merge (then nothing is done).

        Raises TreeGoneError or GitError.
        """
        return await self._follower.follow(workspace, target, identity, trailers)

    async def salvage(self, workspace: Workspace, ref: str, message: str, identity: Identity) -> Sha | None:
        """Keep everything there, committed or not, under `ref`, durably; None when nothing differs from the base.

        Ignored files are not kept, nor what is too large or cannot be read; the latter are named in the message.
        """
        return await self._salvager.salvage(workspace, ref, message, identity)

    async def shelve(self, workspace: Workspace) -> None:
        """Note that the attempt is over and its worktree is kept until its retention is over; its ports are free."""
        self._ports.release(workspace.name)
        with suppress(
            OSError, TreeGoneError
        ):  # who looks there shall not run what an agent may have made of it
            require_real(workspace.path)
            point(workspace.path, entry_of(self._repository.common_dir, workspace.name))
        record = self._registry.read(workspace.name)
        if record is not None and record.shelved_at is None:
            self._registry.write(msgspec.structs.replace(record, shelved_at=self._clock.now()))

    async def discard(self, workspace: Workspace, *, drop_branch_at: Sha | None = None) -> None:
        """Give a workspace back: its directory, TMPDIR, ports and worktree entry go at once, the disk space soon.

        The branch stays, unless it is still at `drop_branch_at`. Nothing happens when it was given back before.
        Its agent must be dead.
        """
        self._ports.release(workspace.name)
        self._committer.ended(workspace.name)
        record = self._registry.read(workspace.name)
        if record is not None:
            await self._trees.dispose(record)
        if drop_branch_at is not None:
            await self._drop_branch(workspace.branch, drop_branch_at)

    async def close(self, patience: float | None = None) -> None:
        """Remove spares and gate trees, wait until everything thrown away is gone, and let go of all locks.

        After `patience` seconds, what was thrown away and is not gone yet stays for the next run or `mawep cleanup`.
        """
        await self._spares.close()
        await self._gates.close()
        await self._trash.close(patience)
        self._ports.close()
        self._registry.close()
