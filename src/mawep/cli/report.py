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

    from mawep.cli.context import chosen_runs
    from mawep.cli.reading import read_run
    from mawep.errors import UsageError
    from mawep.observe.documents import result_document, together

    if json and markdown:
        raise UsageError("--json and --markdown are two formats", next_step="choose one of them")
    found = [(name, *read_run(summary)) for name, _, summary in await chosen_runs(config, run)]
    if json:
        documents = {name: result_document(state, records) for name, state, records in found}
        whole = documents[""] if "" in documents else together(documents)
        text = jsonlib.dumps(whole, ensure_ascii=False) + "\n"
    elif markdown or output:
        from mawep.observe.report import report as as_markdown

        now = datetime.now(UTC)
        texts = [(name, as_markdown(state, records, now)) for name, state, records in found]
        text = "\n".join(f"# {name}\n\n{said}" if name else said for name, said in texts)
    else:
        from mawep.cli.showing import show_name, show_result

        for name, state, records in found:
            if name:
                show_name(name)
            show_result(result_document(state, records), records, name)
        return 0
    if output is None:
        print(text, end="")
        return 0
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written", cause=str(error)) from error
    return 0
