"""A trial of the configured agents: one harmless issue each, in a scratch repository, through everything a run has.

An agent that passes is found, signed in, walled in and metered as it will be in a run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mawep.adapters.git import find_repository
from mawep.cli.check import Check
from mawep.cli.conduct import Conducted, Conductor, View
from mawep.cli.driving import ways
from mawep.clock import SystemClock
from mawep.config import Config
from mawep.core.model import Issue, IssueState
from mawep.core.state import IssueRecord
from mawep.demo import make_repository
from mawep.observe import bill
from mawep.observe.logging import Logs
from mawep.observe.text import duration, one_line

MINUTES = 3
"""How long an agent has for its one sentence of work; those that start slowly take half of one."""

_TASK = """\
This is a trial of the connection. Write the one word `ready` into the new file `{file}` at the top of the repository.
Do nothing else: run no tests, change no other file.
"""


async def smoke(config: Config) -> list[Check]:
    """Have every configured way of driving agents do that; scripted agents, which have no script for it, are left out.

    Where something fails the scratch directory is kept and named.
    """
    names = [name for name, way in ways(config.agents).items() if way.runtime != "scripted"]
    if not names:
        return [Check("smoke", "ok", "scripted agents need no trial")]
    scratch = Path(tempfile.mkdtemp(prefix="mawep-smoke-"))
    issues = [_issue(number, name, config) for number, name in enumerate(names, start=1)]
    repository = scratch / "repository"
    repository.mkdir()
    (repository / "README.md").write_text("A repository for a trial.\n")
    make_repository(repository, "docs: say what this is")
    logs = Logs("CRITICAL", secrets=config.secrets(os.environ))
    try:
        door = await find_repository(repository)
        conductor = Conductor(door, _trial(config, scratch, len(issues)), SystemClock(), View())
        conducted = await conductor.start(issues)
    finally:
        logs.close()
    checks = list(_results(conducted, names))
    if all(check.status == "ok" for check in checks):
        shutil.rmtree(scratch)
    else:
        checks.append(Check("smoke", "warning", f"kept to look into: {scratch} (`mawep logs 1` there)"))
    return checks


def _issue(number: int, name: str, config: Config) -> Issue:
    asked = None if name == config.agents.runtime else name
    return Issue(number, f"Say that {name} is ready", _TASK.format(file=f"ready-{number}.txt"), runtime=asked)


def _trial(config: Config, scratch: Path, agents: int) -> Config:
    """The configuration with its agents as they are, and all else as the scratch repository wants it."""
    changed: dict[str, dict[str, Any]] = {
        "orchestrator": {
            "repo_path": scratch / "repository",
            "worktree_base": scratch / "trees",
            "target_branch": "main",
            "max_agents": agents,
        },
        "workspace": {"setup": (), "setup_inputs": (), "link": (), "copy_": (), "spares": 0},
        "verify": {"commands": ("true",)},
        "agents": {
            "max_retries": 0,
            "repair_rounds": 0,
            "turn_timeout_minutes": MINUTES,
            "input_timeout_minutes": 0.1,
        },
    }
    sections = {name: getattr(config, name).model_copy(update=update) for name, update in changed.items()}
    return config.model_copy(update=sections)


def _results(conducted: Conducted, names: list[str]) -> Iterator[Check]:
    if conducted.failure is not None:
        yield Check("smoke", "failed", str(conducted.failure))
        return
    for name, number in zip(names, conducted.state.graph.order, strict=True):
        yield _result(name, conducted.state.issues[number])


def _result(name: str, record: IssueRecord) -> Check:
    if record.state is not IssueState.LANDED or not (record.started_at and record.ended_at):
        reason = record.reason.value if record.reason else record.state.value
        return Check(name, "failed", f"{reason}: {one_line(record.detail)}")
    usage = bill.of_issue(record)
    tokens = "unknown tokens" if usage.tokens is None else f"{usage.tokens:,} tokens"
    cost = "unknown cost" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
    took = duration((record.ended_at - record.started_at).total_seconds())
    return Check(name, "ok", f"did its trial in {took}: {tokens}, {cost}")
