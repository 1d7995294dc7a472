"""`mawep retry`: try an issue again that failed, was parked or cancelled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mawep.cli.options import ConfigFile, IssueNumber, Json, Overrides, RunOption, issue_of
from mawep.core.model import Far


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

    return asyncio.run(_retry(issue_of(issue), config, set_, run=run, no_run=no_run, json=json))


async def _retry(
    issue: Far, config: Path | None, set_: list[str] | None, *, run: str | None, no_run: bool, json: bool
) -> int:
    from mawep.cli.config_file import about_several
    from mawep.cli.context import choose_run, open_repository, read_configs
    from mawep.cli.visit import ask
    from mawep.coordination.payloads import Retry

    repository = await open_repository(config, issue.repository)
    chosen = choose_run(repository.common_dir, run)
    again = Retry(issue=issue.number)
    if chosen.alive:
        print(await ask(repository.common_dir, chosen, again))
        return 0

    from mawep.cli.reopen import reopen

    if not no_run:
        read_configs(config, set_ or ())  # before the journal says something that nobody can carry out
    said = await reopen(repository.common_dir, chosen, again, alone=not about_several(config))
    if no_run:
        print(f"{said}; `mawep resume` goes on with the run")
        return 0
    if about_several(config):
        from mawep.cli.group_running import resume_group

        return await resume_group(config, set_, run=chosen.directory.run, rerun=True, json=json)
    from mawep.cli.running import resume_run

    return await resume_run(config, set_, run=chosen.directory.run, rerun=True, json=json)
