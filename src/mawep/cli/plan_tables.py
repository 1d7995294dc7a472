"""A plan as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from mawep.cli.collisions import show_collisions
from mawep.cli.grid import Cell, Column, Grid
from mawep.cli.showing import console
from mawep.core.graph import Graph
from mawep.core.model import Dependency, Issue, Risk
from mawep.observe.text import count, one_line
from mawep.stages.intake import sources

MOST_OVERLAPS = 20
ENDS_OF_PATH = 10
"""Of a critical path of more than twice as many issues, so many are shown at either end."""
RISKS = {Risk.MEDIUM: "yellow", Risk.HIGH: "bold red"}
WIDEST = 110
"""Columns of the table on a terminal that has more."""
COLUMNS = (
    Column("", right=True, style="bright_black"),
    Column("issue", right=True, style="bold"),
    Column("title", share=3, least=8),
    Column("wave", right=True),
    Column("waits for", share=2, least=5),
    Column("hours", right=True),
    Column("risk"),
)
RUNTIME = Column("runtime")
ASSIGNED = Column("assigned", share=1, least=5)
"""To whom, and for which milestone, on the tracker."""


def show_plan(graph: Graph, document: dict[str, Any], agents: int) -> None:
    """Print a plan: every issue in order, the critical path, overlaps, and how long it takes at least."""
    out = console()
    critical = set(document["critical_path"])
    routed = {one["number"]: one["runtime"] for one in document["routed"]}
    assigned = any(map(_assigned, graph.issues.values()))
    told = any(_of_a_forge(dep) for issue in graph.issues.values() for dep in issue.depends_on)
    rows = []
    for place, number in enumerate(graph.order, 1):
        issue = graph.issues[number]
        rows.append(
            (
                Cell(str(place)),
                Cell(f"#{number}", "bold yellow" if number in critical else ""),
                Cell(one_line(issue.title)),
                Cell(str(graph.wave[number] + 1)),
                Cell(", ".join(_waits_for(issue, told))),
                Cell(_hours(issue)),
                _risk(issue),
                *([Cell(one_line(routed.get(number, document["runtime"] or "?")))] if routed else []),
                *([Cell(_assigned(issue))] if assigned else []),
            )
        )
    columns = (*COLUMNS, *([RUNTIME] if routed else []), *([ASSIGNED] if assigned else []))
    out.print()
    out.print(Grid(columns, rows, min(out.width, WIDEST)), crop=False)
    out.print()
    waves = document["waves"]
    out.print(f"{count(len(graph.issues), 'issue')} in {count(len(waves), 'wave')}, {count(agents, 'agent')}")
    for one in document["routed"]:
        out.print(
            Text.assemble(
                (f"#{one['number']} driven as ", "bold"), f"{one['runtime']}: {one_line(one['why'])}"
            )
        )
    if document["runtime"] and not routed:
        out.print(Text.assemble(("driven as ", "bold"), document["runtime"]))
    out.print(Text.assemble(("critical path ", "bold yellow"), chain(document["critical_path"])))
    _overlaps(document)
    show_collisions(document)
    bound = document["lower_bound_hours"]
    if bound is not None:
        out.print(f"It takes at least {bound:g} hours.")
    expected = document["expected_hours"]
    if expected is not None:
        spans = [span(expected[which]) for which in ("middle", "low", "high")]
        out.print("By the pace of past runs about {}, from {} to {}.".format(*spans))
    elif bound is None:
        out.print(
            "How long it takes is not known: too few issues have landed in runs here. Hours are estimates."
        )
    out.print("`mawep simulate` shows what to expect of 1 to N agents.", style="bright_black")


def _waits_for(issue: Issue, told: bool) -> Iterator[str]:
    """What an issue waits for; who said so is `told` where issues can say it in several ways."""
    said = {dependency.on: dependency for dependency in reversed(issue.depends_on)}
    for on in dict.fromkeys(dependency.on for dependency in issue.depends_on):
        yield f"#{on} ({sources(said[on])})" if told else f"#{on}"
    for edge in issue.far:
        yield f"{edge.on} ({sources(edge)})" if told else str(edge.on)


def _assigned(issue: Issue) -> str:
    return ", ".join(map(one_line, filter(None, (*issue.assignees, issue.milestone))))


def _of_a_forge(dependency: Dependency) -> bool:
    return not {"native", "sub_issue"}.isdisjoint(dependency.source.split("+"))


def chain(numbers: Sequence[int]) -> str:
    """A chain of issues on a line or three, whatever its length."""
    names = [f"#{number}" for number in numbers]
    hidden = len(names) - 2 * ENDS_OF_PATH
    if hidden > 1:
        names[ENDS_OF_PATH:-ENDS_OF_PATH] = [f"… {hidden} more …"]
    return " → ".join(names)


def span(hours: float) -> str:
    """A length of time that is estimated: `40 minutes`, `2.5 hours`."""
    return f"{hours:.2g} hours" if hours >= 1 else f"{hours * 60:.2g} minutes"


def _hours(issue: Issue) -> str:
    """As said, or from low to high as estimated."""
    if issue.estimate_hours is not None or issue.estimate is None:
        return "?" if issue.estimate_hours is None else f"{issue.estimate_hours:g}"
    hours = issue.estimate.hours
    return f"{hours.low:g}" if hours.low == hours.high else f"{hours.low:g} to {hours.high:g}"


def _risk(issue: Issue) -> Cell:
    risk = issue.estimate.risk if issue.estimate else None
    return Cell(risk.value, RISKS.get(risk, "")) if risk else Cell("?")


def _overlaps(document: dict[str, Any]) -> None:
    out = console()
    pairs = document["overlaps"]
    if not pairs:
        return
    out.print(Text("These declare the same files and will not run at the same time:", "bold"))
    for pair in pairs[:MOST_OVERLAPS]:
        out.print(Text(f"  #{pair['a']} and #{pair['b']}: {', '.join(map(one_line, pair['paths'][:5]))}"))
    if len(pairs) > MOST_OVERLAPS or not document["overlaps_complete"]:
        out.print("  and more (`mawep plan --json` has them)")
