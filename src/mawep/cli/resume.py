"""`mawep resume`: unpause a live run, or go on with one that was interrupted or killed."""

from __future__ import annotations

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
    """Go on with a run."""
    import asyncio

    from mawep.cli.running import resume_run

    return asyncio.run(resume_run(config, set_, run=run, rerun=not no_rerun, json=json))
