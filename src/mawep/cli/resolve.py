"""`mawep resolve`: take up a parked issue by hand, and have what comes of it land."""

from __future__ import annotations

from typing import Annotated

import typer

from mawep.cli.options import ConfigFile, IssueNumber, Json, Overrides, RunOption, issue_of
from mawep.errors import UsageError


def resolve(
    issue: IssueNumber,
    continue_: Annotated[
        bool, typer.Option("--continue", help="It is committed there: have it checked, gated and landed.")
    ] = False,
    abort: Annotated[
        bool, typer.Option("--abort", help="Let go of the worktree; what was committed there stays.")
    ] = False,
    run: RunOption = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Only hand it in; `mawep resume` goes on with the run later.")
    ] = False,
    json: Json = False,
) -> int:
    """Take up a parked issue by hand, and hand it in again.

    A live run takes what is handed in at once. A run that has ended or died goes on for it, here.
    """
    import asyncio

    from mawep.cli.resolving import Resolving, find

    if continue_ and abort:
        raise UsageError("`--continue` and `--abort` exclude each other")
    asked = issue_of(issue)

    async def carried_out() -> int:
        resolving: Resolving = await find(asked, config, set_, run)
        if continue_:
            return await resolving.go_on(no_run=no_run, json=json)
        for line in await (resolving.abort() if abort else resolving.open()):
            print(line)
        return 0

    return asyncio.run(carried_out())
