"""Take up an issue of a run again that no process conducts."""

from __future__ import annotations

import getpass
from contextlib import closing
from pathlib import Path

from mawep.cli.conduct import refuse_unfinished
from mawep.clock import SystemClock
from mawep.core.engine import replay
from mawep.errors import UsageError
from mawep.orchestrator.verbs import Verb, carry_out
from mawep.state import journal as journals
from mawep.state.groups import group_of_run
from mawep.state.journal import Journal
from mawep.state.runs import RunSummary, is_alive, target_claimed


def refuse_part(common_dir: Path, run: str) -> None:
    """Raise UsageError if the run belongs together with those of other repositories: none goes on without them."""
    if group := group_of_run(common_dir, run):
        others = ", ".join(part.repository for part in group.parts)
        raise UsageError(
            f"Run {run} goes on together with those of its group only: {others}",
            next_step=f"say it with `--config {group.config}`",
        )


def refuse_living(common_dir: Path, run: str) -> None:
    """Raise UsageError while a process conducts the runs that this one belongs together with."""
    group = group_of_run(common_dir, run)
    for part in group.parts if group else ():
        if is_alive(part.directory):
            raise UsageError(
                f"The run of {part.repository}, which belongs to it, is still going on",
                next_step="try it again when that has ended; `mawep status` shows it",
            )


async def reopen(common_dir: Path, run: RunSummary, verb: Verb, *, alone: bool) -> str:
    """Write down what a person wants of an issue that has ended; a sentence that says so.

    `alone`: the configuration is about this repository only.

    Raises:
        Refused: it is not in the run, or is in no state for it.
        UsageError: another run on the target is not finished, or works on it now, or this one belongs to others.
    """
    if alone:
        refuse_part(common_dir, run.directory.run)
    refuse_living(common_dir, run.directory.run)
    with target_claimed(common_dir, run.target_branch):
        if run.ended:
            refuse_unfinished(common_dir, run.target_branch)
        with closing(Journal.open(run.directory.journal)) as journal:
            state = replay(journals.read(run.directory.journal))
            said, events = carry_out(verb, getpass.getuser(), "", state)
            for event in events:
                journal.append(event, SystemClock().now())
            await journal.commit()
    return said
