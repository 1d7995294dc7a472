"""Read a run as it is now, from its journal and its live view; needs neither its process nor its server."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mawep.core.engine import evolve, replay
from mawep.core.events import Recorded, RunEnded
from mawep.core.model import Number
from mawep.core.state import State
from mawep.errors import UsageError
from mawep.observe.live import LiveFile
from mawep.observe.readmodel import Status
from mawep.observe.status import status_of
from mawep.observe.text import first_line
from mawep.state import journal
from mawep.state.outbox import told_until, why_untold
from mawep.state.runs import RunSummary, is_alive

OWES = "the forge does not know all of it yet; `mawep resume` tells it"


def read_run(run: RunSummary) -> tuple[State, list[Recorded]]:
    """The state of a run and all its events."""
    records = journal.read(run.directory.journal)
    return replay(records), records


def owes(run: RunSummary) -> bool:
    """True when a run has ended and the forge does not know all of it. Raises OutboxError."""
    over = run.ended and not run.alive
    return over and _untold(run.directory.outbox, journal.read(run.directory.journal))


def _untold(outbox: Path, records: Iterable[Recorded]) -> bool:
    told = told_until(outbox)
    if told is None:
        return False
    return told < max((one.seq for one in records if isinstance(one.event, RunEnded)), default=0)


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
        status = status_of(self._state, datetime.now(UTC), live, self._records, alive=alive)
        if alive or self._state.ended is None or not _untold(self._directory.outbox, self._records):
            return status
        why = why_untold(self._directory.outbox)
        return msgspec.structs.replace(
            status, warnings=(*status.warnings, f"{OWES}: {first_line(why)}" if why else OWES)
        )


def known_issue(state: State, number: Number) -> Number:
    """The number, if it is one of the run.

    Raises:
        UsageError: it is not.
    """
    if number not in state.issues:
        raise UsageError(f"#{number} is not in run {state.run}", next_step="`mawep status` lists its issues")
    return number
