"""`mawep answer`: answer the question of an agent, or list the questions that wait."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mawep.cli.completion import issue_numbers
from mawep.cli.options import ConfigFile, RunOption, number_of, sendable

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
        return asyncio.run(_list(config, run, None if issue is None else number_of(issue)))

    from mawep.cli.visit import steer
    from mawep.coordination.envelopes import AnswerQuestion

    return asyncio.run(steer(config, run, AnswerQuestion(issue=number_of(issue), text=sendable(text))))


async def _list(config: Path | None, run: str | None, issue: int | None) -> int:
    from mawep.cli.context import open_repository, run_to_steer
    from mawep.core.engine import replay
    from mawep.errors import UsageError
    from mawep.observe.text import one_line
    from mawep.state import journal

    common_dir = (await open_repository(config)).common_dir
    state = replay(journal.read(run_to_steer(common_dir, run).directory.journal))
    waiting = {
        number: record.question
        for number, record in sorted(state.issues.items())
        if record.question is not None and issue in (None, number)
    }
    if issue is not None and not waiting:
        raise UsageError(f"#{issue} does not wait for an answer", next_step=f"see `mawep explain {issue}`")
    for number, question in waiting.items():
        choices = f" ({' / '.join(map(one_line, question.options))})" if question.options else ""
        print(f'#{number}: {one_line(question.text)}{choices}\n  answer with: mawep answer {number} "…"')
    if not waiting:
        print("No agent waits for an answer.")
    return 0
