"""Provision: what a fresh tree needs before anybody works in it: links, copies, and the set-up commands."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from mawep.adapters.git import Repository
from mawep.adapters.git_objects import list_tree
from mawep.adapters.process import Completed, Supervisor, clean_environment, run
from mawep.core.model import Sha
from mawep.errors import ProblemsError, UsageError
from mawep.stages.workspace.places import Places
from mawep.stages.workspace.private_walls import TreeWalls
from mawep.stages.workspace.registry import Record, Registry
from mawep.stages.workspace.values import SetupError, WorkspaceSettings

MAX_LOG_BYTES = 2 * 2**20
NAMED_FILES = 10
REMEMBERED_COMMITS = 512
NO_NETWORK = "; if it needs the network, write `workspace.setup_network: full`"


def unprovided(checkout: Path | None, link: Sequence[str], copy: Sequence[str]) -> list[str]:
    """Every link and copy rule that cannot be followed from this checkout, and why; touches nothing."""
    rules = [*(("link", path) for path in link), *(("copy", path) for path in copy)]
    return [
        f"workspace.{kind}: {path!r} {fault}" for kind, path in rules if (fault := _fault(checkout, path))
    ]


def _fault(checkout: Path | None, path: str) -> str | None:
    if checkout is None:
        return "needs a checkout, and the repository has none"
    parts = Path(path).parts
    if not parts or Path(path).is_absolute() or ".." in parts or ".git" in parts:
        return "is not a path inside the checkout"
    source = checkout / path
    if not source.exists():
        return f"does not exist in {checkout}"
    if not source.resolve().is_relative_to(checkout.resolve()):
        return f"leaves the checkout: it leads to {source.resolve()}"
    return None


class Provision:
    """Sets trees up, and says by a digest whether one that was set up still fits a commit."""

    def __init__(
        self,
        repository: Repository,
        supervisor: Supervisor,
        settings: WorkspaceSettings,
        places: Places,
        registry: Registry,
        *,
        walls: TreeWalls,
    ) -> None:
        self._walls = walls
        self._repository = repository
        self._supervisor = supervisor
        self._settings = settings
        self._places = places
        self._registry = registry
        self._inputs: dict[Sha, str] = {}

    @property
    def needed(self) -> bool:
        """True when trees are anything more than the files of a commit."""
        return bool(self._settings.setup or self._settings.link or self._settings.copy)

    @property
    def _checkout(self) -> Path:
        if self._repository.work_tree is None:
            raise UsageError("there is no checkout to link or copy files from")
        return self._repository.work_tree

    def check(self) -> None:
        """Raise ProblemsError naming every link and copy rule that cannot be followed."""
        problems = unprovided(self._repository.work_tree, self._settings.link, self._settings.copy)
        if problems:
            raise ProblemsError("paths that worktrees shall get from the checkout", problems)

    async def digest(self, commit: Sha) -> str:
        """What the set-up of `commit` depends on; trees of equal digest need not be set up again."""
        if not self.needed:
            return ""
        rules = [self._settings.setup, self._settings.link, self._copied(), await self._input_blobs(commit)]
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()

    def _copied(self) -> list[tuple[str, int, int]]:
        """Size and time of what is copied, so that a new `.env` reaches spares that were made before it."""
        stats = [(path, (self._checkout / path).stat()) for path in self._settings.copy]
        return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]

    async def _input_blobs(self, commit: Sha) -> str:
        if not self._settings.setup_inputs or not self._settings.setup:
            return ""
        if commit not in self._inputs:
            entries = await list_tree(self._repository, commit, *self._settings.setup_inputs)
            if len(self._inputs) >= REMEMBERED_COMMITS:
                self._inputs.clear()
            self._inputs[commit] = json.dumps([(entry.path, entry.sha) for entry in entries])
        return self._inputs[commit]

    async def is_uncovered(self, name: str, path: Path, old: Sha, new: Sha) -> bool:
        """True when the tree lost a file on its way from `old` to `new` that is an ignored one now.

        The set-up at `old` may have found that file and not made its own.
        """
        if not self.needed or old == new:
            return False
        removal = ("diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=D", old, new)
        removed = await self._repository.run(*removal)
        if not removed:
            return False
        door, index = self._repository.worktree(path, None), self._registry.index(name)
        return (await door.call("check-ignore", "-z", "--stdin", input=removed, index=index)).code == 0

    async def furnish(self, record: Record) -> None:
        """Set up a tree whose private index holds exactly its commit.

        Raises SetupError when a command fails, or when git would see files that the set-up left.
        """
        if not self.needed:
            return
        name, path = record.name, Path(record.path)
        for relative in self._settings.link:
            self._link(path, relative)
        for relative in self._settings.copy:
            self._copy(path, relative)
        log = self._places.setup_logs / f"{name}.log"
        if self._settings.setup:
            await self._walls.stand(record, record.commit)
            try:
                for command in self._settings.setup:
                    await self._run(command, name, path, log)
            finally:
                self._walls.fall(name)
        await self._require_clean(name, path, log)
        log.unlink(missing_ok=True)

    def _link(self, tree: Path, relative: str) -> None:
        source, target = self._ends(tree, relative)
        if target.is_symlink() and target.readlink() == source:
            return
        _require_absent(target, relative)
        target.symlink_to(source)

    def _copy(self, tree: Path, relative: str) -> None:
        source, target = self._ends(tree, relative)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target)

    def _ends(self, tree: Path, relative: str) -> tuple[Path, Path]:
        """The path in the user's checkout and the one in the tree, whose parent is made.

        The commit may hold a link where the path has a directory; nothing is written through it.
        """
        target = tree / relative
        if not target.parent.resolve().is_relative_to(tree.resolve()):
            raise SetupError(
                f"{relative} cannot be put into the worktree", cause=f"{target.parent} leads out of it"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        return self._checkout / relative, target

    async def _run(self, command: str, name: str, path: Path, log: Path) -> None:
        temporary = self._places.temporary / name
        temporary.mkdir(mode=0o700, exist_ok=True)
        house = self._registry.house(name)
        network = self._settings.confinement.setup_network
        prefix, home = self._walls.around(path, temporary, network=network)
        try:
            done = await run(
                self._supervisor,
                [*prefix, "sh", "-c", command],
                cwd=path,
                env=clean_environment(home=home, passed=self._settings.env, extra={"TMPDIR": str(temporary)}),
                log=log,
                lock=house / "setup.lock",
                status_file=house / "setup.status",
                timeout=self._settings.setup_timeout,
                max_log_bytes=MAX_LOG_BYTES,
            )
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        if not done.ok:
            raise SetupError(
                f"the set-up command `{command}` failed",
                cause=_how(done, self._settings.setup_timeout),
                next_step=f"read {log}{NO_NETWORK if prefix and not network else ''}",
                log=log,
            )

    async def _require_clean(self, name: str, path: Path, log: Path) -> None:
        files = await dirty_files(self._repository, path, self._registry.index(name))
        if not files:
            return
        named = ", ".join(files[:NAMED_FILES]) + (" …" if len(files) > NAMED_FILES else "")
        raise SetupError(
            "the set-up of a worktree leaves files that git sees",
            cause=f"{len(files)}: {named}",
            next_step="list them in .gitignore (a linked directory without a trailing slash), or do not make them",
            files=files,
            log=log if log.exists() else None,
        )


async def dirty_files(repository: Repository, path: Path, index: Path) -> tuple[str, ...]:
    """What `git status` would show in a tree whose private index holds its commit."""
    listing = ("ls-files", "-z", "--modified", "--others", "--directory", "--exclude-standard")
    output = await repository.worktree(path, None).run(*listing, index=index)
    return tuple(dict.fromkeys(output.decode("utf-8", "surrogateescape").split("\0")[:-1]))


def _require_absent(target: Path, relative: str) -> None:
    if os.path.lexists(target):
        raise SetupError(
            f"{relative} cannot be linked into the worktree",
            cause="the commit has it already",
            next_step="take it out of workspace.link",
        )


def _how(done: Completed, timeout: float) -> str:
    if done.timed_out:
        return f"it took longer than {timeout:g} s"
    if done.status.signal is not None:
        return f"it was ended by signal {done.status.signal}"
    return f"it exited {done.status.code}"
