"""`mawep doctor`: look whether this machine and this repository can carry a run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mawep.cli.options import ConfigFile, Json, Overrides

if TYPE_CHECKING:
    from mawep.cli.check import Check

Smoke = Annotated[
    bool,
    typer.Option("--smoke", help="Then have each configured agent do one harmless thing; costs a little."),
]


def doctor(
    config: ConfigFile = None, set_: Overrides = None, json: Json = False, smoke: Smoke = False
) -> int:
    """Look whether this machine and repository can carry a run.

    Exit code 2 when something that a run needs is missing.
    """
    import asyncio

    return asyncio.run(_doctor(config, set_ or (), json=json, smoke=smoke))


async def _doctor(config: Path | None, overrides: list[str] | tuple[()], *, json: bool, smoke: bool) -> int:
    import json as jsonlib
    from dataclasses import asdict

    checks: list[Check] = []
    signs = {"ok": "✓", "warning": "!", "failed": "✗"}
    async for check in _checks(config, overrides, smoke=smoke):
        checks.append(check)
        if not json:
            print(f"{signs[check.status]} {check.name:<14} {check.detail}", flush=True)
    well = all(check.status != "failed" for check in checks)
    if json:
        print(jsonlib.dumps({"ok": well, "checks": [asdict(check) for check in checks]}, ensure_ascii=False))
    elif well:
        print("A run can start.")
    return 0 if well else 2


async def _checks(
    config: Path | None, overrides: list[str] | tuple[()], *, smoke: bool
) -> AsyncIterator[Check]:
    """Every check, and, if nothing that a run needs is missing, the trial of the agents."""
    from mawep.cli.checkup import check_all

    well = True
    async for check in check_all(config, overrides):
        well = well and check.status != "failed"
        yield check
    if smoke and well:
        from mawep.cli.context import read_configs
        from mawep.cli.smoke import smoke as trial

        tried = []
        for one in read_configs(config, overrides).values():
            if one.agents not in tried:  # repositories with the same agents need one trial
                tried.append(one.agents)
                for check in await trial(one):
                    yield check
