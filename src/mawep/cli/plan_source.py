"""Issues from the tracker to the selection that a person asked for."""

from __future__ import annotations

from mawep.cli.context import Context
from mawep.stages.intake import Selection, select, wanted
from mawep.stages.land import landed_issues
from mawep.trackers.registry import TRACKERS


async def chosen_issues(
    context: Context, issues: str | None, label: str | None, *, with_dependencies: bool = False
) -> Selection:
    """The issues that a person means, checked; those that landed on the target before count as closed.

    Raises:
        ProblemsError: issues cannot be read.
        UsageError: it is not clear which issues are meant.
    """
    settings = context.config.issues
    asked = wanted(issues, label)
    known = await TRACKERS[settings.tracker](settings.path).issues()
    landed = await landed_issues(context.repository, context.config.orchestrator.target_branch)
    pull_in = with_dependencies or settings.with_dependencies
    return select(known, asked, with_dependencies=pull_in, landed=landed)
