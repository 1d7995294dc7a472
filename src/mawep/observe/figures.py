"""What a run cost in time, and what it could not have cost less than: measured, never estimated."""

from __future__ import annotations

import msgspec

from mawep.core.model import IssueState, Number
from mawep.observe.timeline import Course


class Figures(msgspec.Struct, frozen=True):
    """Seconds of the run's own clock (see `timeline`); None where nothing is known.

    `makespan_s`: from the start until the last issue came to its end, or until now. `critical_path_s`: the
    longest chain of dependencies, each issue with the time that was spent on it. `lower_bound_s`: the longer
    of that and all agents' time divided by the number of agents. `agent_utilization`: the share of the agents'
    time in which they had an issue.
    """

    makespan_s: float | None = None
    critical_path_s: float | None = None
    lower_bound_s: float | None = None
    agent_utilization: float | None = None


def figures_of(course: Course) -> Figures:
    """The figures of a run."""
    state, agents = course.state, course.state.rules.max_agents
    if state.started_at is None:
        return Figures()
    makespan = course.settled if state.terminal == len(state.issues) else course.seconds
    if not course.spans:
        return Figures(makespan_s=round(makespan, 3))
    busy = sum(span.seconds for span in course.spans if span.state.holds_slot)
    critical = _longest_chain(course)
    return Figures(
        makespan_s=round(makespan, 3),
        critical_path_s=round(critical, 3),
        lower_bound_s=round(max(critical, busy / agents), 3),
        agent_utilization=round(busy / (makespan * agents), 4) if makespan else None,
    )


def _longest_chain(course: Course) -> float:
    """Time waited in the landing queue is not spent on an issue, so it is left out."""
    work: dict[Number, float] = {}
    for span in course.spans:
        if span.state is not IssueState.QUEUED:
            work[span.issue] = work.get(span.issue, 0.0) + span.seconds
    chain: dict[Number, float] = {}
    graph = course.state.graph
    for number in graph.order:
        before = max((chain[on] for on in graph.dependencies[number]), default=0.0)
        chain[number] = before + work.get(number, 0.0)
    return max(chain.values(), default=0.0)
