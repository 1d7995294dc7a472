"""From options to the runs of several repositories and their document; shared by the verbs that conduct them."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mawep.cli import grouping
from mawep.cli.conduct import Conducted, refuse_unfinished
from mawep.cli.config_file import existing
from mawep.cli.confining import walls_that_cannot_stand
from mawep.cli.context import Context
from mawep.cli.crossing import Crossing, cross
from mawep.cli.gateway import obstacles
from mawep.cli.members import Member, open_members
from mawep.cli.outcome import EXIT_CODES, save_report, unfinished
from mawep.cli.outlet import Outlet
from mawep.cli.reading import owes
from mawep.cli.reporting import tell_the_rest
from mawep.cli.reviewing import used_ways
from mawep.cli.running import audience_of, findings_of, go_on_with
from mawep.cli.showing import show_name, show_result
from mawep.cli.streams import nobody_reads
from mawep.clock import SystemClock
from mawep.errors import InfrastructureError, ProblemsError, UsageError
from mawep.observe.documents import together
from mawep.observe.text import count
from mawep.stages.intake import Wanted
from mawep.state import journal
from mawep.state.groups import GroupRecord, groups_of
from mawep.state.runs import RunSummary, list_runs, summarize

_WORST = (InfrastructureError.exit_code, 130, 1, 0)


async def begin_group(
    path: Path | None,
    overrides: Sequence[str] | None,
    asked: Wanted,
    *,
    with_dependencies: bool,
    json: bool,
) -> int:
    """Check everything in every repository, begin runs and conduct them together; their worst exit code."""
    members = await open_members(path, overrides)
    crossing, warnings = await _check(members, asked, with_dependencies=with_dependencies)
    for text in warnings:
        print(f"mawep: {text}", file=sys.stderr)
    issues = {member.key: found for member in members if (found := crossing.issues(member.key))}
    if not issues:
        if json:
            print(jsonlib.dumps({"group": None, "outcome": "landed", "repositories": {}}))
        return EXIT_CODES["landed"]
    taking_part = {member.key: member for member in members if member.key in issues}
    with grouping.claimed(taking_part.values()):
        record = await grouping.establish(taking_part, issues, existing(path), SystemClock())
        return await _conduct(record, taking_part, rerun=True, json=json)


async def _check(
    members: Sequence[Member], asked: Wanted, *, with_dependencies: bool
) -> tuple[Crossing, list[str]]:
    """What was chosen, and warnings.

    Raises:
        ProblemsError: everything that stands in the way.
        UsageError: a run on one of the targets is not finished.
    """
    crossing = await cross(members, asked, with_dependencies=with_dependencies, for_a_run=True)
    problems, warnings = list(crossing.problems), []
    for member in members:
        selection = crossing.selections.get(member.key)
        graph = selection.graph if selection else None
        if graph is None or not graph.issues:
            continue
        refuse_unfinished(member.repository.common_dir, member.config.orchestrator.target_branch)
        findings = await findings_of(member.config, member.repository, graph)
        missing = obstacles(member.config, used_ways(member.config, list(graph.issues.values())), os.environ)
        problems += [f"{member.name}: {problem}" for problem in (*findings.problems, *missing)]
        warnings += [f"warning: {member.name}: {text}" for text in findings.warnings]
    if problems:
        raise ProblemsError("The run cannot start; nothing was touched:", list(dict.fromkeys(problems)))
    return crossing, [*warnings, *crossing.notes]


async def resume_group(
    path: Path | None, overrides: Sequence[str] | None, *, run: str | None, rerun: bool, json: bool
) -> int:
    """Go on with the runs of a group, or with one of no group, that no process conducts; their worst exit code."""
    members = {member.key: member for member in await open_members(path, overrides)}
    record = to_resume(members.values(), run)
    if isinstance(record, Alone):
        member = record.member
        return await go_on_with(_context(member), record.run, rerun=rerun, json=json, name=member.name)
    taking_part = {part.key: members[part.key] for part in record.parts}
    for member in taking_part.values():
        if problems := walls_that_cannot_stand(member.config, ()):
            raise ProblemsError("The run cannot go on; nothing was touched:", problems)
    with grouping.claimed(taking_part.values()):
        await grouping.bring_news(record, SystemClock())
        left = 0
        for part in record.parts:
            summary = summarize(part.directory)
            if summary is not None and owes(summary):
                member = taking_part[part.key]
                left += await tell_the_rest(member.config, member.repository, summary, SystemClock())
        code = await _conduct(record, taking_part, rerun=rerun, json=json)
    if left:
        print(
            f"mawep: the forge still does not know {count(left, 'report')}; `mawep resume`", file=sys.stderr
        )
        return InfrastructureError.exit_code
    return code


@dataclass(frozen=True)
class Alone:
    """A run in one of several repositories that belongs to no group, as a revert does."""

    member: Member
    run: RunSummary


def to_resume(members: Iterable[Member], run: str | None) -> GroupRecord | Alone:
    """The newest group or single run of these repositories that is not finished, or the one that is named.

    Raises:
        UsageError: there is none, or one of its repositories is not configured any more.
    """
    members = list(members)
    known = {one.group: one for member in members for one in groups_of(member.repository.common_dir)}
    alone = {one.run.directory.run: one for one in _alone(members, known.values())}
    found = [known[name] if name in known else alone[name] for name in sorted({*known, *alone}, reverse=True)]
    if run is not None:
        found = [one for one in found if _is_called(one, run)]
        if len(found) != 1:
            raise UsageError(f"{'No run' if not found else 'More than one run'} is called {run}")
    record = next((one for one in found if run is not None or _is_open(one)), None)
    if record is None:
        raise UsageError("There is nothing to resume: every run has ended")
    if isinstance(record, Alone):
        return record
    clones = {member.key: str(member.repository.common_dir) for member in members}
    for part in record.parts:
        if clones.get(part.key) != part.common_dir:
            raise UsageError(
                f"The run takes in {part.repository} in {part.common_dir}, which is not in the configuration",
                next_step="name it in `repositories` again",
            )
    return record


def _alone(members: Iterable[Member], groups: Iterable[GroupRecord]) -> Iterator[Alone]:
    grouped = {part.run for record in groups for part in record.parts}
    for member in members:
        for summary in list_runs(member.repository.common_dir):
            if summary.directory.run not in grouped:
                yield Alone(member, summary)


def _is_called(record: GroupRecord | Alone, run: str) -> bool:
    if isinstance(record, Alone):
        return record.run.directory.run.endswith(run)
    return any(name.endswith(run) for name in (record.group, *(part.run for part in record.parts)))


def _is_open(record: GroupRecord | Alone) -> bool:
    runs = [record.run] if isinstance(record, Alone) else [summarize(part.directory) for part in record.parts]
    return any(summary is None or not summary.ended or owes(summary) for summary in runs)


def living(record: GroupRecord | Alone) -> list[tuple[str, RunSummary]]:
    """Those of these runs that a process conducts now, each with the name of its repository."""
    if isinstance(record, Alone):
        found = [(record.member.name, summarize(record.run.directory))]
    else:
        found = [(part.repository, summarize(part.directory)) for part in record.parts]
    return [(name, summary) for name, summary in found if summary is not None and summary.alive]


async def _conduct(record: GroupRecord, members: Mapping[str, Member], *, rerun: bool, json: bool) -> int:
    async with Outlet([member.config for member in members.values()]) as outlet:
        seats = [
            grouping.Seat(member, part, audience_of(_context(member), outlet, member.name))
            for part in record.parts
            for member in (members[part.key],)
        ]
        conducted = await grouping.conduct(record, seats, SystemClock(), rerun=rerun)
    return _finish(record, conducted, json=json)


def _context(member: Member) -> Context:
    return Context(member.config, member.repository)


def _finish(record: GroupRecord, conducted: Sequence[Conducted], *, json: bool) -> int:
    """Write every report, say what became of the runs, and return the worst exit code."""
    codes: list[int] = []
    documents: dict[str, Any] = {}
    said: list[str] = []
    for part, one in zip(record.parts, conducted, strict=True):
        records = journal.read(one.directory.journal)
        document = documents[part.repository] = save_report(one.directory, one.state, records)
        if not json:
            try:
                show_name(part.repository)
                show_result(document, records, part.repository)
            except (BrokenPipeError, SystemExit):  # the exit code still says what became of the runs
                nobody_reads()
        if one.state.ended is not None and one.failure is None:
            codes.append(EXIT_CODES[one.state.ended])
        else:
            code, why = unfinished(one.state, one.failure)
            codes.append(code)
            said.append(f"{part.repository}: {why}")
    if json:
        print(jsonlib.dumps({"group": record.group, **together(documents)}, ensure_ascii=False), flush=True)
    for why in said:
        print(f"mawep: {why}", file=sys.stderr)
    return next(code for code in _WORST if code in codes)
