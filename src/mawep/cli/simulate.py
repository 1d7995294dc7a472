"""`mawep simulate`: how long a plan takes with 1 to N agents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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

if TYPE_CHECKING:
    from mawep.simulate.makespan import Makespan
    from mawep.stages.intake import Wanted

MOST_AGENTS = 16
AFFORDABLE = 10_000
"""Issues times agents times tries that a person waits for: some seconds."""


def simulate(
    issues: IssueNumbers = None,
    label: Label = None,
    milestone: Milestone = None,
    query: Query = None,
    project: Project = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    with_dependencies: WithDependencies = False,
    agents: Annotated[
        int | None,
        typer.Option("--agents", min=1, max=1000, help="Up to how many agents.", show_default=False),
    ] = None,
    gate_minutes: Annotated[
        float, typer.Option("--gate-minutes", min=0, help="How long one gate run takes.")
    ] = 1.0,
    tries: Annotated[
        int | None,
        typer.Option(
            "--tries", min=1, max=10_000, help="Simulated runs for each; default what takes seconds."
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Show how long a plan takes with 1 to N agents.

    Runs the real engine on a virtual clock; the estimates of the issues are taken as the least that they need.
    """
    import asyncio

    from mawep.cli.plan_source import wanted_or_all

    asked = wanted_or_all(issues, label, milestone, query, project)
    return asyncio.run(
        _simulate(
            *(config, set_, asked, agents, gate_minutes, tries),
            with_dependencies=with_dependencies,
            json=json,
        )
    )


async def _simulate(
    config: Path | None,
    overrides: list[str] | None,
    asked: Wanted,
    agents: int | None,
    gate_minutes: float,
    tries: int | None,
    *,
    with_dependencies: bool,
    json: bool,
) -> int:
    import json as jsonlib
    import sys
    from dataclasses import asdict

    from mawep.cli.plan_source import read_plan
    from mawep.simulate.makespan import makespans

    found = await read_plan(config, overrides, asked, with_dependencies=with_dependencies)
    chosen = list(found.graph.issues.values())
    most = (agents or min(len(chosen), MOST_AGENTS)) if chosen else 0
    rules = found.config.rules()
    tries = tries or max(3, min(100, AFFORDABLE // max(1, len(chosen) * most)))
    expected = makespans(chosen, rules, range(1, most + 1), gate_minutes=gate_minutes, seeds=tries)
    if json:
        print(
            jsonlib.dumps(
                {"gate_minutes": gate_minutes, "tries": tries, "agents": [asdict(one) for one in expected]}
            )
        )
        return 0
    for note in found.notes:
        print(f"mawep: {note}", file=sys.stderr)
    if expected:
        _show(expected, found.config.orchestrator.max_agents)
    return 0


def _show(found: list[Makespan], configured: int) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from mawep.cli.showing import console
    from mawep.observe.look import bar
    from mawep.observe.text import count

    out = console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("agents", "half of the tries", "9 of 10", "at least", "busy"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    longest = max(one.p90_hours for one in found) or 1.0
    for one in found:
        table.add_row(
            Text(str(one.agents), "bold" if one.agents == configured else ""),
            f"{one.p50_hours:.1f} h",
            f"{one.p90_hours:.1f} h",
            f"{one.lower_bound_hours:.1f} h",
            f"{one.utilization:.0%}",
            bar(one.p50_hours / longest, 30, "cyan"),
        )
    out.print(table)
    if unknown := found[0].unknown:
        noun = count(len(unknown), "issue")
        out.print(
            f"{noun} without `estimate_hours`, counted as `mawep plan` estimates.", style="bright_black"
        )
