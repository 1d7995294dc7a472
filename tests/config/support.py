"""Configurations to check, written the way a person writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mawep.config import Config, load_config
from mawep.errors import ProblemsError

ENOUGH = """\
mawep:
  agents:
    runtime: command
    command: ["./agent.sh"]
  verify:
    commands: ["make test"]
"""
"""The least that a run needs."""


def write(folder: Path, text: str = ENOUGH) -> Path:
    """Write `text` as the configuration file of `folder`."""
    path = folder / "mawep.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def load(*overrides: str, environ: Mapping[str, str] | None = None) -> Config:
    """The least configuration with `overrides` laid over it."""
    needed = ("agents.runtime=command", "agents.command=[./agent.sh]", "verify.commands=[make test]")
    return load_config(None, (*needed, *overrides), environ or {})


def problems(
    path: Path | None,
    *overrides: str,
    environ: Mapping[str, str] | None = None,
    uses: Sequence[str] | None = None,
) -> list[str]:
    """What is wrong with the configuration; file names without their folder."""
    extra = {} if uses is None else {"uses": uses}
    with pytest.raises(ProblemsError) as refusal:
        load_config(path, overrides, environ or {}, **extra)
    prefix = f"{path.parent}/" if path else ""
    return [problem.removeprefix(prefix) for problem in refusal.value.problems]
