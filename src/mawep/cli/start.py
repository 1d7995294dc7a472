"""`mawep start`: plan, check, and conduct a new run."""

from __future__ import annotations

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
)


def start(
    issues: IssueNumbers = None,
    label: Label = None,
    milestone: Milestone = None,
    query: Query = None,
    project: Project = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    with_dependencies: WithDependencies = False,
    json: Json = False,
) -> int:
    """Work on issues until they have landed or cannot."""
    import asyncio

    from mawep.stages.intake import wanted

    asked = wanted(issues, label, milestone, query, project)  # before anything is looked at
    from mawep.cli.config_file import about_several

    if about_several(config):
        from mawep.cli.group_running import begin_group

        return asyncio.run(begin_group(config, set_, asked, with_dependencies=with_dependencies, json=json))
    from mawep.cli.running import begin_run

    return asyncio.run(begin_run(config, set_, asked, with_dependencies=with_dependencies, json=json))
