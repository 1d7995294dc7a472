"""Read a run as it is now, from its journal and its live view; needs neither its process nor its server."""

from __future__ import annotations

from datetime import UTC, datetime

from mawep.core.engine import replay
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


def status_now(run: RunSummary) -> Status:
    """The status of a run."""
    state, records = read_run(run)
    live = LiveFile(run.directory.live).read() if run.alive else None
    return status_of(state, datetime.now(UTC), live, records, alive=is_alive(run.directory))


def known_issue(state: State, number: Number) -> Number:
    """The number, if it is one of the run.

    Raises:
        UsageError: it is not.
    """
    if number not in state.issues:
        raise UsageError(f"#{number} is not in run {state.run}", next_step="`mawep status` lists its issues")
    return number
