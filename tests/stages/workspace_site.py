"""A building site for workspace tests: a repository, a worktree base, a supervisor, and what may be left of them."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest_asyncio

from mawep.adapters.git import Repository, find_repository
from mawep.adapters.git_objects import Identity
from mawep.adapters.process import Supervisor
from mawep.clock import VirtualClock
from mawep.stages.workspace import Workspace, Workspaces, WorkspaceSettings
from tests.support.repos import git, head, make_repository
from tests.support.waiting import eventually

AGENT = Identity("agent-0", "agent-0@example.org")
FILES: dict[str, str | bytes] = {
    ".gitignore": "build/\n*.log\nlocal.txt\n",
    "README.md": "hello\n",
    "src/a.py": "a = 1\n",
    "src/b.py": "b = 1\n",
    "docs/grüße.md": "Grüße\n",
}


@dataclass
class Site:
    """One repository with the workspaces that a test opens in it."""

    checkout: Path
    base: Path
    repository: Repository
    supervisor: Supervisor
    clock: VirtualClock
    settings: WorkspaceSettings
    opened: list[Workspaces] = field(default_factory=list)

    @property
    def common(self) -> Path:
        return self.repository.common_dir

    async def open(self, **settings: object) -> Workspaces:
        """Open workspaces as a new process would; they are closed after the test."""
        workspaces = self.unopened(**settings)
        await workspaces.open()
        self.opened.append(workspaces)
        return workspaces

    async def close(self, workspaces: Workspaces) -> None:
        """Close workspaces as a process that ends in order does."""
        self.opened.remove(workspaces)
        await workspaces.close()

    def unopened(self, **settings: object) -> Workspaces:
        changed = dataclasses.replace(self.settings, **settings)  # type: ignore[arg-type]
        return Workspaces(self.repository, self.supervisor, changed, self.clock)

    def target(self) -> str:
        """The commit that main is at."""
        return head(self.checkout, "main")

    async def lend(self, workspaces: Workspaces, number: int = 101, base: str | None = None) -> Workspace:
        return await workspaces.lend(
            name=f"agent-0-issue-{number}",
            branch=f"feature/{number}-thing",
            base=base or self.target(),
            port_slot=0,
        )

    def worktrees(self) -> dict[str, str]:
        """Paths of the linked worktrees as plain git lists them, each with its branch or `detached`."""
        listed: dict[str, str] = {}
        for block in git(self.checkout, "worktree", "list", "--porcelain").split("\n\n")[1:]:
            lines = block.splitlines()
            branch = next(
                (line.removeprefix("branch ") for line in lines if line.startswith("branch ")), "detached"
            )
            listed[lines[0].removeprefix("worktree ")] = branch
        return listed

    def assert_sound(self) -> None:
        """Plain git finds nothing wrong, and the user's checkout is untouched."""
        assert git(self.checkout, "fsck", "--strict", "--no-dangling") == ""
        assert git(self.checkout, "status", "--porcelain") == ""

    def leftovers(self) -> list[str]:
        """Everything under the base and everything noted about trees, but for empty directories."""
        roots = [self.base, self.common / "mawep" / "workspaces", self.common / "mawep" / "trash"]
        walks = (os.walk(root) for root in roots)  # which passes over what goes away meanwhile
        found = [
            Path(place, name) for walk in walks for place, below, names in walk for name in below + names
        ]
        return sorted(str(path) for path in found if path.is_symlink() or not path.is_dir())


def make_hole(file: Path) -> None:
    """Make a file four TiB of nothing, which take no room: who reads it is not done within a test's time."""
    file.touch()
    os.truncate(file, 2**42)


async def next_second(file: Path) -> None:
    """Until a full second has begun since the file last changed: git compares times by whole seconds."""
    changed = int(file.stat().st_ctime)
    await eventually("the next second begins", lambda: time.time() >= changed + 1.1)


@pytest_asyncio.fixture
async def site(tmp_path: Path, clean_repository: Callable[..., None]) -> AsyncIterator[Site]:
    """A repository of five files; nothing of ours may be left in it but attempts that were not discarded."""
    checkout = make_repository(tmp_path / "repo", FILES)
    base = tmp_path / "trees"
    clean_repository(checkout, keep=("refs/mawep/", f"{base}/agent-"))
    supervisor = await Supervisor.start()
    repository = await find_repository(checkout)
    settings = WorkspaceSettings(base=base, spares=0, disk_floor_gb=0)
    made = Site(checkout, base, repository, supervisor, VirtualClock(), settings)
    try:
        yield made
    finally:
        for workspaces in made.opened:
            await workspaces.close()
        await supervisor.close()
