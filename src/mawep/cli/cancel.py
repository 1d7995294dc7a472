"""`mawep cancel`: give up some issues of a run, or all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mawep.cli.completion import issue_numbers
from mawep.cli.options import ConfigFile, RunOption, number_of

Issues = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ISSUES", help="Their numbers; without any, the whole run.", autocompletion=issue_numbers
    ),
]


def cancel(issues: Issues = None, run: RunOption = None, config: ConfigFile = None) -> int:
    """Give up issues of a run, or all of it.

    Branches and unfinished work are kept. A run whose process is dead can only be given up as a whole.
    """
    import asyncio

    numbers = [number_of(word) for text in issues or () for word in text.replace(",", " ").split()]
    return asyncio.run(_cancel(config, run, numbers))


async def _cancel(config: Path | None, run: str | None, numbers: list[int]) -> int:
    from mawep.cli.context import not_running, open_repository, run_to_steer
    from mawep.cli.visit import ask
    from mawep.coordination.envelopes import Cancel

    repository = await open_repository(config)
    chosen = run_to_steer(repository.common_dir, run)
    if chosen.alive or numbers or chosen.ended:
        if not chosen.alive:
            raise not_running(chosen)
        print(await ask(repository.common_dir, chosen, Cancel(issues=numbers or None)))
        return 0
    from mawep.cli.give_up import give_up

    for line in await give_up(repository, chosen):
        print(line)
    return 0
