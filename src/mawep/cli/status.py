"""`mawep status`: how a run stands."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from mawep.cli.options import ConfigFile, Json, RunId


def status(
    run: RunId = None,
    config: ConfigFile = None,
    all_: Annotated[bool, typer.Option("--all", help="One line for every run, the newest first.")] = False,
    json: Json = False,
) -> int:
    """Show how a run stands, and why things wait."""
    import asyncio

    return asyncio.run(_status(config, run, all_=all_, json=json))


async def _status(config: Path | None, run: str | None, *, all_: bool, json: bool) -> int:
    from mawep.cli.context import chosen_runs

    if all_:
        return await _list_all(config, json=json)

    from mawep.cli.reading import Reader
    from mawep.observe.status import to_json

    found = [(name, summary, Reader(summary).status()) for name, _, summary in await chosen_runs(config, run)]
    if json:
        documents = {name: to_json(status).decode() for name, _, status in found}
        print(documents[""] if "" in documents else together(documents))
        return 0
    from mawep.cli.gateway import counted
    from mawep.cli.showing import show_name, show_status

    for name, summary, status in found:
        if name:
            show_name(name)
        show_status(status)
        if line := counted(summary.directory.gateway):
            print(line)
    return 0


def together(documents: dict[str, str]) -> str:
    """One document of those of several repositories."""
    members = ", ".join(f"{jsonlib.dumps(name)}: {document}" for name, document in documents.items())
    return f'{{"repositories": {{{members}}}}}'


async def _list_all(config: Path | None, *, json: bool) -> int:
    from mawep.cli.context import open_repositories

    runs = [
        {**({"repository": name} if name else {}), **run}
        for name, repository in await open_repositories(config)
        for run in _runs(repository.common_dir)
    ]
    if json:
        print(jsonlib.dumps({"runs": runs}))
        return 0
    for one in runs:
        began, where = one["started_at"][:19].replace("T", " "), one.get("repository", "")
        print(f"{one['run']}  {began}  {one['phase']:<11}  {one['target']}  {where}".rstrip())
    if not runs:
        print("There is no run in this repository.")
    return 0


def _runs(common_dir: Path) -> list[dict[str, str]]:
    from mawep.state.runs import list_runs

    return [
        {
            "run": summary.directory.run,
            "target": summary.target_branch,
            "started_at": summary.started_at,
            "phase": "ended" if summary.ended else "running" if summary.alive else "interrupted",
        }
        for summary in list_runs(common_dir)
    ]
