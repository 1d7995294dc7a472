"""What is going to happen, in order of virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta

from mawep.clock import VirtualClock

Action = Callable[[], None]


class Agenda:
    """Actions and their moments. What is `mortal` belongs to the orchestrator's process and dies with it."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._heap: list[tuple[datetime, int, bool, Action]] = []
        self._added = 0

    def after(self, seconds: float, action: Action, *, mortal: bool = False) -> None:
        """Let `action` happen in that many seconds; of two at one moment the one added first goes first."""
        self._added += 1
        moment = self._clock.now() + timedelta(seconds=seconds)
        heapq.heappush(self._heap, (moment, self._added, mortal, action))

    def next(self) -> datetime | None:
        """When something happens next; None: never."""
        return self._heap[0][0] if self._heap else None

    def pop(self) -> Action:
        """Move the clock to what happens next and give it away."""
        moment, _, _, action = heapq.heappop(self._heap)
        self._clock.advance_to(moment)
        return action

    def crash(self) -> None:
        """Forget what was going on inside the orchestrator's process."""
        self._heap = [entry for entry in self._heap if not entry[2]]
        heapq.heapify(self._heap)
