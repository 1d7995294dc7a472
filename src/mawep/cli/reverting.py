"""The revert of a landing, from what has landed to a live run that is told, or a run of its own."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path

from mawep.adapters.git import Repository, Sha
from mawep.cli.conduct import Conductor, refuse_unfinished
from mawep.cli.config_file import about_several
from mawep.cli.confining import walls_that_cannot_stand
from mawep.cli.context import Context, open_context
from mawep.cli.landing import landed, landing_problems
from mawep.cli.members import the_member
from mawep.cli.outlet import Outlet
from mawep.cli.running import audience_of, finish, needs_of
from mawep.cli.visit import ask
from mawep.clock import SystemClock
from mawep.config import RUN_SECTIONS, Config
from mawep.coordination.envelopes import Revert
from mawep.core import events as ev
from mawep.core.model import Far, Issue, Number
from mawep.errors import ProblemsError, UsageError
from mawep.observe.text import one_line, short
from mawep.stages.preflight import preflight
from mawep.state.past import planned_issues
from mawep.state.runs import RunSummary, list_runs


class Extent(Enum):
    """What is taken back when others depend on it."""

    ASK = auto()
    ONE = auto()
    ALL = auto()


async def revert_issue(
    issue: Far, path: Path | None, overrides: Sequence[str] | None, extent: Extent, *, json: bool
) -> int:
    """Have a live run revert what an issue brought, or do it here; the exit code.

    Raises:
        UsageError: it has not landed, others depend on it and nothing was said of them, or a run is not finished.
        ProblemsError: what stands in the way here.
    """
    context = await _context(issue.repository, path, overrides)
    config, repository = context.config, context.repository
    asked = await _asked(config, repository, issue.number, extent)
    living = _living(repository.common_dir, config.orchestrator.target_branch)
    if living is not None:
        verb = Revert(
            issues=[one.issue for one in asked.landings],
            commits=[one.commit for one in asked.landings],
            titles=[one.title for one in (*asked.others, asked.what)],
            labels=list(asked.what.labels),
        )
        print(await ask(repository.common_dir, living, verb))
        return 0
    refuse_unfinished(repository.common_dir, config.orchestrator.target_branch)
    await _check(config, repository)
    for one in asked.landings:
        print(f"mawep: taking back #{one.issue}, which landed as {short(one.commit)}", file=sys.stderr)
    async with Outlet([config]) as outlet, audience_of(context, outlet) as audience:
        conductor = Conductor(repository, config, SystemClock(), audience.view)
        conducted = await conductor.start((), asked)
    return finish(conducted, json=json)


async def _context(name: str, path: Path | None, overrides: Sequence[str] | None) -> Context:
    if not (name or about_several(path)):
        return await open_context(path, overrides)
    member = await the_member(path, name, overrides or (), RUN_SECTIONS)
    return Context(member.config, member.repository)


def _living(common_dir: Path, branch: str) -> RunSummary | None:
    runs = (run for run in list_runs(common_dir) if run.alive and run.target_branch == branch)
    return next(runs, None)


async def _asked(config: Config, repository: Repository, number: Number, extent: Extent) -> ev.RevertAsked:
    """What is to be taken back, the newest first.

    Raises:
        UsageError: it has not landed, or others depend on it and nothing was said of them.
    """
    if config.landing.mode != "local":
        raise UsageError(
            f"`mawep revert` does not do that with `landing.mode: {config.landing.mode}`",
            next_step="revert the pull request on the forge",
        )
    there = await landed(config, repository)
    if number not in there:
        raise UsageError(
            f"#{number} has not landed on {config.orchestrator.target_branch}, or was reverted",
            next_step="`mawep status --all` lists the runs",
        )
    known = planned_issues(repository.common_dir)
    others = _depending(known, number) & there.keys()
    if others and extent is Extent.ASK:
        _refuse(number, {other: there[other] for other in there if other in others}, known)
    wanted = {number, *others} if extent is Extent.ALL else {number}
    landings = [ev.Landed(one, commit) for one, commit in there.items() if one in wanted]
    landings.sort(key=lambda one: one.issue == number)  # itself last, the others the newest first
    *more, what = [await _issue(repository, known, one) for one in landings]
    return ev.RevertAsked(what, tuple(landings), by=getpass.getuser(), others=tuple(more))


async def _issue(repository: Repository, known: Mapping[Number, Issue], landed: ev.Landed) -> Issue:
    """What a run has to know of an issue to take its landing back."""
    found = known.get(landed.issue) or Issue(landed.issue, await _title(repository, landed.commit))
    return Issue(found.number, found.title, labels=found.labels)


def _refuse(number: Number, others: dict[Number, Sha], known: dict[Number, Issue]) -> None:
    listed = [
        f"#{other} {one_line(known[other].title)} ({short(commit)})" for other, commit in others.items()
    ]
    raise UsageError(
        f"What has landed since depends on #{number}: {'; '.join(listed)}",
        next_step=f"`mawep revert {number} --with-dependents` takes it back as well, `--only` leaves it",
    )


def _depending(known: Mapping[Number, Issue], number: Number) -> set[Number]:
    """What waited for the issue, directly or not."""
    found = [number]
    for on in found:  # grows while we walk it
        needing = (other for other, issue in known.items() if any(edge.on == on for edge in issue.depends_on))
        found += [other for other in needing if other not in found]
    return set(found[1:])


async def _title(repository: Repository, commit: Sha) -> str:
    subject = (await repository.run("log", "-1", "--format=%s", commit, "--")).decode(errors="replace")
    return subject.strip().partition(": ")[2] or subject.strip()


async def _check(config: Config, repository: Repository) -> None:
    """Raise ProblemsError when a run of no agent could not go on here."""
    needs = replace(needs_of(config, repository, ()), agents={}, scripts=None)
    found = [problem async for problem in landing_problems(config, repository)]
    found += (await preflight(repository, needs)).problems
    found += walls_that_cannot_stand(config, ())
    if found:
        raise ProblemsError("The revert cannot begin; nothing was touched:", found)
