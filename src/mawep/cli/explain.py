"""`mawep explain`: why an issue is where it is."""

from __future__ import annotations

from pathlib import Path

from mawep.cli.options import ConfigFile, IssueNumber, Json, RunOption, issue_of
from mawep.core.model import Far


def explain(issue: IssueNumber, run: RunOption = None, config: ConfigFile = None, json: Json = False) -> int:
    """Say why an issue is not running or landing.

    Tells what became of every attempt on it, too.
    """
    import asyncio

    return asyncio.run(_explain(issue_of(issue), config, run, json=json))


async def _explain(issue: Far, config: Path | None, run: str | None, *, json: bool) -> int:
    import json as jsonlib
    from datetime import UTC, datetime

    from mawep.cli.context import choose_run, open_repository
    from mawep.cli.reading import known_issue, read_run
    from mawep.observe.documents import explain_document
    from mawep.observe.live import LiveFile
    from mawep.state.runs import is_alive

    chosen = choose_run((await open_repository(config, issue.repository)).common_dir, run)
    state, records = read_run(chosen)
    live = LiveFile(chosen.directory.live).read() if is_alive(chosen.directory) else None
    document = explain_document(state, known_issue(state, issue.number), datetime.now(UTC), records, live)
    if json:
        print(jsonlib.dumps(document, ensure_ascii=False))
        return 0
    from mawep.cli.showing import show_explanation

    show_explanation(document, issue.repository)
    return 0
