"""The revert of a landing, from what has landed to a live run that is told, or a run of its own."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path

from mawep.adapters.git import Repository, Sha
from mawep.cli.conduct import Conductor, refuse_unfinished
from mawep.cli.config_file import about_several
from mawep.cli.confining import walls_that_cannot_stand
from mawep.cli.context import Context, open_context
from mawep.cli.landing import landed, landing_problems
from mawep.cli.members import Member, open_members, the_member
from mawep.cli.outlet import Outlet
from mawep.cli.reading import read_run
from mawep.cli.running import audience_of, finish, needs_of
from mawep.cli.visit import ask
from mawep.clock import SystemClock
from mawep.config import RUN_SECTIONS, Config
from mawep.coordination.payloads import Landed, Revert
from mawep.core import events as ev
from mawep.core.far import waiting
from mawep.core.model import Far, Issue, Number
from mawep.errors import ProblemsError, UsageError
from mawep.observe.text import called, one_line, short
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
    here, others = await _members(issue.repository, path, overrides)
    config, repository, context = here.config, here.repository, Context(here.config, here.repository)
    asked = await _asked(here, others, issue.number, extent)
    living = _living(repository.common_dir, config.orchestrator.target_branch)
    if living is not None:
        landings = [
            Landed(issue=one.issue, commit=one.commit, title=what.title, labels=list(what.labels))
            for one, what in zip(asked.landings, (*asked.others, asked.what), strict=True)
        ]
        print(await ask(repository.common_dir, living, Revert(landings=landings, by=asked.by)))
        return 0
    refuse_unfinished(repository.common_dir, config.orchestrator.target_branch)
    await _check(config, repository)
    for one in asked.landings:
        print(f"mawep: taking back #{one.issue}, which landed as {short(one.commit)}", file=sys.stderr)
    async with Outlet([config]) as outlet, audience_of(context, outlet) as audience:
        conductor = Conductor(repository, config, SystemClock(), audience.view)
        conducted = await conductor.start((), asked)
    return finish(conducted, json=json, name=here.name)


async def _members(
    name: str, path: Path | None, overrides: Sequence[str] | None
) -> tuple[Member, list[Member]]:
    """The repository of the issue, and those beside it."""
    if not (name or about_several(path)):
        context = await open_context(path, overrides)
        return Member("", context.config, context.repository), []
    here = await the_member(path, name, overrides or (), RUN_SECTIONS)
    return here, [one for one in await open_members(path, overrides) if one.key != here.key]


def _living(common_dir: Path, branch: str) -> RunSummary | None:
    runs = (run for run in list_runs(common_dir) if run.alive and run.target_branch == branch)
    return next(runs, None)


async def _asked(here: Member, beside: Sequence[Member], number: Number, extent: Extent) -> ev.RevertAsked:
    """What is to be taken back, the newest first.

    Raises:
        UsageError: it has not landed, or others depend on it and nothing was said of them.
    """
    config, repository = here.config, here.repository
    if config.landing.mode != "local":
        raise UsageError(
            f"`mawep revert` does not do that with `landing.mode: {config.landing.mode}`",
            next_step="revert the pull request on the forge",
        )
    there = await landed(config, repository)
    if number not in there:
        raise UsageError(
            f"{here.name}#{number} has not landed on {config.orchestrator.target_branch}, or was reverted",
            next_step="`mawep status --all` lists the runs",
        )
    known = planned_issues(repository.common_dir)
    depending = waiting(
        {here.key: known.values()}
        | {one.key: planned_issues(one.repository.common_dir).values() for one in beside},
        Far(here.key, number),
    )
    _refuse_busy(Far(here.name, number), beside, depending)
    if extent is not Extent.ONE:
        await _refuse_elsewhere(Far(here.name, number), beside, depending)
    others = {one.number for one in depending if one.repository == here.key} & there.keys()
    if others and extent is Extent.ASK:
        _refuse(Far(here.name, number), {other: there[other] for other in there if other in others}, known)
    wanted = {number, *others} if extent is Extent.ALL else {number}
    landings = [ev.Landed(one, commit) for one, commit in there.items() if one in wanted]
    landings.sort(key=lambda one: one.issue == number)  # itself last, the others the newest first
    *more, what = [await _issue(repository, known, one) for one in landings]
    return ev.RevertAsked(what, tuple(landings), by=getpass.getuser(), others=tuple(more))


async def _issue(repository: Repository, known: Mapping[Number, Issue], landed: ev.Landed) -> Issue:
    """What a run has to know of an issue to take its landing back."""
    found = known.get(landed.issue) or Issue(landed.issue, await _title(repository, landed.commit))
    return Issue(found.number, found.title, labels=found.labels)


def _refuse(issue: Far, others: dict[Number, Sha], known: dict[Number, Issue]) -> None:
    listed = [
        f"#{other} {one_line(known[other].title)} ({short(commit)})" for other, commit in others.items()
    ]
    raise UsageError(
        f"What has landed since depends on {issue}: {'; '.join(listed)}",
        next_step=f"`mawep revert {called(issue.number, issue.repository)} --with-dependents` takes it back as well, "
        "`--only` leaves it",
    )


def _elsewhere(beside: Sequence[Member], depending: Sequence[Far]) -> Iterator[tuple[Member, set[Number]]]:
    for one in beside:
        if theirs := {far.number for far in depending if far.repository == one.key}:
            yield one, theirs


def _refuse_busy(issue: Far, beside: Sequence[Member], depending: Sequence[Far]) -> None:
    """Raise UsageError while other repositories work on top of it; what begins there in this very moment goes on."""
    busy = [
        f"{one.name}#{number}"
        for one, theirs in _elsewhere(beside, depending)
        if (living := _living(one.repository.common_dir, one.config.orchestrator.target_branch))
        for number in read_run(living)[0].active
        if number in theirs
    ]
    if busy:
        raise UsageError(
            f"{', '.join(busy)} is under way on top of {issue}",
            next_step="`mawep cancel` it first, or wait until it has landed",
        )


async def _refuse_elsewhere(issue: Far, beside: Sequence[Member], depending: Sequence[Far]) -> None:
    """Raise UsageError when other repositories build on it: each takes back what is its own."""
    found: dict[str, Sha] = {}
    for one, theirs in _elsewhere(beside, depending):
        there = await landed(one.config, one.repository)
        found |= {f"{one.name}#{number}": commit for number, commit in there.items() if number in theirs}
    if found:
        listed = "; ".join(f"{name} ({short(commit)})" for name, commit in found.items())
        raise UsageError(
            f"What has landed in other repositories depends on {issue}: {listed}",
            next_step=f"`mawep revert {next(iter(found))}` takes that back first, `--only` leaves it",
        )


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
