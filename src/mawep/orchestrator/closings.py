"""The closing of issues on a forge: of what landed on the remote, and of what has no work of its own but its parts.

A parent is closed when this run closed all of its parts that it worked on, and nobody has opened another one since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from mawep.core.model import IssueState, Number
from mawep.core.state import State
from mawep.orchestrator.report_names import closing, closing_whole
from mawep.state.outbox import Outbox
from mawep.trackers.base import Forge, NotThere


class Closings:
    """Closes each once. `closed` is told when one was, `changed` of issues whose place on the remote changed."""

    def __init__(
        self,
        forge: Forge,
        outbox: Outbox,
        state: Callable[[], State],
        *,
        closed: Callable[[], None],
        changed: Callable[[Number], None],
    ) -> None:
        self._forge = forge
        self._outbox = outbox
        self._state = state
        self._closed = closed
        self._changed = changed
        self._on_remote: dict[Number, bool] = {}
        self._later: set[Number] = set()

    def look_again(self) -> None:
        """What was not fit to be closed may be now."""
        self._later.clear()

    def on_remote(self, number: Number) -> bool | None:
        """True when the remote has what landed for an issue; None: nobody has looked."""
        landed_as = self._state().issues[number].landed_as
        if landed_as is not None and self._outbox.done(closing(number, landed_as)):
            return True
        return self._on_remote.get(number)

    def of(self, number: Number) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """The closing of an issue of the run, if it is due, by its name."""
        record = self._state().issues[number]
        landed_as = (
            record.landed_as if record.state is IssueState.LANDED else None
        )  # not while it is taken back
        if landed_as is not None and number not in self._later:
            name = closing(number, landed_as)
            if not self._outbox.done(name):
                yield name, partial(self._close, number, landed_as)

    def of_wholes(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """The closings of issues that have no work of their own, as far as they are due."""
        state = self._state()
        parts: dict[Number, list[Number]] = defaultdict(list)
        for number, issue in state.graph.issues.items():
            for whole in issue.part_of:
                parts[whole].append(number)
        for whole, its in sorted(parts.items()):
            if whole not in self._later and all(map(self._is_closed, its)):
                name = closing_whole(whole, state.run)
                if not self._outbox.done(name):
                    yield name, partial(self._close_whole, whole, name)

    def _is_closed(self, number: Number) -> bool:
        landed_as = self._state().issues[number].landed_as
        return landed_as is not None and self._outbox.done(closing(number, landed_as))

    async def _close(self, number: Number, landed_as: str) -> None:
        """Close it if the remote has what landed."""
        there = await self._reachable(landed_as)
        if self._on_remote.get(number) is not there:
            self._on_remote[number] = there
            self._changed(number)
        if there:
            await self._once(closing(number, landed_as), number)
        else:
            self._later |= {number}

    async def _close_whole(self, number: Number, name: str) -> None:
        parts = (await self._forge.edges([number])).sub_issues.get(number, ())
        if any(part.state == "open" for part in parts):
            self._later |= {number}
        else:
            await self._once(name, number)

    async def _once(self, name: str, number: Number) -> None:
        async def look() -> bool | None:
            return True if (await self._forge.issue(number)).state == "closed" else None

        async def act() -> bool:
            await self._forge.close_issue(number)
            self._closed()
            return True

        await self._outbox.once(name, look, act, as_=bool)

    async def _reachable(self, commit: str) -> bool:
        try:
            return await self._forge.reachable(commit, self._state().target_branch)
        except NotThere:  # not even the branch
            return False
