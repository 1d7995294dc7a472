"""`mawep answer`: answer the question of an agent, or list the questions that wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from mawep.cli.completion import issue_numbers
from mawep.cli.options import ConfigFile, RunOption, issue_of, sendable
from mawep.core.model import Far

Asking = Annotated[
    str | None,
    typer.Argument(
        metavar="ISSUE",
        help="Whose question; without it, all that wait are listed.",
        autocompletion=issue_numbers,
    ),
]


def answer(
    issue: Asking = None,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The answer.")] = None,
    run: RunOption = None,
    config: ConfigFile = None,
) -> int:
    """Answer the question of an agent, or list the questions."""
    import asyncio

    if issue is None or text is None:
        return asyncio.run(_list(config, run, None if issue is None else issue_of(issue)))

    from mawep.cli.visit import steer
    from mawep.coordination.payloads import AnswerQuestion

    meant = issue_of(issue)
    asked = AnswerQuestion(issue=meant.number, text=sendable(text))
    return asyncio.run(steer(config, run, asked, meant.repository))


async def _list(config: Path | None, run: str | None, issue: Far | None) -> int:
    from mawep.cli.context import open_repositories, open_repository
    from mawep.cli.options import prefix_of
    from mawep.errors import UsageError

    if issue is None:
        repositories = await open_repositories(config)
    else:
        repositories = [(issue.repository, await open_repository(config, issue.repository))]
    if len(repositories) > 1:  # those that are done have nobody who asks
        repositories = [one for one in repositories if _is_under_way(one[1].common_dir)] or repositories[:1]
    lines = [
        line
        for name, repository in repositories
        for line in _questions(repository.common_dir, run, prefix_of(name), issue)
    ]
    if issue is not None and not lines:
        name = f"{prefix_of(issue.repository)}{issue.number}"
        raise UsageError(f"{name} does not wait for an answer", next_step=f"see `mawep explain {name}`")
    print("\n".join(lines) or "No agent waits for an answer.")
    return 0


def _questions(common_dir: Path, run: str | None, prefix: str, issue: Far | None) -> Iterator[str]:
    """What the agents of a run ask."""
    from mawep.cli.context import run_to_steer
    from mawep.core.engine import replay
    from mawep.observe.text import one_line
    from mawep.state import journal

    state = replay(journal.read(run_to_steer(common_dir, run).directory.journal))
    for number, record in sorted(state.issues.items()):
        if (question := record.question) is None or (issue is not None and issue.number != number):
            continue
        choices = f" ({' / '.join(map(one_line, question.options))})" if question.options else ""
        yield f"{prefix}{number}: {one_line(question.text)}{choices}"
        yield f'  answer with: mawep answer {prefix.removeprefix("#")}{number} "…"'


def _is_under_way(common_dir: Path) -> bool:
    from mawep.state.runs import list_runs

    return any(not summary.ended for summary in list_runs(common_dir))
