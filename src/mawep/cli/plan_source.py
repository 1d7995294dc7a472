"""Issues from the tracker to the selection that a person asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mawep.adapters.git import Repository
from mawep.adapters.git_refs import read_ref
from mawep.cli.context import open_context
from mawep.cli.estimating import estimated
from mawep.cli.landing import landed, target_ref
from mawep.cli.tracking import tracker_of
from mawep.config import Config
from mawep.core.graph import Graph, build
from mawep.errors import ProblemsError, UsageError
from mawep.observe.text import short
from mawep.stages.intake import Selection, Wanted, select, wanted
from mawep.trackers.base import NotAllowed, NotThere
from mawep.trackers.issue_file import ALONE, Around


@dataclass(frozen=True)
class Plan:
    """What a run would begin with; `notes` say what of the selection is not in it, and why.

    The graph is empty when everything has landed.
    """

    config: Config
    graph: Graph
    notes: tuple[str, ...]


async def read_plan(
    path: Path | None,
    overrides: Sequence[str] | None,
    asked: Wanted,
    *,
    with_dependencies: bool,
) -> Plan:
    """The plan for the issues that a person means, for verbs that only look at it.

    Raises:
        ProblemsError: issues cannot be read, or there is no plan for them.
        UsageError: it is not clear which issues are meant, or there is no repository.
    """
    context = await open_context(path, overrides, uses=("orchestrator", "issues"))
    selection = await chosen_issues(
        context.config, context.repository, asked, with_dependencies=with_dependencies
    )
    if selection.graph is None:
        raise ProblemsError("There is no plan:", selection.problems)
    return Plan(context.config, selection.graph, landed_before(context.config, selection))


async def chosen_issues(
    config: Config,
    repository: Repository | None,
    asked: Wanted,
    *,
    with_dependencies: bool = False,
    for_a_run: bool = False,
    around: Around = ALONE,
) -> Selection:
    """The issues that a person means, checked; those that landed on the target before count as closed.

    `for_a_run`: with all that agents will be told of them. `around`: the repositories that take part.

    Raises:
        ProblemsError: issues cannot be read.
        UsageError: it is not clear which issues are meant.
    """
    if asked.far:
        raise UsageError(
            f"{asked.far[0]} is in another repository",
            next_step="name both in `repositories` of a configuration",
        )
    pull_in = with_dependencies or config.issues.with_dependencies
    before = await landed(config, repository) if repository else {}
    async with tracker_of(config, repository, around) as tracker:
        try:
            found = await tracker.find(asked, with_dependencies=pull_in)
        except (NotAllowed, NotThere) as error:
            raise UsageError(error.what, cause=error.cause, next_step=error.next_step) from error
        selection = select(
            found, asked, with_dependencies=pull_in, landed=before, among_others=bool(around.near)
        )
        if selection.graph is None or not selection.graph.issues:
            return selection
        issues = list(selection.graph.issues.values())
        if for_a_run:
            issues = await tracker.with_remarks(issues)
    notes = (*selection.notes, *await _nothing_to_learn_from(config, repository))
    return replace(selection, graph=build(await estimated(issues, repository, config)), notes=notes)


async def _nothing_to_learn_from(config: Config, repository: Repository | None) -> tuple[str, ...]:
    if repository is None or await read_ref(repository, target_ref(config)) is not None:
        return ()
    branch = config.orchestrator.target_branch
    return (f"there is no branch {branch} here (`orchestrator.target_branch`), so no files are predicted",)


def wanted_or_all(
    issues: str | None, label: str | None, milestone: str | None, query: str | None, project: int | None
) -> Wanted:
    """What a person means, who means everything when nothing is said."""
    said = (issues, label, milestone, query, project)
    return wanted(*said) if any(one is not None for one in said) else wanted("all", None)


def landed_before(config: Config, selection: Selection) -> tuple[str, ...]:
    """What a person is told of issues that have landed already."""
    landed = selection.already_landed
    if selection.graph is not None and not selection.graph.issues and landed:
        branch = config.orchestrator.target_branch
        return (f"nothing left to do: {_all_of(len(landed))} landed on {branch}", *selection.notes)
    return (
        *(
            f"#{number} has landed before, as {short(commit)}, and is left out"
            for number, commit in landed.items()
        ),
        *selection.notes,
    )


def _all_of(many: int) -> str:
    return "the one issue has" if many == 1 else f"all {many} issues have"
