"""The walls around commands in trees of ours: set-up and gate, which run what agents wrote, with nothing to steal."""

from __future__ import annotations

from pathlib import Path

from mawep.adapters.fences import OFF, around
from mawep.adapters.sandbox import Walls
from mawep.core.model import Sha
from mawep.stages.workspace.private import Private, PrivateGit
from mawep.stages.workspace.registry import Record
from mawep.stages.workspace.values import Confinement


class TreeWalls:
    """Raises walls around trees. A tree has a throw-away git directory while they stand, so that git works in it."""

    def __init__(self, private: Private, confinement: Confinement) -> None:
        self._private = private
        self._confinement = confinement
        self._standing: dict[str, PrivateGit] = {}

    async def stand(self, record: Record, commit: Sha) -> None:
        """Make ready for commands in the tree, which is at `commit` with our own index."""
        if self._confinement.kind != OFF:
            kind = self._confinement.kind
            self._standing[record.name] = await self._private.make(record, commit, kind, indexed=True)

    def fall(self, name: str) -> None:
        """Forget a tree whose commands are over."""
        if self._standing.pop(name, None):
            self._private.remove(name)

    def around(self, tree: Path, scratch: Path, *, network: bool) -> tuple[tuple[str, ...], Path | None]:
        """What to put in front of a command in that tree, and its HOME; nothing without walls.

        `scratch` is the command's TMPDIR.
        """
        git = self._standing.get(tree.name)
        if git is None:
            return (), None
        home = scratch / "home"
        home.mkdir(mode=0o700, exist_ok=True)
        walls = Walls(
            cwd=tree,
            writable=(tree, scratch, git.git),
            read_only=(*self._confinement.shown, *git.borrowed),
            mounts=(git.pointer,),
            network=network,
        )
        return around(self._confinement.kind, walls), home
