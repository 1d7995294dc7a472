"""What one attempt has consumed, over all of its turns, sessions and processes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mawep.core.model import Usage
from mawep.core.usage import highest, less, total

Price = Callable[[Usage], float | None]
"""What a usage costs in US dollars, for an agent that does not say; None when nobody knows."""


class Spending:
    """Adds up what an agent's sessions report; each session counts from its own beginning, and never falls.

    A session that a new process has loaded may count from its beginning or from there: who reports at once no less
    than was known of it goes on from its beginning.
    """

    def __init__(self) -> None:
        self._before = Usage()
        self._session = Usage()
        self._loaded: Usage | None = None
        self._price: Price | None = None

    @property
    def total(self) -> Usage:
        """All of it so far. The cost is the agent's word, else what the table of prices makes of its tokens.

        Each session is priced by itself: what was known before has a cost already, which says nothing of what follows.
        """
        return total(self._priced(self._before), self._priced(self._session))

    def opened(self, known: Usage, *, loaded: bool = False, price: Price | None = None) -> None:
        """A session begins, or goes on in a new process; `known` is what the journal has of the attempt."""
        self._price = price
        before = known if self._session == Usage() else self._priced(self._session)
        self._loaded = before if loaded else None
        self._before = highest(known, self.total)
        self._session = Usage()

    def see(self, usage: Usage) -> None:
        """What the session reports by now, from its beginning."""
        if self._loaded is not None and usage != Usage():
            if _reaches(usage, self._loaded):
                self._before = less(self._before, self._loaded)
            self._loaded = None
        self._session = highest(self._session, usage)

    def _priced(self, usage: Usage) -> Usage:
        if usage.cost_usd is not None or usage.tokens is None or self._price is None:
            return usage
        return msgspec.structs.replace(usage, cost_usd=self._price(usage))


def _reaches(usage: Usage, known: Usage) -> bool:
    pairs = ((usage.tokens, known.tokens), (usage.cost_usd, known.cost_usd))
    both = [(said, had) for said, had in pairs if said is not None and had is not None]
    return bool(both) and all(said >= had for said, had in both)
