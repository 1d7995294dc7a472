"""What one agent does just now, for people: its plan with ticks, its tool, what it used and how full its context is."""

from __future__ import annotations

from rich.text import Text

from mawep.core.model import IssueState
from mawep.observe.look import LOOKS, words
from mawep.observe.readmodel import IssueStatus, PlanLine
from mawep.observe.text import count, one_line

NEARLY_FULL = 0.8
"""The share of a context from which it is marked."""
MOST_FILES = 4
"""Files that are named; of more, the last ones."""

_TICKS = {"completed": ("✓", "green"), "in_progress": ("▸", "bold cyan")}


def ticks(plan: tuple[PlanLine, ...], most: int = 10) -> Text:
    """`✓✓▸·· 2/5`: one sign for each line of a plan, unless it is a long one."""
    done = sum(line.status == "completed" for line in plan)
    text = Text()
    for line in plan if len(plan) <= most else ():
        text.append(*_TICKS.get(line.status, ("·", "bright_black")))
    return text.append(f" {done}/{len(plan)}" if text else f"✓ {done}/{len(plan)}", "bright_black")


def used(issue: IssueStatus, *, whole: bool = False) -> Text:
    """`12.4k tokens  $0.03  ctx 13%`, as far as it is known; `whole` says the context in full."""
    parts = []
    if issue.tokens is not None:
        parts.append(Text(f"{thousands(issue.tokens)} tokens"))
    if issue.cost_usd is not None:
        parts.append(Text(f"${issue.cost_usd:.2f}"))
    if issue.context_used is not None and issue.context_size:
        share = issue.context_used / issue.context_size
        room = f" ({thousands(issue.context_used)} of {thousands(issue.context_size)})" if whole else ""
        parts.append(Text(f"ctx {share:.0%}{room}", "yellow" if share >= NEARLY_FULL else ""))
    return Text("  ").join(parts)


def summary(issue: IssueStatus) -> Text:
    """One line: ticks, files, use."""
    parts = [ticks(issue.plan)] if issue.plan else []
    parts += [Text(count(len(issue.files), "file"))] if issue.files else []
    if use := used(issue):
        parts.append(use)
    return Text("  ").join(parts)


def detail(issue: IssueStatus) -> list[Text]:
    """Some lines on an issue that an agent works on; none for any other."""
    if issue.state not in (IssueState.WORKING, IssueState.NEEDS_INPUT):
        return []
    head = Text.assemble((f"#{issue.number} ", "bold"), (issue.agent or "", LOOKS[issue.state].style))
    head.append(f"  {issue.runtime}" if issue.runtime else "", "bright_black")
    if use := used(issue, whole=True):
        head.append("  ").append(use)
    lines = [head]
    for line in issue.plan:
        tick, style = _TICKS.get(line.status, ("·", "bright_black"))
        lines.append(Text.assemble((f"  {tick} ", style), words(line.content)))
    if issue.activity:
        lines.append(Text.assemble(("  → ", "cyan"), words(issue.activity)))
    if issue.files:
        named = ", ".join(one_line(path, 80) for path in issue.files[-MOST_FILES:])
        more = f"{len(issue.files) - MOST_FILES} more and " if len(issue.files) > MOST_FILES else ""
        lines.append(Text(f"  touched {more}{named}", "bright_black"))
    return lines


def thousands(number: int) -> str:
    """`950`, `12.4k`, `200k`, `1.2M`."""
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + unit
    return str(number)
