"""What became of a run, for people: a table of its issues and a line of its figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from mawep.core.model import IssueState
from mawep.observe.look import LOOKS, words
from mawep.observe.text import called, count, duration, first_line, short

Document = dict[str, Any]


def result_table(document: Document, width: int) -> Table:
    """The table of a result document, for `width` columns; what was nowhere reported has no column."""
    issues = document["issues"]
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, expand=True, width=min(width, WIDEST)
    )
    table.add_column("", width=1)
    table.add_column("issue", justify="right", no_wrap=True)
    table.add_column("title", overflow="ellipsis", no_wrap=True, ratio=1, min_width=12)
    table.add_column("state", no_wrap=True)
    table.add_column("commit", no_wrap=True)
    columns = [name for name in _NUMBERS if width >= WIDE or name not in _DISPENSABLE]
    columns = [name for name in columns if any(_NUMBERS[name](issue) for issue in issues)]
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for issue in issues:
        table.add_row(*_about(issue), *(_NUMBERS[name](issue) for name in columns))
    return table


WIDE, WIDEST = 90, 110
"""Columns from which the table shows everything, and over which it does not grow."""
_DISPENSABLE = ("attempts", "files")
_NUMBERS: dict[str, Callable[[Document], str]] = {
    "attempts": lambda issue: str(issue["attempts"] or ""),
    "files": lambda issue: str(len(issue["files"]) or ""),
    "tokens": lambda issue: "" if issue["tokens"] is None else f"{issue['tokens']:,}",
    "cost": lambda issue: "" if issue["cost_usd"] is None else f"${issue['cost_usd']:.2f}",
}


def _about(issue: Document) -> tuple[Text, ...]:
    look = LOOKS[IssueState(issue["state"])]
    state = issue["state"].replace("_", " ")
    if issue["state"] == IssueState.FAILED.value:
        state = f"{state} ({issue['reason']})"
    return (
        Text(*look),
        Text(f"#{issue['number']}", "bold"),
        words(issue["title"]),
        words(state, look.style),
        Text(short(issue["reverted_as"] or issue["landed_as"] or ""), "green"),
    )


def outcome_line(document: Document) -> Text:
    """`landed: 5 of 5 issues on main in 0:57 …`, and what could not have been faster."""
    issues = document["issues"]
    landed = sum(issue["state"] == IssueState.LANDED.value for issue in issues)
    style = {"landed": "bold green", "failed": "bold red"}.get(document["outcome"], "bold yellow")
    text = Text.assemble((document["outcome"], style), f": {landed} of {count(len(issues), 'issue')} on ")
    text.append_text(words(document["target"]["branch"], "bold"))
    if back := sum(issue["state"] == IssueState.REVERTED.value for issue in issues):
        text.append(f", {back} reverted")
    if document["makespan_s"] is not None:
        text.append(f" in {duration(document['makespan_s'])}")
    if document["lower_bound_s"] is not None:
        text.append(f", lower bound {duration(document['lower_bound_s'])}")
    if document["agent_utilization"] is not None:
        text.append(f", agents busy {document['agent_utilization']:.0%} of the time")
    return text


def reasons(document: Document, repository: str = "") -> list[Text]:
    """One line for each issue that did not land: why, and how to learn more."""
    return [
        Text.assemble(
            (f"#{issue['number']} ", "bold"),
            words(first_line(issue["reason"])),
            (f"  (mawep explain {called(issue['number'], repository)})", "bright_black"),
        )
        for issue in document["issues"]
        if issue["reason"] is not None
    ]
