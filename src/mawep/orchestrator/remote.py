"""Whether the target on the remote has a commit, as far as somebody looked."""

from __future__ import annotations

from collections.abc import Callable

from mawep.core.model import Number, Sha
from mawep.core.state import State
from mawep.trackers.base import Forge, NotThere


class Remote:
    """Asks the forge. `changed` is told of the issue for which somebody learnt something new."""

    def __init__(self, forge: Forge, state: Callable[[], State], changed: Callable[[Number], None]) -> None:
        self._forge = forge
        self._state = state
        self._changed = changed
        self._known: dict[Sha, bool] = {}

    def known(self, commit: Sha) -> bool | None:
        """What the last look said; None: nobody has looked."""
        return self._known.get(commit)

    async def has(self, number: Number, commit: Sha) -> bool:
        """Look whether the target there contains the commit that is of interest for an issue."""
        there = await self._reachable(commit)
        if self._known.get(commit) is not there:
            self._known[commit] = there
            self._changed(number)
        return there

    async def _reachable(self, commit: Sha) -> bool:
        try:
            return await self._forge.reachable(commit, self._state().target_branch)
        except NotThere:  # not even the branch
            return False
