"""The hub: ties the runs of several repositories together, which one process conducts, each in a hall of its own.

It is a witness of every hall. What it tells them follows from how all of them stand (`mawep.core.group`), so that
nothing has to be remembered: after a crash the same is told again, and changes nothing where it was known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Protocol

from mawep.clock import Clock
from mawep.core import events as ev
from mawep.core import group
from mawep.core.state import State
from mawep.orchestrator.hall import Witness


class Seat(Protocol):
    """What the hub needs of a hall."""

    state: State

    def attend(self, witness: Witness) -> None:
        """Let `witness` see every event committed from now on."""
        ...

    def tell(self, *events: ev.AnyEvent) -> None:
        """Hand in plain events."""
        ...


class Hub:
    """Shares `agents` between the runs of these repositories (`owner/name`), and tells each of the others' issues."""

    def __init__(self, agents: int, repositories: Iterable[str], clock: Clock) -> None:
        self._group = group.group_of(agents, repositories)
        self._clock = clock
        self._halls: dict[str, Seat] = {}
        self._let_in = {repository: asyncio.Event() for repository in self._group.members}
        self._interrupted = 0

    def join(self, repository: str, hall: Seat) -> None:
        """The run of a repository is about to be conducted in this hall; `Rules.shared` is set in it."""
        self._halls[repository] = hall
        hall.attend(partial(self._witness, repository))
        self._look(repository, hall.state)
        self._level()

    async def admitted(self, repository: str) -> bool:
        """Wait until the agents that a resumed run has at work are not too many; False: it was interrupted meanwhile.

        A hall runs only after this. A run that had no agents at work does not wait.
        """
        await self._let_in[repository].wait()
        return self._group.members[repository].admitted

    def leave(self, repository: str, state: State | None = None) -> None:
        """Nobody conducts the run any more; `state` is how it stands if it never joined."""
        if state is not None:
            self._look(repository, state)
        self._group = group.left(self._group, repository)
        self._level()

    def interrupt(self) -> None:
        """Ctrl-C, for every run: the first time nothing new starts, from the second on turns are stopped."""
        self._interrupted = min(self._interrupted + 1, 2)
        self._group = group.interrupted(self._group)
        for repository, member in self._group.members.items():
            if repository in self._halls and not member.left:
                self._halls[repository].tell(ev.Interrupted(self._interrupted))
        for door in self._let_in.values():
            door.set()

    def _witness(self, repository: str, recorded: ev.Recorded, state: State) -> None:
        # A round shows each of its events with the state that all of them led to.
        if state is not self._group.members[repository].state:
            self._look(repository, state)
            self._level()

    def _look(self, repository: str, state: State) -> None:
        self._group = group.seen(self._group, repository, state, self._clock.now())

    def _level(self) -> None:
        while not self._interrupted and (repository := group.admissible(self._group)):
            self._group = group.admit(self._group, repository)
            self._let_in[repository].set()
        news = group.news(self._group)
        self._group = group.told(self._group, news)
        for repository, event in news:
            self._halls[repository].tell(event)
