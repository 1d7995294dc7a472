"""`mawep retry`: try an issue again that failed, was parked or cancelled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mawep.cli.options import ConfigFile, IssueNumber, Json, Overrides, RunOption, number_of


def retry(
    issue: IssueNumber,
    run: RunOption = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Only reopen it; `mawep resume` goes on with the run later.")
    ] = False,
    json: Json = False,
) -> int:
    """Try an issue again that failed, was parked or cancelled.

    A run that has ended or died goes on for it, here, as with `mawep resume`.
    """
    import asyncio

    return asyncio.run(_retry(number_of(issue), config, set_, run=run, no_run=no_run, json=json))


async def _retry(
    issue: int, config: Path | None, set_: list[str] | None, *, run: str | None, no_run: bool, json: bool
) -> int:
    from mawep.cli.context import choose_run, open_repository, read_config
    from mawep.cli.visit import ask
    from mawep.coordination.envelopes import Retry

    repository = await open_repository(config)
    chosen = choose_run(repository.common_dir, run)
    if chosen.alive:
        print(await ask(repository.common_dir, chosen, Retry(issue=issue)))
        return 0

    from mawep.cli.reopen import reopen

    if not no_run:
        read_config(config, set_ or ())  # before the journal says something that nobody can carry out
    said = await reopen(repository.common_dir, chosen, issue)
    if no_run:
        print(f"{said}; `mawep resume` goes on with the run")
        return 0

    from mawep.cli.running import resume_run

    return await resume_run(config, set_, run=chosen.directory.run, rerun=True, json=json)
