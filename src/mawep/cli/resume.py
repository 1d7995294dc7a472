"""`mawep resume`: unpause a live run, or go on with one that was interrupted or killed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mawep.cli.options import ConfigFile, Json, Overrides, RunId


def resume(
    run: RunId = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    no_rerun: Annotated[
        bool,
        typer.Option("--no-rerun", help="Fail attempts that were lost instead of running them again."),
    ] = False,
    json: Json = False,
) -> int:
    """Go on with a run that was interrupted, killed or paused."""
    import asyncio

    from mawep.cli.config_file import about_several

    if about_several(config):
        return asyncio.run(_resume_group(config, set_, run=run, rerun=not no_rerun, json=json))
    return asyncio.run(_resume(config, set_, run=run, rerun=not no_rerun, json=json))


async def _resume(
    config: Path | None, set_: list[str] | None, *, run: str | None, rerun: bool, json: bool
) -> int:
    from mawep.cli.context import open_repository, run_to_steer
    from mawep.cli.reading import owes
    from mawep.cli.visit import ask
    from mawep.coordination.payloads import Resume
    from mawep.errors import UsageError
    from mawep.state.runs import list_runs

    common_dir = (await open_repository(config)).common_dir
    try:
        chosen = run_to_steer(common_dir, run)
    except UsageError as nothing:
        if run is not None:
            raise
        owing = next((one for one in list_runs(common_dir) if owes(one)), None)
        if owing is None:
            raise UsageError("There is nothing to resume: every run has ended") from nothing
        chosen = owing
    if chosen.alive:
        print(await ask(common_dir, chosen, Resume()))
        return 0

    from mawep.cli.running import resume_run

    return await resume_run(config, set_, run=chosen.directory.run, rerun=rerun, json=json)


async def _resume_group(
    config: Path | None, set_: list[str] | None, *, run: str | None, rerun: bool, json: bool
) -> int:
    from mawep.cli.group_running import living, resume_group, to_resume
    from mawep.cli.members import open_members
    from mawep.cli.visit import ask
    from mawep.coordination.payloads import Resume

    members = await open_members(config, (), uses=("orchestrator",))
    clones = {member.key: member.repository.common_dir for member in members}
    alive = living(to_resume(members, run))
    if not alive:
        return await resume_group(config, set_, run=run, rerun=rerun, json=json)
    for name, summary in alive:
        print(f"{name}: {await ask(clones[name.lower()], summary, Resume())}")
    return 0
