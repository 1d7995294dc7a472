"""The parts of the terminal's view of a run: each a pure function of the status and the room it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mawep.core.model import TERMINAL, IssueState
from mawep.core.predict.overlap import Shared
from mawep.observe import at_work
from mawep.observe.look import FULL, LOOKS, UNDER_WAY, bar, shares, sign, words
from mawep.observe.readmodel import AgentStatus, IssueStatus, Phase, Status
from mawep.observe.text import count, duration, first_line, numbers, one_line, short

BAR = 10
NOTE_FROM, AGENT_FROM = 60, 96
"""Columns from which an issue's row has room for what is to be known about it, and for its agent."""

_PHASES = {
    Phase.RUNNING: "bold green",
    Phase.PAUSED: "bold yellow",
    Phase.INTERRUPTED: "bold yellow",
    Phase.STOPPED: "bold red",
    Phase.ENDED: "bold",
}
_OUTCOMES = {"landed": "bold green", "partial": "bold yellow", "failed": "bold red"}

# Who is left out last when not every issue has room.
_URGENT = (
    {IssueState.NEEDS_INPUT},
    {IssueState.ASSIGNED, IssueState.WORKING, IssueState.VERIFYING, IssueState.QUEUED, IssueState.LANDING},
    {IssueState.FAILED, IssueState.PARKED},
    {IssueState.READY},
    {IssueState.WAITING},
    {IssueState.LANDED, IssueState.REVERTED},
)


def framed(content: RenderableType, title: str, height: int, style: str = "bright_black") -> Panel:
    """A part in its frame, exactly `height` lines high."""
    name = Text(title, style="bold")
    return Panel(content, title=name, title_align="left", height=height, border_style=style, padding=(0, 1))


# --- header


def header(status: Status, width: int) -> list[Text]:
    """Two lines on the run as a whole, and one for everything that a person has to look at."""
    return [_headline(status, width), _summary(status, width), *_attention(status)]


def _headline(status: Status, width: int) -> Text:
    total = len(status.issues)
    left = Text.assemble((" mawep ", "bold reverse"), " ", words(status.target.branch, "bold"), " ")
    phase = status.outcome or status.phase.value
    style = _OUTCOMES.get(phase, _PHASES[status.phase])
    right = Text.assemble(
        f" {status.counts['landed']} of {count(total, 'issue')}  ",
        (phase, style),
        f"  {duration(status.elapsed_s)} ",
    )
    left.truncate(max(10, width - right.cell_len - 8), overflow="ellipsis")
    room = max(width - left.cell_len - right.cell_len, 0)
    kinds = (
        (FULL, IssueState.LANDED, ("landed",)),
        (FULL, IssueState.FAILED, ("failed", "blocked", "parked", "cancelled", "reverted")),
        (UNDER_WAY, IssueState.LANDING, ("queued", "landing")),
        (UNDER_WAY, IssueState.VERIFYING, ("verifying",)),
        (UNDER_WAY, IssueState.WORKING, ("assigned", "working", "needs_input")),
    )
    parts = [
        (sum(status.counts[name] for name in names), character, LOOKS[state].style)
        for character, state, names in kinds
    ]
    return Text.assemble(left, shares(parts, total, room), right, no_wrap=True)


def _summary(status: Status, width: int) -> Text:
    """Counts on the left, what is consumed on the right; what does not fit is left out from the end."""
    busy = sum(agent.issue is not None for agent in status.agents)
    figures = [f"{busy} of {count(status.agents_allowed, 'agent')}"]
    if status.cost_usd is not None:
        figures.append(f"${status.cost_usd:.2f}")
    if status.tokens is not None:
        figures.append(f"{_thousands(status.tokens)} tokens")
    if status.eta_s is not None:
        figures.append(f"about {duration(status.eta_s)} left")
    if status.forge_budgets:
        scarce = min(status.forge_budgets, key=lambda budget: budget.left)
        figures.append(f"{count(scarce.left, 'request')} to the forge left")
    left = counted(status.counts)
    if left.cell_len + len(figures[0]) + 3 > width:
        left = counted(status.counts, named=False)
    while figures and left.cell_len + len(" · ".join(figures)) + 3 > width:
        figures.pop()
    right = " · ".join(figures)
    space = " " * max(1, width - left.cell_len - len(right) - 2)
    return Text.assemble(" ", left, space, right, no_wrap=True, overflow="ellipsis")


def counted(counts: dict[str, int], *, named: bool = True) -> Text:
    """`✓ 3 landed  ● 2 working`: what there is, in the order of an issue's life."""
    text = Text()
    for state, look in LOOKS.items():
        if number := counts[state.value]:
            name = f" {state.value.replace('_', ' ')}" if named else ""
            text.append("  " if text else "").append(f"{look.sign} ", look.style).append(f"{number}{name}")
    return text


