"""`mawep cleanup`: remove what ended runs have left and nobody needs any more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mawep.cli.options import ConfigFile, Overrides


def cleanup(
    config: ConfigFile = None,
    set_: Overrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Worktrees and saved work of ended runs, however young.")
    ] = False,
) -> int:
    """Remove what ended runs have left and nobody needs.

    That is worktrees and saved work whose retention is over, merged branches of ours, and old logs. Nothing of
    yours is touched, and nothing at all while a run is going on.
    """
    import asyncio

    return asyncio.run(_cleanup(config, set_, dry_run=dry_run, at_once=all_))


async def _cleanup(config: Path | None, overrides: list[str] | None, *, dry_run: bool, at_once: bool) -> int:
    from datetime import UTC, datetime

    from mawep.cli.config_file import about_several
    from mawep.cli.context import Context, open_context
    from mawep.cli.leftovers import find, remove

    uses = ("orchestrator", "workspace", "cleanup")
    if about_several(config):
        from mawep.cli.members import open_members

        members = await open_members(config, overrides, uses)
        contexts = [(member.name, Context(member.config, member.repository)) for member in members]
    else:
        contexts = [("", await open_context(config, overrides, uses))]
    lines, kept = [], []
    for name, context in contexts:
        found = await find(context.repository, context.config, datetime.now(UTC), at_once=at_once)
        if not dry_run:
            await remove(context.repository, context.config, found)
        lines += [f"{name}: {line}" if name else line for line in found.lines()]
        kept += [found.kept()] if found.kept() else []
    for line in lines:
        print(f"{'would remove' if dry_run else 'removed'} {line}")
    for text in kept:
        print(text)
    if not lines:
        print("There is nothing to remove.")
    return 0
