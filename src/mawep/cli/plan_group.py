"""The plan over several repositories: each one's own, and what holds between them."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import TopologicalSorter
from typing import Any

from mawep.cli.crossing import Crossing
from mawep.cli.driving import routing
from mawep.cli.members import Member
from mawep.cli.plan_tables import show_plan
from mawep.cli.showing import console, show_name
from mawep.core.far import awaited
from mawep.core.model import Far, FarDependency
from mawep.observe.documents import plan_document
from mawep.observe.text import count


def plan_of_all(members: Sequence[Member], crossing: Crossing) -> dict[str, Any]:
    """The document of a plan: an order over all issues, the dependencies that cross, and every repository's plan."""
    plans = [(member, issues) for member in members if (issues := crossing.issues(member.key))]
    waits = {
        Far(member.key, issue.number): {
            *(Far(member.key, dependency.on) for dependency in issue.depends_on),
            *awaited(issue),
        }
        for member, issues in plans
        for issue in issues
    }
    crossings: list[tuple[FarDependency, Far]] = [
        (edge, Far(member.key, issue.number))
        for member, issues in plans
        for issue in issues
        for edge in issue.far
    ]
    return {
        "order": [str(one) for one in TopologicalSorter(waits).static_order()],
        "crossings": [{"from": str(edge.on), "to": str(to), "source": edge.source} for edge, to in crossings],
        "repositories": {member.name: _plan_of(member, crossing) for member, _ in plans},
    }


def _plan_of(member: Member, crossing: Crossing) -> dict[str, Any]:
    graph, agents = crossing.graph(member.key), member.config.agents
    issues = list(graph.issues.values())
    routed = routing(agents, issues).routed
    return plan_document(issues, graph, member.config.orchestrator.max_agents, agents.runtime or None, routed)


def show_all(members: Sequence[Member], crossing: Crossing, document: dict[str, Any]) -> None:
    """Print the plan of every repository, and the order over all."""
    for member in members:
        if (own := document["repositories"].get(member.name)) is not None:
            show_name(member.name)
            show_plan(crossing.graph(member.key), own, member.config.orchestrator.max_agents)
    if not document["order"]:
        return
    out = console()
    out.print()
    repositories = len(document["repositories"])
    out.print(
        f"{count(len(document['order']), 'issue')} in {repositories} repositories, which share their agents"
    )
    for edge in document["crossings"]:
        out.print(f"  {edge['to']} waits for {edge['from']}")
