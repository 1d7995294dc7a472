"""`mawep cancel`: give up some issues of a run, or all of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mawep.cli.completion import issue_numbers
from mawep.cli.options import ConfigFile, RunOption, issue_of
from mawep.core.model import Far

if TYPE_CHECKING:
    from mawep.adapters.git import Repository

Issues = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ISSUES",
        help="Their numbers, or as owner/name#5; without any, the whole run.",
        autocompletion=issue_numbers,
    ),
]


def cancel(issues: Issues = None, run: RunOption = None, config: ConfigFile = None) -> int:
    """Give up issues of a run, or all of it.

    Branches and unfinished work are kept. A run whose process is dead can only be given up as a whole.
    """
    import asyncio

    meant = [issue_of(word) for text in issues or () for word in text.replace(",", " ").split()]
    return asyncio.run(_cancel(config, run, meant))


async def _cancel(config: Path | None, run: str | None, meant: list[Far]) -> int:
    from mawep.cli.context import open_repositories, open_repository

    if meant:
        for name in dict.fromkeys(issue.repository for issue in meant):
            numbers = [issue.number for issue in meant if issue.repository == name]
            await _cancel_in(await open_repository(config, name), run, numbers)
        return 0
    repositories = [repository for _, repository in await open_repositories(config)]
    if len(repositories) > 1:
        repositories = [one for one in repositories if _is_under_way(one, run)] or repositories[:1]
    for repository in repositories:
        await _cancel_in(repository, run, [])
    return 0


def _is_under_way(repository: Repository, run: str | None) -> bool:
    from mawep.state.runs import list_runs

    runs = [summary for summary in list_runs(repository.common_dir) if not summary.ended]
    return any(run is None or summary.directory.run.endswith(run) for summary in runs)


async def _cancel_in(repository: Repository, run: str | None, numbers: list[int]) -> None:
    from mawep.cli.context import not_running, run_to_steer
    from mawep.cli.visit import ask
    from mawep.coordination.payloads import Cancel

    chosen = run_to_steer(repository.common_dir, run)
    if chosen.alive or numbers or chosen.ended:
        if not chosen.alive:
            raise not_running(chosen)
        print(await ask(repository.common_dir, chosen, Cancel(issues=numbers or None)))
        return
    from mawep.cli.give_up import give_up

    for line in await give_up(repository, chosen):
        print(line)