def _attention(status: Status) -> list[Text]:
    """What a person has to do or know now, in one line; nothing when all is well."""
    found: list[str] = [status.why] if status.why else []
    found += [
        f"#{issue.number} asks (mawep answer {issue.number}): {one_line(issue.question.text, 160)}"
        for issue in status.issues
        if issue.question is not None
    ]
    found += [
        f"{limit.runtime} waits for its provider until {limit.until:%H:%M:%S} UTC: {first_line(limit.why)}"
        for limit in status.limits
    ]
    found += [
        f"requests to the forge wait until {budget.waiting_until:%H:%M:%S} UTC: "
        f"the budget `{budget.resource}` is used up"
        for budget in status.forge_budgets
        if budget.waiting_until is not None
    ]
    if status.landing.in_the_way:
        found.append(f"landing waits for a clean checkout: {', '.join(status.landing.in_the_way)}")
    goes_on = {
        issue.number for issue in status.issues if issue.question is None and issue.state not in TERMINAL
    }
    found += [
        f"#{blocker.issue} is held up: {first_line(blocker.text)}"
        for blocker in status.blockers[-1:]
        if blocker.issue in goes_on and blocker.kind != "question"
    ]
    found += [
        f"#{change.issue} breaks what others rely on in {one_line(change.file)}: {first_line(change.change)}"
        for change in status.breaking_changes[-1:]
        if change.issue in goes_on
    ]
    found += status.warnings
    if not found:
        return []
    told = words("; ".join(found), "magenta")
    return [Text.assemble((" ! ", "bold magenta"), told, no_wrap=True, overflow="ellipsis")]


def _thousands(number: int) -> str:
    if number < 10_000:
        return str(number)
    return f"{number / 1000:.1f}k" if number < 1_000_000 else f"{number / 1_000_000:.1f}M"


# --- issues


def issue_table(status: Status, width: int, rows: int) -> RenderableType:
    """The issues in plan order, in at most `rows` lines; the least urgent are counted instead of shown."""
    chosen = most_urgent(status.issues, rows)
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    with_agent, mixed = width >= AGENT_FROM, len({issue.runtime for issue in status.issues}) > 1
    if with_agent:
        table.add_column(no_wrap=True, min_width=7)
    table.add_column(width=BAR + 5, no_wrap=True, overflow="ellipsis")
    with_note = width >= NOTE_FROM
    if with_note:
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True, min_width=5)  # so that nothing moves as time goes on
    for issue in chosen:
        cells = [sign(issue.state), Text(f"#{issue.number}", "bold"), words(issue.title, _title_style(issue))]
        cells += [words(_who(issue, mixed), "bright_black")] if with_agent else []
        cells += [_stage(issue), *([_note(issue, width)] if with_note else [])]
        table.add_row(*cells, _time(issue, status))
    if len(chosen) == len(status.issues):
        return table
    counts = dict(status.counts)
    for issue in chosen:
        counts[issue.state.value] -= 1
    more = Text(f"and {len(status.issues) - len(chosen)} more: ", style="bright_black").append_text(
        counted(counts)
    )
    more.no_wrap, more.overflow = True, "ellipsis"
    return Group(table, more)


def _who(issue: IssueStatus, mixed: bool) -> str:
    """The agent, and how it is driven where that is not the same for all."""
    return f"{issue.agent} {issue.runtime}" if issue.agent and mixed else issue.agent or ""


def most_urgent(issues: Sequence[IssueStatus], rows: int) -> list[IssueStatus]:
    """As many issues as there are lines for, in their order; with one line less when some are left out."""
    if len(issues) <= rows:
        return list(issues)
    chosen = {issue.number for issue in sorted(issues, key=_urgency)[: max(rows - 1, 0)]}
    return [issue for issue in issues if issue.number in chosen]


def _urgency(issue: IssueStatus) -> int:
    return next((place for place, states in enumerate(_URGENT) if issue.state in states), len(_URGENT))


def _title_style(issue: IssueStatus) -> str:
    if issue.state in (IssueState.WAITING, IssueState.CANCELLED, IssueState.BLOCKED):
        return "bright_black"
    return "" if issue.state in TERMINAL else "bold"


def _stage(issue: IssueStatus) -> Text:
    style = LOOKS[issue.state].style
    if issue.percent is not None and issue.state is IssueState.WORKING:
        about = "~" if issue.percent_claimed else ""
        return bar(issue.percent / 100, BAR, style).append(f" {f'{about}{issue.percent:.0f}':>3}%", style)
    return words(issue.stage, style)


def _note(issue: IssueStatus, width: int) -> Text:
    """The one thing to know about an issue now."""
    match issue.state:
        case IssueState.LANDED if issue.landed_as:
            return Text(short(issue.landed_as), "green")
        case IssueState.FAILED:
            return words(f"{issue.reason}: {first_line(issue.detail)}".removesuffix(": "), "red")
        case IssueState.NEEDS_INPUT if issue.question:
            return words(issue.question.text, "magenta")
        case IssueState.WORKING:
            return _work(issue, width)
        case _ if issue.waiting_for:
            return words("; ".join(why.detail for why in issue.waiting_for), "bright_black")
        case _:
            return words(_changed(issue), "bright_black")


