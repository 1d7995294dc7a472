"""The closing of issues on a forge: of what landed on the remote, and of what has no work of its own but its parts.

A parent is closed when this run closed all of its parts that it worked on, and nobody has opened another one since.
Of each that was closed for a landing it is written down when, as the forge says: by that moment alone is that closing
told from any other when the landing is taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from functools import partial

from mawep.core.model import IssueState, Number
from mawep.core.state import State
from mawep.orchestrator.remote import Remote
from mawep.orchestrator.report_names import WHOLE, closed, closing, closing_whole
from mawep.state.outbox import Outbox
from mawep.trackers.base import Forge, ForgeIssue

BY_KEYWORD = timedelta(minutes=1)
"""So close to the merge of its pull request is an issue closed that the forge closes for it."""


class Closings:
    """Closes each once. `told` is called when one was."""

    def __init__(
        self,
        forge: Forge,
        outbox: Outbox,
        state: Callable[[], State],
        remote: Remote,
        *,
        told: Callable[[], None],
    ) -> None:
        self._forge = forge
        self._outbox = outbox
        self._state = state
        self._remote = remote
        self._told = told
        self._later: set[Number] = set()

    def look_again(self) -> None:
        """What was not fit to be closed may be now."""
        self._later.clear()

    def of(self, number: Number) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """The closing of an issue of the run, if it is due, by its name."""
        record = self._state().issues[number]
        landed_as = record.landed_as
        if landed_as is None or record.state is not IssueState.LANDED:
            return  # it has not landed, or is being taken back
        if number not in self._later:
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
                name = closing_whole(whole, (state.issues[one].landed_as or "" for one in sorted(its)))
                if not self._outbox.done(name):
                    yield name, partial(self._close_whole, whole, name)

    def _is_closed(self, number: Number) -> bool:
        landed_as = self._state().issues[number].landed_as
        return landed_as is not None and self._outbox.done(closing(number, landed_as))

    async def _close(self, number: Number, landed_as: str) -> None:
        """Close it if the remote has what landed."""
        if await self._remote.has(number, landed_as):
            await self._once(closing(number, landed_as), number, landed_as)
        else:
            self._later |= {number}

    async def _close_whole(self, number: Number, name: str) -> None:
        parts = (await self._forge.edges([number])).sub_issues.get(number, ())
        if any(part.state == "open" for part in parts):
            self._later |= {number}
        else:
            await self._once(name, number, WHOLE)

    async def _once(self, name: str, number: Number, why: str) -> None:
        async def look() -> bool | None:
            issue = await self._forge.issue(number)
            if issue.state == "open":
                return None
            if await self._for_a_landing(issue):
                await self._note(issue, why)
            return True

        async def act() -> bool:
            shown = await self._forge.close_issue(number)
            if shown is None:  # by whom?
                await look()
            else:
                await self._note(shown, why)
                self._told()
            return True

        await self._outbox.once(name, look, act, as_=bool)

    async def _note(self, issue: ForgeIssue, why: str) -> None:
        if issue.closed_at is not None:
            await self._outbox.remember(closed(issue.number, why), issue.closed_at.isoformat())

    async def _for_a_landing(self, issue: ForgeIssue) -> bool:
        """Whether an issue that is closed was closed by us, or by the forge when its pull request was merged."""
        if issue.state_reason not in (None, "completed"):
            return False
        if issue.closed_by is not None and issue.closed_by == await self._forge.whoami():
            return True
        record = self._state().issues.get(issue.number)
        if record is None or record.pull is None or not record.pull.number:
            return False
        merged_at = (await self._forge.pull(record.pull.number)).merged_at
        return bool(merged_at and issue.closed_at and abs(issue.closed_at - merged_at) <= BY_KEYWORD)
