"""`mawep revert`: take back what an issue brought to the target, through the same queue and gate."""

from __future__ import annotations

from typing import Annotated

import typer

from mawep.cli.options import ConfigFile, IssueNumber, Json, Overrides, issue_of


def revert(
    issue: IssueNumber,
    config: ConfigFile = None,
    set_: Overrides = None,
    with_dependents: Annotated[
        bool,
        typer.Option("--with-dependents", help="Take back what depends on it as well, the newest first."),
    ] = False,
    only: Annotated[bool, typer.Option("--only", help="Leave what depends on it as it is.")] = False,
    json: Json = False,
) -> int:
    """Take back what an issue brought, through queue and gate.

    A live run takes it into its queue. Without one it is done here, as a run of its own.
    """
    import asyncio

    from mawep.cli.reverting import Extent, revert_issue

    extent = Extent.ALL if with_dependents else Extent.ONE if only else Extent.ASK
    return asyncio.run(revert_issue(issue_of(issue), config, set_, extent, json=json))