def _work(issue: IssueStatus, width: int) -> Text:
    """What an agent does: time left, the step of its plan, its last word; as much as there is room for."""
    step = next((line.content for line in issue.plan if line.status == "in_progress"), "")
    again = f"repair {issue.repairs}" if issue.repairs else ""
    left = issue.eta_s or 0.0
    ahead = f"~{duration(left)} left" if left >= 1 and width >= AGENT_FROM else ""
    return words(" · ".join(part for part in (again, ahead, step, issue.activity) if part))


def _changed(issue: IssueStatus) -> str:
    return f"{count(len(issue.files), 'file')} changed" if issue.files else ""


def _time(issue: IssueStatus, status: Status) -> Text:
    if issue.started_at is None:
        return Text("")
    end = issue.ended_at or status.at
    return Text(duration((end - issue.started_at).total_seconds()), "bright_black")


# --- the parts below


def agent_table(status: Status, rows: int) -> RenderableType:
    """Who works on what, and how the processes do; free agents are counted."""
    busy = [agent for agent in status.agents if agent.issue is not None]
    free = len(status.agents) - len(busy)
    lines = [_agent_row(agent, status) for agent in busy]
    issues = {issue.number: issue for issue in status.issues}
    told = [at_work.summary(issues[agent.issue]) for agent in busy if agent.issue is not None]
    if len(busy) + sum(map(bool, told)) + bool(free) <= rows:  # there is room for what each does
        pairs = zip(lines, told, strict=True)
        lines = [line for row, said in pairs for line in ((row, Text("  ").append(said)) if said else (row,))]
    rest = Text(f"{count(free, 'agent')} free", "bright_black") if free else None
    return _rows(lines, rest, rows)


def _agent_row(agent: AgentStatus, status: Status) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{agent.name} ", "bold").append(f"#{agent.issue}")
    if agent.state is not None:
        text.append(f" {agent.state.value.replace('_', ' ')}", LOOKS[agent.state].style)
    said = []
    if agent.cpu_percent is not None:
        said.append(f"{agent.cpu_percent:.0f}% cpu")
    if agent.rss_mb:  # nothing is measured of a process that has just begun
        said.append(f"{agent.rss_mb:.0f} MB")
    if agent.idle_s is not None and agent.idle_s >= 30:
        said.append(f"silent {duration(agent.idle_s)}")
    return text.append(f"  {'  '.join(said)}", "bright_black") if said else text


def claim_table(status: Status, rows: int) -> RenderableType:
    """Which paths are taken, and by whom; and what issues that have not begun are likely to share."""
    lines = [Text.assemble((f"#{claim.issue} ", "bold"), words(claim.path)) for claim in status.claims]
    lines += [likely_line(pair) for pair in status.likely_overlaps]
    return _rows(lines, None if lines else Text("nothing is claimed", "bright_black"), rows)


def likely_line(pair: Shared) -> Text:
    """Two issues that are likely to share a file."""
    files = ", ".join(map(one_line, pair.files))
    return Text.assemble((f"#{pair.a} #{pair.b} ", "bold"), f"{pair.chance:.0%} likely to share {files}")


def landing_table(status: Status, rows: int) -> RenderableType:
    """What lands now, who waits for it, and what is gated."""
    landing = status.landing
    lines: list[Text] = []
    if landing.batch and landing.phase is not None:
        batch = numbers(landing.batch, 4)
        lines.append(Text.assemble((f"{landing.phase.value} ", LOOKS[IssueState.LANDING].style), batch))
    lines += [
        Text.assemble(("beside ", LOOKS[IssueState.LANDING].style), numbers(beside, 4))
        for beside in landing.aside
    ]
    there = {number for batch in (landing.batch, *landing.aside) for number in batch}
    behind = [number for number in landing.queue if number not in there]
    if behind:
        lines.append(Text.assemble(("queue ", LOOKS[IssueState.QUEUED].style), numbers(behind, 4)))
    lines += [
        Text.assemble(("gate ", LOOKS[IssueState.VERIFYING].style), words(gate.why)) for gate in status.gates
    ]
    return _rows(lines, None if lines else Text("nothing waits to land", "bright_black"), rows)


def _rows(lines: Iterable[Text], rest: Text | None, rows: int) -> RenderableType:
    shown = [*lines, *([rest] if rest is not None else [])]
    if len(shown) > rows:
        hidden = len(shown) - rows + 1
        shown = [*shown[: rows - 1], Text(f"and {hidden} more", "bright_black")]
    for line in shown:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*shown)


def event_list(status: Status, rows: int, tz: tzinfo | None) -> RenderableType:
    """The newest events, the newest last."""
    lines = [
        Text.assemble((f"{event.at.astimezone(tz):%H:%M:%S}  ", "bright_black"), words(event.text))
        for event in status.events[-rows:]
    ]
    return _rows(lines, None if lines else Text("nothing has happened yet", "bright_black"), rows)
