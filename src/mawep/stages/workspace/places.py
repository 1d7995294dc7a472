"""Where everything of the stage lies, and whether it may lie there."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from mawep.errors import UsageError
from mawep.stages.workspace.values import DiskFloorError

_UNFIT = re.compile(r"[\x00-\x20\x7f~^:?*\[\\/]|\.\.|@\{|^[.-]|\.$|\.lock$|^$")
_IGNORE_MAGIC = re.compile(r"([\\*?\[\]!# ])")


@dataclass(frozen=True)
class Places:
    """Paths below the worktree base (trees) and below the git common directory (what MAWEP notes about them)."""

    base: Path
    common_dir: Path

    @property
    def spares(self) -> Path:
        """Trees that wait for an attempt."""
        return self.base / ".spares"

    @property
    def gates(self) -> Path:
        """Trees that gates run in."""
        return self.base / ".gates"

    @property
    def temporary(self) -> Path:
        """TMPDIR of each attempt and each set-up."""
        return self.base / ".tmp"

    @property
    def private(self) -> Path:
        """The git directories that agents and commands have of their own."""
        return self.base / ".private"

    @property
    def homes(self) -> Path:
        """HOME of each attempt, kept until the attempt is."""
        return self.base / ".homes"

    @property
    def trash(self) -> Path:
        """What is being removed, on the trees' file system."""
        return self.base / ".trash"

    @property
    def home(self) -> Path:
        """What MAWEP keeps in this repository."""
        return self.common_dir / "mawep"

    @property
    def houses(self) -> Path:
        """One directory for each tree of ours: its record, private index and lock."""
        return self.home / "workspaces"

    @property
    def setup_logs(self) -> Path:
        """Output of set-ups that failed."""
        return self.home / "setup"

    @property
    def notes_trash(self) -> Path:
        """What is being removed, on the repository's file system."""
        return self.home / "trash"

    def make(self) -> None:
        """Make the directories. Raises UsageError when the base cannot be one."""
        try:
            self.base.mkdir(mode=0o700, parents=True, exist_ok=True)
            for directory in (
                *(self.spares, self.gates, self.temporary, self.private, self.homes, self.trash),
                *(self.home, self.houses, self.setup_logs, self.notes_trash),
            ):
                directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"worktrees cannot be kept in {self.base}",
                cause=str(error),
                next_step="name another directory in orchestrator.worktree_base",
            ) from error

    def drop_old_logs(self, before: float) -> None:
        """Remove logs of failed set-ups that were written before that time, in seconds since the epoch."""
        for log in self.setup_logs.iterdir():
            if log.stat().st_mtime < before:
                log.unlink(missing_ok=True)

    def require_space(self, floor_gb: float) -> None:
        """Raise DiskFloorError unless the disks of the trees and of the repository have that many 10⁹ bytes free."""
        for place in (self.base, self.common_dir):
            free = shutil.disk_usage(place).free / 1e9
            if free < floor_gb:
                raise DiskFloorError(
                    f"only {free:.1f} GB are free at {place}",
                    cause=f"workspace.disk_floor_gb is {floor_gb:g}",
                    next_step="free some disk space, then resume",
                )


def check_name(name: str) -> None:
    """Raise UsageError unless `name` can be one directory and one git worktree entry."""
    if _UNFIT.search(name):
        raise UsageError(f"{name!r} cannot be the name of a worktree", next_step="use letters, digits and -")


def check_base(base: Path, work_tree: Path | None, common_dir: Path) -> tuple[str, ...]:
    """Warnings about a worktree base, touching nothing.

    Inside the user's checkout is allowed with a warning. Raises UsageError when it lies in the git directory,
    in another repository or worktree, or where a tool that climbs directories would take it for one.
    """
    base = base.resolve()
    another = "name a directory outside any repository in orchestrator.worktree_base"
    if not _is_utf8(base):
        raise UsageError(f"the path {base!r} is not valid UTF-8", next_step=another)
    if base.is_relative_to(common_dir.resolve()):
        raise UsageError(f"{base} is inside the git directory {common_dir}", next_step=another)
    around = next((place for place in (base, *base.parents) if _is_repository(place)), None)
    if around is None:
        return ()
    if work_tree is None or around != work_tree.resolve() or around == base:
        raise UsageError(f"{base} is inside the repository {around}", next_step=another)
    return (
        f"the worktree base {base} is inside the checkout {work_tree}: tools that search directories see every "
        f"agent's files, and `git clean -ffdx` there takes them; better {another}",
    )


def exclude_base(base: Path, work_tree: Path | None, common_dir: Path) -> None:
    """Add a base that lies inside the user's checkout to `info/exclude`, once."""
    base = base.resolve()
    if work_tree is None or not base.is_relative_to(work_tree.resolve()):
        return
    inside = base.relative_to(work_tree.resolve()).as_posix()
    pattern = f"{anchored(inside)}/"
    exclude = common_dir / "info" / "exclude"
    present = exclude.read_text("utf-8", errors="surrogateescape") if exclude.exists() else ""
    if pattern in present.splitlines():
        return
    exclude.parent.mkdir(exist_ok=True)
    gap = "" if not present or present.endswith("\n") else "\n"
    with exclude.open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{gap}{pattern}\n")


def anchored(path: str) -> str:
    """The pattern of .gitignore that matches exactly this path."""
    return "/" + _IGNORE_MAGIC.sub(r"\\\1", path)


def _is_repository(place: Path) -> bool:
    if os.path.lexists(place / ".git"):
        return True
    return all((place / part).exists() for part in ("HEAD", "objects", "refs"))


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
