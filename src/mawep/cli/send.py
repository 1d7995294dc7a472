"""`mawep send`: tell a working agent something."""

from __future__ import annotations

from typing import Annotated

import typer

from mawep.cli.completion import issue_numbers
from mawep.cli.options import ConfigFile, RunOption, sendable

Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="An issue (102, or owner/name#102) or an agent (agent-0, or owner/name#agent-0).",
        autocompletion=issue_numbers,
    ),
]


def send(
    target: Target,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to tell it.")],
    run: RunOption = None,
    config: ConfigFile = None,
) -> int:
    """Tell a working agent something.

    It hears it at once if it can, else at the start of its next turn.
    """
    import asyncio

    from mawep.cli.visit import steer
    from mawep.coordination.payloads import Send

    repository, _, there = target.rpartition("#")
    said = Send(target=sendable(there), text=sendable(text))
    return asyncio.run(steer(config, run, said, repository))
