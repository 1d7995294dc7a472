"""`mawep plan`: what a run would do, in which order, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mawep.cli.completion import issue_numbers
from mawep.cli.options import (
    ConfigFile,
    IssueNumbers,
    Json,
    Label,
    Milestone,
    Overrides,
    Project,
    Query,
    WithDependencies,
    issue_of,
)

if TYPE_CHECKING:
    from mawep.core.model import Far
    from mawep.stages.intake import Wanted

Prompt = Annotated[
    str | None,
    typer.Option(
        "--prompt",
        metavar="ISSUE",
        help="Show what an agent on this issue would be told, instead.",
        autocompletion=issue_numbers,
    ),
]


def plan(
    issues: IssueNumbers = None,
    label: Label = None,
    milestone: Milestone = None,
    query: Query = None,
    project: Project = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    with_dependencies: WithDependencies = False,
    json: Json = False,
    prompt: Prompt = None,
    review: Annotated[
        bool, typer.Option("--review", help="With --prompt: what its reviewer would be told, without a diff.")
    ] = False,
) -> int:
    """Show what a run would do, in which order, and why.

    Without --issues, --label and their like: of every issue that has not landed.
    """
    import asyncio

    if prompt is not None:
        return asyncio.run(_show_prompt(config, set_, issue_of(prompt), review=review, json=json))
    from mawep.cli.plan_source import wanted_or_all

    asked = wanted_or_all(issues, label, milestone, query, project)
    from mawep.cli.config_file import about_several

    if about_several(config):
        return asyncio.run(_plan_all(config, set_, asked, with_dependencies=with_dependencies, json=json))
    return asyncio.run(_plan(config, set_, asked, with_dependencies=with_dependencies, json=json))


async def _plan(
    config: Path | None,
    overrides: list[str] | None,
    asked: Wanted,
    *,
    with_dependencies: bool,
    json: bool,
) -> int:
    import json as jsonlib
    import sys
    from dataclasses import asdict

    from mawep.cli.driving import routing
    from mawep.cli.keeping_apart import cost_of_keeping_apart
    from mawep.cli.plan_source import read_plan
    from mawep.observe.documents import plan_document

    found = await read_plan(config, overrides, asked, with_dependencies=with_dependencies)
    agents = found.config.orchestrator.max_agents
    chosen = routing(found.config.agents, found.graph.issues.values())
    runtime = found.config.agents.runtime or None
    apart = cost_of_keeping_apart(found.graph, agents)
    document = plan_document(
        found.graph.issues.values(),
        found.graph,
        agents,
        runtime,
        chosen.routed,
        apart=asdict(apart) if apart else None,
    )
    if json:
        print(jsonlib.dumps(document, ensure_ascii=False))
        return 0
    for note in (*found.notes, *chosen.problems):
        print(f"mawep: {note}", file=sys.stderr)
    if found.graph.issues:
        from mawep.cli.plan_tables import show_plan

        show_plan(found.graph, document, agents)
    return 0


async def _plan_all(
    config: Path | None,
    overrides: list[str] | None,
    asked: Wanted,
    *,
    with_dependencies: bool,
    json: bool,
) -> int:
    """The plan over several repositories."""
    import json as jsonlib
    import sys

    from mawep.cli.crossing import cross
    from mawep.cli.members import open_members
    from mawep.cli.plan_group import plan_of_all, show_all
    from mawep.errors import ProblemsError

    members = await open_members(config, overrides, uses=("orchestrator", "issues"))
    crossing = await cross(members, asked, with_dependencies=with_dependencies)
    if crossing.problems:
        raise ProblemsError("There is no plan:", crossing.problems)
    document = plan_of_all(members, crossing)
    if json:
        print(jsonlib.dumps(document, ensure_ascii=False))
        return 0
    for note in crossing.notes:
        print(f"mawep: {note}", file=sys.stderr)
    show_all(members, crossing, document)
    return 0


async def _show_prompt(
    config: Path | None, overrides: list[str] | None, issue: Far, *, review: bool, json: bool
) -> int:
    import json as jsonlib
    from dataclasses import asdict

    from mawep.cli.config_file import about_several
    from mawep.cli.context import open_context
    from mawep.cli.members import the_member
    from mawep.cli.prompting import NEEDED, prompt_for, review_prompt_for

    show = review_prompt_for if review else prompt_for
    if issue.repository or about_several(config):
        member = await the_member(config, issue.repository, overrides, NEEDED)
        shown = await show(member.config, member.repository, issue.number, member.around)
    else:
        context = await open_context(config, overrides, uses=NEEDED)
        shown = await show(context.config, context.repository, issue.number)
    print(jsonlib.dumps(asdict(shown), ensure_ascii=False) if json else shown.prompt)
    return 0
