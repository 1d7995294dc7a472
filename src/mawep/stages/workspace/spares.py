"""Spares: clean, set-up trees that wait for an attempt, so that no attempt waits for a tree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from mawep.core.model import Sha
from mawep.errors import GitError
from mawep.stages.workspace import layout
from mawep.stages.workspace.registry import Kind, Record, Stage
from mawep.stages.workspace.trees import Trees


class Spares:
    """Keeps up to `wanted` spares; whoever takes one goes before whoever makes one."""

    def __init__(self, trees: Trees, wanted: int) -> None:
        self._trees = trees
        self._wanted = wanted
        self._ready: list[Record] = []
        self._refilling = asyncio.Lock()
        self._takers = 0
        self._nobody_waits = asyncio.Event()
        self._nobody_waits.set()
        self._target: Sha = ""
        self._count = wanted

    def add(self, record: Record) -> None:
        """Take in a spare that is ready."""
        self._ready.append(record)

    def take(self, commit: Sha, furnished: str) -> Record | None:
        """The spare that needs least to become a tree at `commit`; the oldest of equals."""
        if not self._ready:
            return None
        best = min(self._ready, key=lambda spare: (spare.furnished != furnished, spare.commit != commit))
        self._ready.remove(best)
        return best

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While this is held, `refill` begins nothing new."""
        self._takers += 1
        self._nobody_waits.clear()
        try:
            yield
        finally:
            self._takers -= 1
            if not self._takers:
                self._nobody_waits.set()

    async def refill(self, commit: Sha, at_most: int | None = None) -> None:
        """Make what is missing, at `commit`, and set up again what was set up for other inputs.

        A spare that is merely at an older commit stays there: its taker brings it forward in the time of one git
        process. Concurrent calls become one, for the newest commit. Raises what making a tree raises.
        """
        self._target = commit
        self._count = self._wanted if at_most is None else min(at_most, self._wanted)
        async with self._refilling:
            while await self._step():
                pass

    async def advance(self, commit: Sha) -> None:
        """Bring one spare to `commit`, ahead of its taker, unless there is one."""
        async with self._refilling:
            await self._nobody_waits.wait()
            if self._ready and all(spare.commit != commit for spare in self._ready):
                spare = self._ready.pop()
                if brought := await self.bring(spare, commit):
                    self._ready.append(brought)

    async def _step(self) -> bool:
        """Do one piece of work, if there is any."""
        await self._nobody_waits.wait()
        commit = self._target
        if len(self._ready) < self._count:
            self._ready.append(await self._trees.make(Kind.SPARE, commit))
            return True
        digest = await self._trees.provision.digest(commit)
        stale = next((spare for spare in self._ready if spare.furnished != digest), None)
        if stale is None:
            return False
        self._ready.remove(stale)
        if renewed := await self.bring(stale, commit):
            self._ready.append(renewed)
        return True

    async def bring(self, spare: Record, commit: Sha) -> Record | None:
        """Move a spare to `commit` and set it up for it; None, and the spare is gone, when it is not sound."""
        trees, path = self._trees, Path(spare.path)
        try:
            digest = await trees.provision.digest(commit)
            if (spare.commit, spare.furnished) == (commit, digest):
                if layout.entry_named_by(path):
                    return spare
                await trees.dispose(spare)
                return None
            spare = trees.settle(spare, stage=Stage.MAKING)
            before = spare.commit
            if before != commit:
                await trees.check_out(spare, commit, "-m")
                spare = msgspec.structs.replace(spare, commit=commit)
                trees.show(spare)
            if spare.furnished != digest or await trees.provision.is_uncovered(
                spare.name, path, before, commit
            ):
                digest = await trees.furnish(spare)
            return trees.settle(spare, stage=Stage.READY, furnished=digest)
        except (GitError, OSError):
            await trees.dispose(spare)
            return None
        except BaseException:
            await trees.dispose(spare)
            raise

    async def close(self) -> None:
        """Remove the spares, after a refill that is under way."""
        self._count = 0
        async with self._refilling:
            while self._ready:
                await self._trees.dispose(self._ready.pop())
