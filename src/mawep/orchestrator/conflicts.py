"""Watches live branches for conflicts, and says so while they are small: on the bus, and to the agent that is to move.

What is seen is no part of the run's state: nothing is held up for it, and it is looked for again after a restart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import structlog

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_merge import Conflicted, conflict_hunks, merge_trees
from mawep.adapters.git_refs import read_ref
from mawep.clock import Clock
from mawep.coordination import channels
from mawep.coordination import payloads as wire
from mawep.core import events as ev
from mawep.core.clashes import Clash, clash_of
from mawep.core.model import Number
from mawep.core.severity import severity
from mawep.core.state import State
from mawep.errors import GitError
from mawep.orchestrator.hall import Orchestrator
from mawep.stages.matrix import Matrix

log = structlog.get_logger("mawep.conflicts")

Announce = Callable[[str, wire.Payload], Awaitable[None]]
"""Tells everybody on a channel; a bus that is gone costs the message, not the run."""

LOOK_SECONDS = 2.0
HUNK_CHARACTERS = 6_000
"""So much of the hunks is told."""
MOVE = (
    "What you have committed conflicts with other work that is under way, or with what has landed. You are asked to "
    "move: change as little as you can in the places shown below, so that both changes fit, and go on with your task. "
    "Do not make the other change yourself."
)


class Conflicts:
    """The watch of one run. `seen` is told of all conflicts that there are whenever they change."""

    def __init__(
        self,
        repository: Repository,
        hall: Orchestrator,
        announce: Announce,
        clock: Clock,
        seen: Callable[[Sequence[Clash]], None],
    ) -> None:
        self._repository, self._hall, self._announce, self._clock = repository, hall, announce, clock
        self._seen = seen
        self._matrix = Matrix(repository)
        self._last: tuple[dict[Number, Sha], Sha] | None = None
        self._told: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except GitError as error:
                log.debug("live branches could not be compared", cause=str(error))
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Compare what changed since the last look, and say what is new."""
        state = self._hall.state
        heads = await self._heads(state)
        if self._last == (heads, state.target):
            return
        found = await self._matrix.look(heads, state.target)
        self._last = heads, state.target
        lines = await self._lines(state, heads, {number for issues in found for number in issues})
        clashes = [clash_of(state, issues, files, lines) for issues, files in found.items()]
        self._seen(clashes)
        for clash in clashes:
            await self._tell(state, clash, heads)

    async def _heads(self, state: State) -> dict[Number, Sha]:
        """The newest commit of every live attempt that has made one."""
        heads = {}
        for number in sorted(state.active):
            attempt = state.issues[number].attempt
            head = await read_ref(self._repository, f"refs/heads/{attempt.branch}") if attempt else None
            if attempt and head not in (None, attempt.base):
                heads[number] = head
        return heads

    async def _lines(
        self, state: State, heads: Mapping[Number, Sha], numbers: Iterable[Number]
    ) -> dict[Number, int]:
        """How many lines each of these branches has changed."""
        bases = {n: attempt.base for n in numbers if (attempt := state.issues[n].attempt) is not None}
        return {number: await self._matrix.lines(base, heads[number]) for number, base in bases.items()}

    async def _tell(self, state: State, clash: Clash, heads: dict[Number, Sha]) -> None:
        """Once for a conflict of these attempts, whatever becomes of it."""
        attempts = (state.issues[number].attempt for number in clash.issues)
        told = clash.key, sum(attempt.number for attempt in attempts if attempt is not None)
        if told in self._told:
            return
        self._told.add(told)
        about = clash.asked if clash.asked is not None else clash.issues[-1]
        hunks = await self._hunks(state, clash, about, heads)
        others = [number for number in clash.issues if number != about]
        conflict = wire.MergeConflict(
            issue=about, others=others, files=list(clash.files), hunks=hunks, severity=severity(clash.files)
        )
        await self._announce(channels.MERGE_CONFLICTS, conflict)
        if clash.asked is not None:
            message = f"{clash.key}-a{told[1]}"
            self._hall.tell(ev.MessageSent(about, message, hunks, "MAWEP", foreign=True, lead=MOVE))

    async def _hunks(self, state: State, clash: Clash, about: Number, heads: dict[Number, Sha]) -> str:
        other = next((number for number in clash.issues if number != about), None)
        ours = state.target if other is None else heads[other]
        name = state.target_branch if other is None else f"#{other}"
        merged = await merge_trees(self._repository, ours, heads[about])
        if not isinstance(merged, Conflicted):
            return ""
        names = {ours: name, heads[about]: f"#{about}, yours"}
        hunks = await conflict_hunks(self._repository, merged, names=names)
        return "\n\n".join(f"--- {path}\n{hunk}" for path, hunk in hunks.items())[:HUNK_CHARACTERS]
