"""What the suite finds out about each agent, kept for the table in docs/agents.md: a small file per finding."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

HOUSE = Path(__file__).parent.parent.parent


def directory() -> Path:
    """Where findings are kept; `$MAWEP_CLI_RESULTS` names another place."""
    return Path(os.environ.get("MAWEP_CLI_RESULTS") or HOUSE / ".e2e")


def found(runtime: str, aspect: str, **facts: Any) -> None:
    """Keep what a test found out, in the place of what was found before."""
    place = directory()
    place.mkdir(exist_ok=True)
    part = place / f"{runtime}.{aspect}.part"
    part.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    part.replace(part.with_suffix(".json"))


def findings() -> dict[str, dict[str, Any]]:
    """All facts by runtime; those of different tests have different names."""
    facts: dict[str, dict[str, Any]] = {}
    for path in sorted(directory().glob("*.json")):
        facts.setdefault(path.name.split(".")[0], {}).update(json.loads(path.read_text()))
    return facts
