"""`mawep doctor`: look whether this machine and this repository can carry a run."""

from __future__ import annotations

from pathlib import Path

from mawep.cli.options import ConfigFile, Json, Overrides


def doctor(config: ConfigFile = None, set_: Overrides = None, json: Json = False) -> int:
    """Look whether this machine and repository can carry a run.

    Exit code 2 when something that a run needs is missing.
    """
    import asyncio

    return asyncio.run(_doctor(config, set_ or (), json=json))


async def _doctor(config: Path | None, overrides: list[str] | tuple[()], *, json: bool) -> int:
    import json as jsonlib
    from dataclasses import asdict

    from mawep.cli.checkup import check_all

    checks = []
    signs = {"ok": "✓", "warning": "!", "failed": "✗"}
    async for check in check_all(config, overrides):
        checks.append(check)
        if not json:
            print(f"{signs[check.status]} {check.name:<14} {check.detail}", flush=True)
    well = all(check.status != "failed" for check in checks)
    if json:
        print(jsonlib.dumps({"ok": well, "checks": [asdict(check) for check in checks]}, ensure_ascii=False))
    elif well:
        print("A run can start.")
    return 0 if well else 2
