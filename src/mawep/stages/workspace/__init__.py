"""The workspace stage: worktrees lent to attempts and gates, their commits, their salvage, their removal."""

from mawep.stages.workspace.places import check_base
from mawep.stages.workspace.provision import unprovided
from mawep.stages.workspace.reading import Reading
from mawep.stages.workspace.values import (
    BranchMovedError,
    CollectError,
    Confinement,
    DiskFloorError,
    LeftOutError,
    SetupError,
    TreeGoneError,
    Workspace,
    WorkspaceExists,
    WorkspaceSettings,
)
from mawep.stages.workspace.workspaces import Workspaces

__all__ = [
    "BranchMovedError",
    "CollectError",
    "Confinement",
    "DiskFloorError",
    "LeftOutError",
    "Reading",
    "SetupError",
    "TreeGoneError",
    "Workspace",
    "WorkspaceExists",
    "WorkspaceSettings",
    "Workspaces",
    "check_base",
    "unprovided",
]
