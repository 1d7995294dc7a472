"""Issues from the tracker to the selection that a person asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.git import Repository
from mawep.cli.context import open_context
from mawep.config import Config
from mawep.core.graph import Graph
from mawep.errors import ProblemsError
from mawep.observe.text import short
from mawep.stages.intake import Selection, select, wanted
from mawep.stages.land import landed_issues
from mawep.trackers.registry import TRACKERS


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
    issues: str | None,
    label: str | None,
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
        context.config, context.repository, issues, label, with_dependencies=with_dependencies
    )
    if selection.graph is None:
        raise ProblemsError("There is no plan:", selection.problems)
    return Plan(context.config, selection.graph, landed_before(context.config, selection))


async def chosen_issues(
    config: Config,
    repository: Repository | None,
    issues: str | None,
    label: str | None,
    *,
    with_dependencies: bool = False,
) -> Selection:
    """The issues that a person means, checked; those that landed on the target before count as closed.

    Raises:
        ProblemsError: issues cannot be read.
        UsageError: it is not clear which issues are meant.
    """
    asked = wanted(issues, label)
    known = await TRACKERS[config.issues.tracker](config.issues.path).issues()
    landed = await landed_issues(repository, config.orchestrator.target_branch) if repository else {}
    pull_in = with_dependencies or config.issues.with_dependencies
    return select(known, asked, with_dependencies=pull_in, landed=landed)


def landed_before(config: Config, selection: Selection) -> tuple[str, ...]:
    """What a person is told of issues that have landed already."""
    landed = selection.already_landed
    if selection.graph is not None and not selection.graph.issues:
        branch = config.orchestrator.target_branch
        return (f"nothing left to do: {_all_of(len(landed))} landed on {branch}",)
    return tuple(
        f"#{number} has landed before, as {short(commit)}, and is left out"
        for number, commit in landed.items()
    )


def _all_of(many: int) -> str:
    return "the one issue has" if many == 1 else f"all {many} issues have"
