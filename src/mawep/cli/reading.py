"""Read a run as it is now, from its journal and its live view; needs neither its process nor its server."""

from __future__ import annotations

from datetime import UTC, datetime

from mawep.core.engine import evolve, replay
from mawep.core.events import Recorded
from mawep.core.model import Number
from mawep.core.state import State
from mawep.errors import UsageError
from mawep.observe.live import LiveFile
from mawep.observe.readmodel import Status
from mawep.observe.status import status_of
from mawep.state import journal
from mawep.state.runs import RunSummary, is_alive


def read_run(run: RunSummary) -> tuple[State, list[Recorded]]:
    """The state of a run and all its events."""
    records = journal.read(run.directory.journal)
    return replay(records), records


class Reader:
    """Follows a run from outside: each look reads only what is new."""

    def __init__(self, run: RunSummary) -> None:
        self._directory = run.directory
        self._state = State()
        self._records: list[Recorded] = []
        self._live = LiveFile(run.directory.live)

    def status(self) -> Status:
        """The status of the run now."""
        alive = is_alive(self._directory)  # before the events: who dies between the two is still seen to live
        for recorded in journal.read(self._directory.journal, self._state.seq):
            self._state = evolve(self._state, recorded)
            self._records.append(recorded)
        live = self._live.read() if alive else None
        return status_of(self._state, datetime.now(UTC), live, self._records, alive=alive)


def known_issue(state: State, number: Number) -> Number:
    """The number, if it is one of the run.

    Raises:
        UsageError: it is not.
    """
    if number not in state.issues:
        raise UsageError(f"#{number} is not in run {state.run}", next_step="`mawep status` lists its issues")
    return number
