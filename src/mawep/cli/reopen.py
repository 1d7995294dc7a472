"""Reopen an issue of a run that no process conducts."""

from __future__ import annotations

import getpass
from contextlib import closing
from pathlib import Path

from mawep.cli.conduct import refuse_unfinished
from mawep.clock import SystemClock
from mawep.coordination.envelopes import Retry
from mawep.core.engine import replay
from mawep.orchestrator.listener import carry_out
from mawep.state import journal as journals
from mawep.state.journal import Journal
from mawep.state.runs import RunSummary, target_claimed


async def reopen(common_dir: Path, run: RunSummary, issue: int) -> str:
    """Write down that a person wants the issue tried again; a sentence that says so.

    Raises:
        Refused: it is not in the run, or is in no state to be tried again.
        UsageError: another run on the target is not finished, or works on it now.
    """
    with target_claimed(common_dir, run.target_branch):
        if run.ended:
            refuse_unfinished(common_dir, run.target_branch)
        with closing(Journal.open(run.directory.journal)) as journal:
            state = replay(journals.read(run.directory.journal))
            said, events = carry_out(Retry(issue=issue), getpass.getuser(), "", state)
            for event in events:
                journal.append(event, SystemClock().now())
            await journal.commit()
    return said
