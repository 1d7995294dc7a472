"""What the stage is told, what it hands out, and how it fails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mawep.core.model import Sha
from mawep.errors import InfrastructureError, MawepError, UsageError


@dataclass(frozen=True)
class Confinement:
    """The walls around set-up and gate: `kind` is `required`, `landlock` or `off`; `shown` they may read.

    `setup_network` lets the set-up reach the network; a gate never does.
    """

    kind: str = "off"
    shown: tuple[Path, ...] = ()
    setup_network: bool = False


@dataclass(frozen=True)
class WorkspaceSettings:
    """How workspaces are made.

    `base` is the directory of all of them; `spares` and `gate_slots` are how many trees are kept ready for attempts
    and for gates. `setup` are shell commands, run again when a file of `setup_inputs` differs and given the
    environment variables named in `env`. `link` and `copy` are paths of ignored files in the user's checkout.
    `disk_floor_gb` is in 10⁹ bytes, and so is `quota_gb`, how much a worktree may hold when it is committed, holes
    counted. `setup_timeout` is in seconds for each command.
    """

    base: Path
    spares: int = 2
    setup: tuple[str, ...] = ()
    setup_inputs: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()
    ports_from: int = 20000
    disk_floor_gb: float = 5.0
    quota_gb: float = math.inf
    env: tuple[str, ...] = ()
    retention_days: float = 7.0
    setup_timeout: float = 900.0
    gate_slots: int = 1
    confinement: Confinement = Confinement()


@dataclass(frozen=True)
class Workspace:
    """One attempt's place: a worktree on its own branch, ports, a TMPDIR, and the lock that its agent holds.

    `name` is the directory's and the worktree entry's; `base` is the commit that the branch started from; `held` are
    a HOME and a git directory of its own, which may not be there.
    """

    path: Path
    name: str
    branch: str
    base: Sha
    ports: range
    tmp: Path
    lock: Path
    reused_spare: bool
    held: tuple[Path, ...] = ()

    @property
    def ref(self) -> str:
        """The branch as a full ref name."""
        return f"refs/heads/{self.branch}"


class WorkspaceExists(MawepError):  # noqa: N818 - a fact the caller acts on, not a fault
    """That name, directory or branch is taken, perhaps by a dead try; take another name."""


class DiskFloorError(InfrastructureError):
    """There is less free disk space than the floor; nothing was made."""


class SetupError(UsageError):
    """A worktree could not be set up: a command failed, or left files that git would see. `log` has the output."""

    def __init__(
        self,
        what: str,
        *,
        cause: str = "",
        next_step: str = "",
        files: Sequence[str] = (),
        log: Path | None = None,
    ) -> None:
        super().__init__(what, cause=cause, next_step=next_step)
        self.files = tuple(files)
        self.log = log


class TreeGoneError(MawepError):
    """The directory of a workspace is no longer the one that was lent."""


class CollectError(MawepError):
    """What an agent left in its own git directory cannot be taken into the repository."""


class BranchMovedError(MawepError):
    """An attempt's branch is not a line of commits from its base any more."""


class LeftOutError(MawepError):
    """Files of a worktree cannot be committed."""
