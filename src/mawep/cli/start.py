"""`mawep start`: plan, check, and conduct a new run."""

from __future__ import annotations

from mawep.cli.options import ConfigFile, IssueNumbers, Json, Label, Overrides, WithDependencies


def start(
    issues: IssueNumbers = None,
    label: Label = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    with_dependencies: WithDependencies = False,
    json: Json = False,
) -> int:
    """Work on issues until they have landed or cannot."""
    import asyncio

    from mawep.cli.running import begin_run

    return asyncio.run(
        begin_run(config, set_, issues=issues, label=label, with_dependencies=with_dependencies, json=json)
    )
