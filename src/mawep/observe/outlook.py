"""How long it will take, by the pace of past runs; None wherever that is not known.

What is shown here is an estimate and says so. Nothing is made of hours that nobody has measured: only issues whose
estimate has `takes` count, and one that has not leaves the whole run without an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mawep.core.far import awaited
from mawep.core.graph import Graph
from mawep.core.model import IssueState, Number, Span
from mawep.core.state import State


def expected_of(graph: Graph, agents: int) -> Span | None:
    """How many hours a plan is likely to take with so many agents, if agents are all that work waits for."""
    takes = {n: issue.estimate.takes for n, issue in graph.issues.items() if issue.estimate}
    spans = {number: span for number, span in takes.items() if span is not None}
    if not spans or len(spans) < len(graph.issues):
        return None
    return Span(
        *(
            round(_longest(graph, {n: getattr(span, which) for n, span in spans.items()}, agents), 3)
            for which in ("low", "middle", "high")
        )
    )


def left_of_issue(state: State, number: Number, now: datetime) -> float | None:
    """Seconds until the issue is likely to have landed, once an agent has it; None when it took longer than ever."""
    record, issue = state.issues[number], state.graph.issues[number]
    if record.attempt is None or not record.active or issue.estimate is None or issue.estimate.takes is None:
        return None
    if record.state is IssueState.NEEDS_INPUT or record.limited:
        return None  # nobody knows for how long
    worked = (now - record.attempt.assigned_at).total_seconds()
    takes = issue.estimate.takes
    left = next(
        (hours * 3600 - worked for hours in (takes.middle, takes.high) if hours * 3600 > worked), None
    )
    return None if left is None else round(left, 1)


def left_of_run(state: State, now: datetime) -> float | None:
    """Seconds until every issue that still can is likely to have landed."""
    if not state.dispatching:
        return None
    left: dict[Number, float] = dict.fromkeys(state.graph.issues, 0.0)
    for number, record in state.issues.items():
        if record.state.terminal:
            continue
        if any(on not in state.far or not state.far[on].landed for on in awaited(state.graph.issues[number])):
            return None  # how long another repository takes is not known here
        estimate = state.graph.issues[number].estimate
        if record.active:
            seconds = left_of_issue(state, number, now)
        else:
            seconds = estimate.takes.middle * 3600 if estimate and estimate.takes else None
        if seconds is None:
            return None
        left[number] = seconds
    return round(_longest(state.graph, left, state.rules.max_agents), 1)


def _longest(graph: Graph, lasts: Mapping[Number, float], agents: int) -> float:
    """The longest chain, or all of it on all agents."""
    ends: dict[Number, float] = {}
    for number in graph.order:
        ends[number] = lasts[number] + max((ends[on] for on in graph.dependencies[number]), default=0.0)
    return max(max(ends.values(), default=0.0), sum(lasts.values()) / agents)
