"""The report of a run in Markdown: what became of it, when, and by which evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from mawep.core import events as ev
from mawep.core.model import GateRecord, GateResult, IssueState, Number
from mawep.core.schedule import refusals
from mawep.core.state import IssueRecord, State
from mawep.core.verdict import ReviewRecord, Verdict
from mawep.observe import bill
from mawep.observe.attempts import Try, attempts_of
from mawep.observe.figures import Figures, figures_of
from mawep.observe.gantt import gantt_lines
from mawep.observe.text import count, duration, one_line, several_lines
from mawep.observe.timeline import course_of
from mawep.observe.words import again, in_scopes

WIDTH = 100
LONGEST_BLOCK = 4000
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@])")


def report(state: State, records: Sequence[ev.Recorded], now: datetime) -> str:
    """The whole report, ending with a newline."""
    course, attempts = course_of(records), attempts_of(records)
    moved = [recorded.event for recorded in records if isinstance(recorded.event, ev.TargetMoved)]
    moves = {step.issue: event for event in moved for step in event.steps}
    chart = "\n".join(line.plain.rstrip() for line in gantt_lines(course, WIDTH))
    parts = [
        _summary(state, now),
        _figures(state, figures_of(course)),
        "## Issues",
        _table(state),
        *(["## Timeline", f"```text\n{chart}\n```"] if chart else []),
        *(
            part
            for number in state.graph.order
            for part in _issue(state, number, attempts.get(number, []), moves.get(number), now)
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(state: State, now: datetime) -> str:
    outcome = state.ended or ("stopped" if state.stopped else "not finished")
    lines = [
        f"# MAWEP run {state.run}",
        f"**{outcome}**: {state.landed} of {count(len(state.issues), 'issue')} landed on `{state.target_branch}`.",
        "\n".join(
            f"- {name}: {value}"
            for name, value in (
                ("target before", f"`{state.first_target}`"),
                ("target after", f"`{state.target}`"),
                ("started", _time(state.started_at)),
                ("ended", _time(state.ended_at)),
                ("report written", _time(now)),
                ("stopped because", text(state.stopped or "")),
            )
            if value
        ),
    ]
    return "\n\n".join(lines)


def _figures(state: State, figures: Figures) -> str:
    usage = bill.together(map(bill.of_issue, state.issues.values()))
    rows = (
        ("makespan", figures.makespan_s, duration),
        ("critical path", figures.critical_path_s, duration),
        ("lower bound", figures.lower_bound_s, duration),
        ("agents busy", figures.agent_utilization, lambda share: f"{share:.0%}"),
        ("tokens", usage.tokens, lambda tokens: f"{tokens:,}"),
        ("cost", usage.cost_usd, lambda cost: f"${cost:.2f}"),
    )
    lines = [f"| {name} | {'unknown' if value is None else say(value)} |" for name, value, say in rows]
    return "\n".join(["| figure | value |", "| --- | --- |", *lines])


def _table(state: State) -> str:
    lines = ["| issue | title | state | attempts | landed as |", "| --- | --- | --- | --- | --- |"]
    for number in state.graph.order:
        record = state.issues[number]
        why = f" ({record.reason})" if record.state is IssueState.FAILED and record.reason else ""
        landed = f"`{record.landed_as[:12]}`" if record.landed_as else ""
        title = text(state.graph.issues[number].title)
        lines.append(f"| #{number} | {title} | {record.state}{why} | {record.runs} | {landed} |")
    return "\n".join(lines)


def _issue(
    state: State, number: Number, attempts: Sequence[Try], move: ev.TargetMoved | None, now: datetime
) -> Iterator[str]:
    record = state.issues[number]
    yield f"## #{number} {text(state.graph.issues[number].title)}"
    needed = ", ".join(f"#{on}" for on in state.graph.dependencies[number])
    facts = [f"- state: {record.state}", *([f"- depends on: {needed}"] if needed else [])]
    if record.reverted_as:
        facts.append(f"- reverted as `{record.reverted_as}` at {_time(record.ended_at)}")
    if record.landed_as:
        facts.append(f"- landed as `{record.landed_as}` at {_time(record.ended_at)}")
    facts += _pull(record)
    verdict = state.gates.get(move.steps[-1].gate) if move else None
    if move and verdict:
        facts += [f"- the target moved to `{move.new}`, whose tree was gated:", *_gate(verdict, "  ")]
    facts += [f"- {refusal.kind}: {text(refusal.detail, 300)}" for refusal in refusals(state, number, now)]
    yield "\n".join(facts)
    if record.hunks:
        yield _block(record.hunks)
    if record.reviews:
        yield "### Reviews"
        yield "\n".join(_review(review) for review in record.reviews)
    for attempt in attempts:
        yield from _attempt(attempt)


def _pull(record: IssueRecord) -> Iterator[str]:
    """Its pull request, and whether what was merged is what was gated."""
    pull = record.pull
    if pull is not None and pull.number:
        rounds = f", {pull.rounds} rounds of changes" if pull.rounds else ""
        yield f"- pull request: #{pull.number}, {text(pull.url)}{rounds}"
        if pull.exact is not None:
            yield f"- merged {'exactly as it was gated' if pull.exact else 'not as it was gated'}"


def _attempt(attempt: Try) -> Iterator[str]:
    yield f"### Attempt {attempt.number}: {attempt.outcome}"
    usage = attempt.usage
    facts = (
        ("agent", attempt.agent),
        ("branch", f"`{attempt.branch}` from `{attempt.base[:12]}`"),
        ("time", f"{_time(attempt.assigned_at)} to {_time(attempt.ended_at) or 'now'}"),
        ("repair rounds", str(attempt.repairs or "")),
        ("candidate", f"`{attempt.commit}`" if attempt.commit else ""),
        ("failed as", attempt.reason or ""),
        ("work kept at", f"`{attempt.salvage}`" if attempt.salvage else ""),
        ("transcript", f"`{attempt.transcript}`" if attempt.transcript else ""),
        ("tokens", "" if usage.tokens is None else f"{usage.tokens:,}"),
        ("cost", "" if usage.cost_usd is None else f"${usage.cost_usd:.2f}"),
    )
    lines = [f"- {name}: {value}" for name, value in facts if value]
    yield "\n".join([*lines, *(line for record in attempt.gates for line in _gate(record))])
    if attempt.detail:
        yield _block(attempt.detail)


def _review(record: ReviewRecord) -> str:
    said = {Verdict.APPROVE: "approved", Verdict.REQUEST_CHANGES: "changes requested"}
    verdict = said.get(record.verdict, "no verdict")
    about = f"of attempt {record.attempt} (`{record.commit[:12]}`) by {text(record.runtime)}"
    lines = [f"- review {record.number} {about}: {verdict} after {duration(record.seconds)}"]
    lines += [f"  {text(line, 500)}" for line in record.reasons.splitlines()]
    return "\n".join(lines)


def _gate(record: GateRecord, indent: str = "") -> Iterator[str]:
    said = {GateResult.GREEN: "passed", GateResult.RED: "failed", GateResult.NONE: "no verdict"}[
        record.result
    ]
    took = f"{said} in {duration(record.seconds)}, log `{record.log}`"
    yield f"{indent}- gate on tree `{record.tree[:12]}`: {took}{again(record)}{_scoped(record)}"
    for command in record.commands:
        ended = f"exit {command.exit_code}" if command.exit_code is not None else f"signal {command.signal}"
        ended = "timed out" if command.timed_out else ended
        log = f"sha256 `{command.log_sha256}`"
        yield f"{indent}  - {_code(command.command)}: {ended}, {duration(command.seconds)}, {log}"


def _scoped(record: GateRecord) -> str:
    return text(in_scopes(record), 1000)


def text(said: str, limit: int = 200) -> str:
    """A stranger's text in a line of Markdown: no markup of it takes effect."""
    return _SPECIAL.sub(r"\\\1", one_line(said, limit))


def _code(said: str) -> str:
    """A stranger's text as code in a line of Markdown."""
    line = one_line(said)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"


def _block(said: str) -> str:
    """A stranger's text as a block of code that nothing in it can end."""
    shown = several_lines(said, LONGEST_BLOCK)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence}text\n{shown}\n{fence}"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""
