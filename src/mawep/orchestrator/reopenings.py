"""The opening again, on a forge, of issues whose landing was taken back.

Only what was closed for that landing: by us, or by the forge itself when the pull request was merged. It is known by
the moment of its closing, which is written down in the clone. Any other closing is somebody's wish, and let be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

from mawep.core.model import Number
from mawep.core.state import State, TakenBack
from mawep.orchestrator.remote import Remote
from mawep.orchestrator.report_names import WHOLE, closed, opening_again
from mawep.state.outbox import Outbox
from mawep.trackers.base import Forge, ForgeIssue

LEFT = "it was closed for another reason"
"""What is written down of an issue that is not opened again."""
PRECISION = timedelta(seconds=1)
"""How exactly all forges tell a moment each time."""


class Reopenings:
    """Opens each again, once. `past` finds what a run of this clone wrote down; `told` is called when one is open."""

    def __init__(
        self,
        forge: Forge,
        outbox: Outbox,
        state: Callable[[], State],
        remote: Remote,
        *,
        past: Callable[[str], str],
        told: Callable[[], None],
    ) -> None:
        self._forge = forge
        self._outbox = outbox
        self._state = state
        self._remote = remote
        self._past = past
        self._told = told
        self._later: set[Number] = set()

    def look_again(self) -> None:
        """What the remote did not have it may have now."""
        self._later.clear()

    def of(self, number: Number) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """The opening of an issue of the run, if it is due, by its name."""
        back = self._state().issues[number].taken_back
        if back is not None and number not in self._later:
            name = opening_again(number, back.commit)
            if not self._outbox.done(name):
                yield name, partial(self._open, name, number, back)

    def opened(self, number: Number, back: TakenBack) -> bool | None:
        """Whether it is open again; None: that is not settled yet."""
        name = opening_again(number, back.commit)
        return self._outbox.recalled(name) != LEFT if self._outbox.done(name) else None

    async def _open(self, name: str, number: Number, back: TakenBack) -> None:
        """Open it again if the remote has the revert, and nobody else wants it closed."""
        if not await self._remote.has(number, back.commit):
            self._later |= {number}
            return
        if await self._somebodys_wish(number, back.landed_as):
            await self._outbox.remember(name, LEFT)
            return

        async def look() -> bool | None:
            return True if (await self._forge.issue(number)).state == "open" else None

        async def act() -> bool:
            await self._open_wholes(number)  # first: once the issue is open, all is taken to be done
            await self._forge.reopen_issue(number)
            self._told()
            return True

        await self._outbox.once(name, look, act, as_=bool)

    async def _open_wholes(self, number: Number) -> None:
        """What was closed because all of its parts were has an open one again."""
        whole = (await self._forge.edges([number])).parents.get(number)
        if whole is None or whole.state == "open" or whole.repository != self._forge.repository:
            return
        if not await self._somebodys_wish(whole.number, WHOLE):
            await self._open_wholes(whole.number)
            await self._forge.reopen_issue(whole.number)
            self._told()

    async def _somebodys_wish(self, number: Number, why: str) -> bool:
        """Whether an issue is closed, and not for what was taken back."""
        issue = await self._forge.issue(number)
        return issue.state == "closed" and not self._then(issue, why)

    def _then(self, issue: ForgeIssue, why: str) -> bool:
        """Whether it was closed in the moment that is written down."""
        key = closed(issue.number, why)
        noted = self._outbox.recalled(key) or self._past(key)
        moment = datetime.fromisoformat(noted) if noted else None
        return bool(moment and issue.closed_at and abs(issue.closed_at - moment) <= PRECISION)
