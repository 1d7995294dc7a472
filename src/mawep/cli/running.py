"""From options to a conducted run and its document; shared by the verbs that conduct one."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mawep.adapters.git import Repository
from mawep.cli.conduct import Conducted, Conductor, View
from mawep.cli.context import Context, choose_run, open_context
from mawep.cli.plan_source import chosen_issues
from mawep.clock import SystemClock
from mawep.config import Config
from mawep.errors import ProblemsError, UsageError
from mawep.stages.preflight import Needs, preflight
from mawep.state.runs import list_runs

EXIT_CODES = {"landed": 0, "partial": 1, "failed": 1, "interrupted": 130}


async def begin_run(
    path: Path | None,
    overrides: Sequence[str] | None,
    *,
    issues: str | None,
    label: str | None,
    with_dependencies: bool,
    json: bool,
) -> int:
    """Check everything, begin a run and conduct it; its exit code."""
    context = await open_context(path, overrides)
    clock = SystemClock()
    selection = await chosen_issues(context, issues, label, with_dependencies=with_dependencies)
    problems = list(selection.problems)
    numbers = tuple(sorted(selection.graph.issues)) if selection.graph else ()
    findings = await preflight(context.repository, needs_of(context.config, context.repository, numbers))
    problems += findings.problems
    if problems or selection.graph is None:
        raise ProblemsError("The run cannot start; nothing was touched:", problems)
    for warning in findings.warnings:
        print(f"mawep: warning: {warning}", file=sys.stderr)
    chosen = list(selection.graph.issues.values())
    conductor = Conductor(context.repository, context.config, clock, View())
    return _finish(await conductor.start(chosen), json=json)


async def resume_run(
    path: Path | None, overrides: Sequence[str] | None, *, run: str | None, rerun: bool, json: bool
) -> int:
    """Go on with a run that is not finished; its exit code."""
    context = await open_context(path, overrides)
    common = context.repository.common_dir
    unfinished = [summary for summary in list_runs(common) if not summary.ended]
    if run is None and not unfinished:
        raise UsageError("There is nothing to resume: every run has ended")
    summary = choose_run(common, run) if run else unfinished[0]
    if summary.ended:
        raise UsageError(
            f"Run {summary.directory.run} has ended", next_step="`mawep retry ISSUE` reopens an issue of it"
        )
    conductor = Conductor(context.repository, context.config, SystemClock(), View())
    return _finish(await conductor.resume(summary, rerun=rerun), json=json)


def needs_of(config: Config, repository: Repository, issues: tuple[int, ...]) -> Needs:
    """What preflight has to look for."""
    agents = config.agents
    return Needs(
        target=config.orchestrator.target_branch,
        worktree_base=config.worktree_base(repository.common_dir, os.environ),
        disk_floor_gb=config.workspace.disk_floor_gb,
        setup=config.workspace.setup,
        provided=(*config.workspace.link, *config.workspace.copy_),
        gate=config.verify.commands,
        agent=tuple(agents.command or ()),
        scripts=agents.script_dir if agents.runtime == "scripted" else None,
        issues=issues,
        search_path=os.environ.get("PATH", os.defpath),
    )


def _finish(conducted: Conducted, *, json: bool) -> int:
    state = conducted.state
    if json:
        print(
            jsonlib.dumps(
                {
                    "run": state.run,
                    "outcome": state.ended,
                    "issues": [
                        {"number": n, "state": r.state, "reason": r.reason, "detail": r.detail}
                        for n, r in sorted(state.issues.items())
                    ],
                }
            )
        )
    if conducted.failure is not None:
        print(f"mawep: {conducted.failure}", file=sys.stderr)
        return conducted.failure.exit_code
    return EXIT_CODES[state.ended or "interrupted"]


__all__ = ["Context", "begin_run", "needs_of", "resume_run"]
