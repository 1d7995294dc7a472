"""Issues from the tracker to the selection that a person asked for."""

from __future__ import annotations

from mawep.adapters.git import Repository
from mawep.config import Config
from mawep.stages.intake import Selection, select, wanted
from mawep.stages.land import landed_issues
from mawep.trackers.registry import TRACKERS


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
    landed = await landed_issues(repository, config.orchestrator.target_branch) if repository else frozenset()
    pull_in = with_dependencies or config.issues.with_dependencies
    return select(known, asked, with_dependencies=pull_in, landed=landed)
