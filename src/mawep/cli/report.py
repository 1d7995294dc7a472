"""`mawep report`: what became of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mawep.cli.options import ConfigFile, Json, RunId


def report(
    run: RunId = None,
    config: ConfigFile = None,
    json: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the whole report as Markdown, with every attempt.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write it to a file: as Markdown, or as JSON with --json."),
    ] = None,
) -> int:
    """Show what became of a run, and the course it took."""
    import asyncio

    return asyncio.run(_report(config, run, json=json, markdown=markdown, output=output))


async def _report(
    config: Path | None, run: str | None, *, json: bool, markdown: bool, output: Path | None
) -> int:
    import json as jsonlib
    from datetime import UTC, datetime

    from mawep.cli.context import choose_run, open_repository
    from mawep.cli.reading import read_run
    from mawep.errors import UsageError
    from mawep.observe.documents import result_document

    if json and markdown:
        raise UsageError("--json and --markdown are two formats", next_step="choose one of them")
    chosen = choose_run((await open_repository(config)).common_dir, run)
    state, records = read_run(chosen)
    document = result_document(state, records)
    if json:
        text = jsonlib.dumps(document, ensure_ascii=False) + "\n"
    elif markdown or output:
        from mawep.observe.report import report as as_markdown

        text = as_markdown(state, records, datetime.now(UTC))
    else:
        from mawep.cli.showing import show_result

        show_result(document, records)
        return 0
    if output is None:
        print(text, end="")
        return 0
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written", cause=str(error)) from error
    return 0
