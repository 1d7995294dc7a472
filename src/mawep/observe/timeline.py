"""How long issues were in which state: a run followed event by event, on a clock of its own.

That clock counts seconds since the run began during which a mawep process conducted it. Nobody knows when a
killed process died, so from its last event to the next `RunResumed` the clock stands still.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from mawep.core import events as ev
from mawep.core.engine import evolve
from mawep.core.model import IssueState, Number
from mawep.core.state import State


def nobody_there(before: ev.Recorded, after: ev.Recorded) -> bool:
    """True when no process conducted the run between two neighbouring events."""
    return isinstance(after.event, ev.RunResumed) or isinstance(before.event, ev.RunEnded | ev.RunStopped)


class Span(msgspec.Struct, frozen=True):
    """An attempt was in one state from `start` to `end`, in seconds of the run."""

    issue: Number
    attempt: int
    slot: int
    state: IssueState
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.end - self.start


class Timeline:
    """Follows a run. `seconds` is its own clock, `settled` what it said when an issue last came to its end."""

    def __init__(self, state: State | None = None) -> None:
        """Follow a run from `state` on; spans that began before are taken to begin now."""
        self.state = state or State()
        self.seconds = 0.0
        self.settled = 0.0
        self._last: ev.Recorded | None = None
        self._open: dict[Number, Span] = {}
        self._look(State())

    def see(self, recorded: ev.Recorded) -> list[Span]:
        """Take in the next event; the spans that it ended."""
        before = self.state
        self.state = evolve(before, recorded)
        self._tick(recorded)
        if self.state.terminal > before.terminal:
            self.settled = self.seconds
        return self._look(before)

    def at(self, now: datetime) -> float:
        """What the run's clock says at `now`, if its process still conducts it."""
        if self._last is None or not self.state.running:
            return self.seconds
        return self.seconds + max(0.0, (now - self._last.at).total_seconds())

    def open(self, now: datetime | None = None) -> list[Span]:
        """The spans that go on, as if they ended with the last event, or at `now`."""
        end = self.seconds if now is None else self.at(now)
        return [msgspec.structs.replace(span, end=end) for span in self._open.values()]

    def _tick(self, recorded: ev.Recorded) -> None:
        last, self._last = self._last, recorded
        if last is not None and not nobody_there(last, recorded):
            self.seconds += max(0.0, (recorded.at - last.at).total_seconds())

    def _look(self, before: State) -> list[Span]:
        """Open and close spans by what is different from `before`."""
        if self.state.issues is before.issues:
            return []
        ended: list[Span] = []
        for number in dict.fromkeys((*before.active, *self.state.active)):
            now, going_on = self._now(number), self._open.get(number)
            if going_on is not None and (now is None or not _same(now, going_on)):
                ended.append(msgspec.structs.replace(self._open.pop(number), end=self.seconds))
            if now is not None:
                self._open.setdefault(number, now)
        return ended

    def _now(self, number: Number) -> Span | None:
        record = self.state.issues[number]
        if record.attempt is None or record.offered or number not in self.state.active:
            return None
        attempt = record.attempt
        return Span(number, attempt.number, attempt.slot, record.state, self.seconds, self.seconds)


def _same(a: Span, b: Span) -> bool:
    return a.state is b.state and a.attempt == b.attempt


class Course(msgspec.Struct, frozen=True):
    """A whole run: every span, by when it ended, and the state that it led to."""

    state: State
    spans: tuple[Span, ...]
    seconds: float
    settled: float


def course_of(records: Iterable[ev.Recorded]) -> Course:
    """The course that a run took."""
    timeline, spans = Timeline(), list[Span]()
    for recorded in records:
        spans += timeline.see(recorded)
    return Course(timeline.state, (*spans, *timeline.open()), timeline.seconds, timeline.settled)
