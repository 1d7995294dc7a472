"""`mawep status`: how a run stands."""

from __future__ import annotations

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
    from mawep.cli.context import choose_run, open_repository

    common_dir = (await open_repository(config)).common_dir
    if all_:
        return _list(common_dir, json=json)

    from mawep.cli.reading import Reader
    from mawep.observe.status import to_json

    directory = choose_run(common_dir, run)
    status = Reader(directory).status()
    if json:
        print(to_json(status).decode())
    else:
        from mawep.cli.gateway import counted
        from mawep.cli.showing import show_status

        show_status(status)
        if line := counted(directory.directory.gateway):
            print(line)
    return 0


def _list(common_dir: Path, *, json: bool) -> int:
    import json as jsonlib

    from mawep.state.runs import list_runs

    runs = [
        {
            "run": summary.directory.run,
            "target": summary.target_branch,
            "started_at": summary.started_at,
            "phase": "ended" if summary.ended else "running" if summary.alive else "interrupted",
        }
        for summary in list_runs(common_dir)
    ]
    if json:
        print(jsonlib.dumps({"runs": runs}))
        return 0
    for one in runs:
        print(
            f"{one['run']}  {one['started_at'][:19].replace('T', ' ')}  {one['phase']:<11}  {one['target']}"
        )
    if not runs:
        print("There is no run in this repository.")
    return 0
