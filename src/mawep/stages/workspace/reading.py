"""Trees to be read: a clean checkout at an exact commit for somebody whose writing has no effect.

It is a gate tree, so whatever is left in it is removed, and every file is compared with our own index before the tree
is used again. Nothing is ever collected from its git directory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.fences import OFF
from mawep.core.model import Sha
from mawep.stages.workspace.gates import Gates
from mawep.stages.workspace.places import Places
from mawep.stages.workspace.ports import Ports
from mawep.stages.workspace.private import Private, PrivateGit
from mawep.stages.workspace.registry import Registry
from mawep.stages.workspace.trash import Trash
from mawep.stages.workspace.values import TreeGoneError


@dataclass(frozen=True)
class Reading:
    """A tree to be read, with a TMPDIR, a HOME and ports of its own; `git` is None where there are no walls."""

    path: Path
    tmp: Path
    home: Path
    ports: range
    git: PrivateGit | None

    @property
    def name(self) -> str:
        """The tree's own."""
        return self.path.name


class Readings:
    """Lends trees to readers."""

    def __init__(
        self,
        *,
        gates: Gates,
        registry: Registry,
        places: Places,
        private: Private,
        ports: Ports,
        trash: Trash,
    ) -> None:
        self._gates = gates
        self._registry = registry
        self._places = places
        self._private = private
        self._ports = ports
        self._trash = trash

    @asynccontextmanager
    async def use(self, commit: Sha, kind: str, port_slot: int) -> AsyncIterator[Reading]:
        """A tree at `commit` for a reader behind walls of that kind; nothing of the reader stays."""
        async with self._gates.use(commit) as tree:
            record = self._registry.read(tree.name)
            if record is None:
                raise TreeGoneError(f"{tree} was given back")
            self.forget(tree.name)
            tmp, home = self._places.temporary / tree.name, self._places.homes / tree.name
            tmp.mkdir(mode=0o700)
            home.mkdir(mode=0o700)
            ports = self._ports.take(tree.name, port_slot)
            try:
                git = None if kind == OFF else await self._private.make(record, commit, kind, indexed=True)
                yield Reading(tree, tmp, home, ports, git)
            finally:
                self._ports.release(tree.name)
                self.forget(tree.name)

    def forget(self, name: str) -> None:
        """Throw away what a reader had beside the tree; its logins may lie there."""
        for place in (self._places.temporary, self._places.homes):
            self._trash.throw(place / name)
        self._private.remove(name)
