"""The third comparison of the order of work: of issues that are as urgent, the one furthest from what is under way.

It only orders: while an issue could start, a slot is not left free, however likely it is to touch what others touch.
"""

from __future__ import annotations

from mawep.core.model import Likely, Number
from mawep.core.predict.overlap import likeness, profile
from mawep.core.state import State
from mawep.core.touched import changed

NEAR = 16
"""Issues that are compared for one slot, so that a decision costs the same however many could start."""
AS_LONG = 0.5
"""Two remaining paths count as equally long when one is at least this share of the other: both are estimates."""


class UnderWay:
    """What the issues under way are likely to change, summed up; read from the state when it is asked first."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._touched: dict[str, float] | None = None

    def overlap(self, number: Number) -> float:
        """How much an issue has in common with all that is under way; 0 when nothing was predicted of it."""
        predicted = self._state.graph.issues[number].predicted
        return likeness(profile(predicted), self._sums()) if predicted else 0.0

    def add(self, number: Number) -> None:
        """One more issue is under way."""
        if self._touched is not None:
            self._count(number, self._touched)

    def _sums(self) -> dict[str, float]:
        if self._touched is None:
            self._touched = {}
            for number in self._state.active:
                self._count(number, self._touched)
        return self._touched

    def _count(self, number: Number, sums: dict[str, float]) -> None:
        attempt = self._state.issues[number].attempt
        files = [Likely(path, 1.0, "changed") for path in changed(self._state, number)]
        if attempt is None or not attempt.files:  # what it will change besides is still a guess
            files = [*self._state.graph.issues[number].predicted, *files]
        for path, part in profile(files).items():
            sums[path] = sums.get(path, 0.0) + part


def as_urgent(state: State, number: Number, first: Number) -> bool:
    """True when nothing but predictions says which of two issues goes first, `first` being ahead by its rank."""
    plan = state.graph
    return (
        plan.issues[number].priority is plan.issues[first].priority
        and plan.remaining[number] >= AS_LONG * plan.remaining[first]
    )
