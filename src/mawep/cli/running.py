"""From options to a conducted run and its document; shared by the verbs that conduct one."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mawep.adapters.git import Repository, find_repository
from mawep.cli.agents_here import unlendable
from mawep.cli.audience import Audience
from mawep.cli.conduct import Conducted, Conductor, View, refuse_unfinished
from mawep.cli.confining import exposed, walls_that_cannot_stand
from mawep.cli.context import Context, choose_run, open_context, read_config
from mawep.cli.driving import routing, unusable, ways_taken
from mawep.cli.gateway import obstacles
from mawep.cli.landing import known_target, landing_problems, landing_warnings, target_ref
from mawep.cli.outcome import EXIT_CODES, save_report, unfinished
from mawep.cli.outlet import Outlet
from mawep.cli.plan_source import chosen_issues, landed_before
from mawep.cli.pricing import budget_problems
from mawep.cli.reading import owes
from mawep.cli.reopen import refuse_part
from mawep.cli.reporting import tell_the_rest
from mawep.cli.reviewing import review_problems, used_ways
from mawep.cli.showing import show_result
from mawep.cli.streams import nobody_reads
from mawep.clock import SystemClock
from mawep.config import Config
from mawep.core.engine import replay
from mawep.core.graph import Graph
from mawep.core.model import Issue
from mawep.core.state import State
from mawep.errors import GitError, InfrastructureError, ProblemsError, UsageError
from mawep.observe.documents import result_document
from mawep.observe.text import count
from mawep.stages.intake import Selection, Wanted
from mawep.stages.preflight import Findings, Needs, preflight
from mawep.stages.workspace import unprovided
from mawep.state import journal
from mawep.state.runs import RunSummary, list_runs


async def begin_run(
    path: Path | None,
    overrides: Sequence[str] | None,
    asked: Wanted,
    *,
    with_dependencies: bool,
    json: bool,
) -> int:
    """Check everything, begin a run and conduct it; its exit code. Where all has landed, no run begins."""
    context, graph, warnings = await check(path, overrides, asked, with_dependencies=with_dependencies)
    for warning in warnings:
        print(f"mawep: {warning}", file=sys.stderr)
    if not graph.issues:
        if json:
            print(jsonlib.dumps(await _nothing_to_do(context), ensure_ascii=False))
        return EXIT_CODES["landed"]
    async with Outlet([context.config]) as outlet, audience_of(context, outlet) as audience:
        conducted = await _conductor(context, audience.view).start(list(graph.issues.values()))
    return finish(conducted, json=json)


async def resume_run(
    path: Path | None, overrides: Sequence[str] | None, *, run: str | None, rerun: bool, json: bool
) -> int:
    """Go on with a run that is not finished and that no process conducts; its exit code."""
    context = await open_context(path, overrides)
    common = context.repository.common_dir
    runs = list_runs(common)
    left = [summary for summary in runs if not summary.ended] or [one for one in runs if owes(one)]
    if run is None and not left:
        raise UsageError("There is nothing to resume: every run has ended")
    summary = choose_run(common, run) if run else left[0]
    if summary.ended and not owes(summary):
        raise UsageError(
            f"Run {summary.directory.run} has ended", next_step="`mawep retry ISSUE` reopens an issue of it"
        )
    refuse_part(common, summary.directory.run)
    return await go_on_with(context, summary, rerun=rerun, json=json)


async def go_on_with(
    context: Context, summary: RunSummary, *, rerun: bool, json: bool, name: str = ""
) -> int:
    """Go on with a run that is not finished, or tell a forge the rest of one that is; its exit code.

    `name` is that of its repository, where there are several.
    """
    if owes(summary):
        return await _tell_the_rest(context, summary, json=json, name=name)
    if problems := walls_that_cannot_stand(context.config, ()):
        raise ProblemsError("The run cannot go on; nothing was touched:", problems)
    async with Outlet([context.config]) as outlet, audience_of(context, outlet) as audience:
        conducted = await _conductor(context, audience.view).resume(summary, rerun=rerun)
    return finish(conducted, json=json, name=name)


async def _tell_the_rest(context: Context, run: RunSummary, *, json: bool, name: str) -> int:
    """The run has ended; what of it the forge does not know yet is told now."""
    left = await tell_the_rest(context.config, context.repository, run, SystemClock())
    conducted = Conducted(run.directory, replay(journal.read(run.directory.journal)), None)
    code = finish(conducted, json=json, name=name)
    if left:
        print(
            f"mawep: the forge still does not know {count(left, 'report')}; `mawep resume`", file=sys.stderr
        )
        return InfrastructureError.exit_code
    return code


async def _nothing_to_do(context: Context) -> dict[str, Any]:
    """The document of a run that did not have to begin."""
    branch = context.config.orchestrator.target_branch
    now = await known_target(context.config, context.repository)
    landed = State(target_branch=branch, first_target=now, target=now, ended="landed")
    return {**result_document(landed, ()), "run": None}


def finish(conducted: Conducted, *, json: bool, name: str = "") -> int:
    """Write the report, say what became of the run, and return the exit code."""
    state = conducted.state
    records = journal.read(conducted.directory.journal)
    document = save_report(conducted.directory, state, records)
    try:
        if json:
            print(jsonlib.dumps(document, ensure_ascii=False), flush=True)
        else:
            show_result(document, records, name)
    except (BrokenPipeError, SystemExit):  # the exit code still says what became of the run
        nobody_reads()
    if state.ended is not None and conducted.failure is None:
        return EXIT_CODES[state.ended]
    code, why = unfinished(state, conducted.failure)
    print(f"mawep: {why}", file=sys.stderr)
    return code


def audience_of(context: Context, outlet: Outlet, name: str = "") -> Audience:
    """Everybody who watches the run of a repository."""
    base = context.config.worktree_base(context.repository.common_dir, os.environ)
    return Audience(context.config, base, SystemClock(), outlet, name)


def _conductor(context: Context, view: View) -> Conductor:
    return Conductor(context.repository, context.config, SystemClock(), view)


# --- everything that stands in the way, at once


async def check(
    path: Path | None,
    overrides: Sequence[str] | None,
    asked: Wanted,
    *,
    with_dependencies: bool,
) -> tuple[Context, Graph, list[str]]:
    """What a run needs to begin, and warnings; touches nothing. No issues are left if all have landed.

    Raises:
        ProblemsError: everything that stands in the way.
        UsageError: a run on the target is not finished.
    """
    config, problems = _configuration(path, overrides or ())
    if config is None:
        raise ProblemsError(_TITLE, problems)
    repository = await _repository(config, problems)
    if repository is not None:
        refuse_unfinished(repository.common_dir, config.orchestrator.target_branch)
    selection = await _selection(config, repository, problems, asked, with_dependencies)
    graph = selection.graph if selection else None
    nothing_to_do = graph is not None and not graph.issues
    findings = Findings(()) if nothing_to_do else await findings_of(config, repository, graph)
    problems += findings.problems
    if not nothing_to_do:
        used = used_ways(config, list(graph.issues.values()) if graph else ())
        problems += obstacles(config, used, os.environ)
    if problems or graph is None or repository is None:
        raise ProblemsError(_TITLE, list(dict.fromkeys(problems)))
    skipped = landed_before(config, selection) if selection else ()
    return Context(config, repository), graph, [*(f"warning: {text}" for text in findings.warnings), *skipped]


_TITLE = "The run cannot start; nothing was touched:"


def _configuration(path: Path | None, overrides: Sequence[str]) -> tuple[Config | None, list[str]]:
    """The configuration; one that only lacks something is good enough to look for more problems with."""
    try:
        return read_config(path, overrides), []
    except ProblemsError as error:
        problems = list(error.problems)
    try:
        return read_config(path, overrides, uses=()), problems
    except ProblemsError:
        return None, problems


async def _repository(config: Config, problems: list[str]) -> Repository | None:
    try:
        return await find_repository(config.orchestrator.repo_path)
    except UsageError as error:
        problems.append(error.line)
        return None


async def _selection(
    config: Config,
    repository: Repository | None,
    problems: list[str],
    asked: Wanted,
    with_dependencies: bool,
) -> Selection | None:
    try:
        selection = await chosen_issues(
            config, repository, asked, with_dependencies=with_dependencies, for_a_run=True
        )
    except ProblemsError as error:
        problems += error.problems
        return None
    except UsageError as error:
        problems.append(error.line)
        return None
    problems += selection.problems
    return selection


async def findings_of(config: Config, repository: Repository | None, graph: Graph | None) -> Findings:
    """What would keep a run on these issues from starting; a repository that cannot be looked at is a finding."""
    issues = list(graph.issues.values()) if graph else []
    try:
        found = await look_before(config, repository, issues)
        unknowable = budget_problems(config.agents, used_ways(config, issues))
        problems = (*found.problems, *routing(config.agents, issues).problems, *dict.fromkeys(unknowable))
        return Findings(problems, found.warnings)
    except GitError as error:
        return Findings((error.line,))


async def look_before(config: Config, repository: Repository | None, issues: Sequence[Issue]) -> Findings:
    """What would keep a run on these issues from starting; touches nothing. Without issues: on any."""
    landing = [problem async for problem in landing_problems(config, repository)] if repository else []
    found = await preflight(repository, needs_of(config, repository, issues))
    used = used_ways(config, issues) if config.agents.runtime else []
    missing = [*review_problems(config), *unusable(config.agents, used)]
    missing += unlendable(config)
    if repository is not None:
        missing += unprovided(repository.work_tree, config.workspace.link, config.workspace.copy_)
        missing += exposed(config, repository)
    missing += landing
    missing += walls_that_cannot_stand(config, [way.runtime for way in used])
    return Findings((*found.problems, *missing), (*found.warnings, *landing_warnings(config)))


def needs_of(config: Config, repository: Repository | None, issues: Sequence[Issue]) -> Needs:
    """What preflight has to look for."""
    used, (_, scripted) = used_ways(config, issues), ways_taken(config.agents, issues)
    common_dir = repository.common_dir if repository else config.orchestrator.repo_path / ".git"
    return Needs(
        target=config.orchestrator.target_branch,
        ref=target_ref(config),
        worktree_base=config.worktree_base(common_dir, os.environ),
        disk_floor_gb=config.workspace.disk_floor_gb,
        setup=config.workspace.setup,
        provided=(*config.workspace.link, *config.workspace.copy_),
        gate=config.verify.commands,
        scopes=config.verify.scope_commands,
        agents={way.key: way.command for way in used if way.command and way.runtime != "scripted"},
        scripts=config.agents.script_dir if scripted else None,
        issues=scripted,
        search_path=os.environ.get("PATH", os.defpath),
        goes_along=config.landing.mode == "local",
    )
