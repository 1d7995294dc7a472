"""From a run's state to what is said of it on a forge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import PurePath

from mawep.core.model import Number, PlanEntry
from mawep.core.state import State, replace
from mawep.observe.live import Live
from mawep.observe.status import issue_status
from mawep.reports.views import Neighbour, Outcome, Pull, Standing


def standing(
    state: State, number: Number, now: datetime, live: Live, hide: Callable[[str], str] = str
) -> Standing:
    """Where an issue stands. `hide` takes secrets out of what others wrote."""
    status, record = issue_status(state, number, now, live), state.issues[number]
    return Standing(
        number=number,
        title=hide(status.title),
        state=status.state,
        stage=status.stage,
        target=state.target_branch,
        run=state.run,
        reason=status.reason,
        detail=hide(status.detail),
        percent=status.percent,
        claimed=status.percent_claimed,
        eta=status.eta_s,
        estimated=status.eta_by == "estimate",
        activity=hide(status.activity),
        plan=tuple(PlanEntry(hide(line.content), line.status) for line in status.plan),
        blockers=tuple(map(hide, _blockers(state, number, live))),
        waiting_for=tuple(hide(why.detail) for why in status.waiting_for),
        late_edges=tuple((one.on, hide(one.why)) for one in state.outside.refused if one.issue == number),
        question=hide(status.question.text) if status.question else None,
        options=tuple(map(hide, status.question.options)) if status.question else (),
        depends_on=tuple(
            Neighbour(on, hide(state.graph.issues[on].title), state.issues[on].state)
            for on in status.depends_on
        ),
        agent=status.agent,
        runtime=status.runtime,
        attempts=status.attempts,
        repairs=status.repairs,
        tokens=status.tokens,
        cost_usd=status.cost_usd,
        branch=status.branch,
        pull=Pull(record.pull.number, record.pull.url) if record.pull and record.pull.number else None,
        exact=record.pull.exact if record.pull else None,
        reviews=tuple(replace(one, summary=hide(one.summary)) for one in record.reviews),
        commit=status.commit,
        landed_as=status.landed_as,
        taken_back=record.taken_back,
        salvage=status.salvage,
        transcript=below_git(record.attempt.transcript if record.attempt else ""),
    )


def outcome(state: State, now: datetime, live: Live, hide: Callable[[str], str] = str) -> Outcome:
    """What became of a run that has ended."""
    issues = tuple(standing(state, number, now, live, hide) for number in state.graph.order)
    tokens = [one.tokens for one in issues if one.tokens is not None]
    costs = [one.cost_usd for one in issues if one.cost_usd is not None]
    end, begin = state.ended_at or now, state.started_at
    return Outcome(
        run=state.run,
        outcome=state.ended or "interrupted",
        target=state.target_branch,
        before=state.first_target,
        after=state.target,
        issues=issues,
        seconds=(end - begin).total_seconds() if begin else None,
        tokens=sum(tokens) if tokens else None,
        cost_usd=sum(costs) if costs else None,
    )


def face(state: State, number: Number) -> tuple[object, ...]:
    """What has to differ before an issue is reported on again at once."""
    record = state.issues[number]
    attempt, question, pull = record.attempt, record.question, record.pull
    refused = [conflict for conflict in state.outside.refused if conflict.issue == number]
    return (
        *(record.state, record.reason, record.runs, record.blocked_by, record.landed_as, record.taken_back),
        question.id if question else None,
        attempt.repairs if attempt else 0,
        (pull.number, pull.queued, pull.refused) if pull else None,
        state.graph.issues[number].title,
        len(refused),
        len(record.reviews),
    )


def _blockers(state: State, number: Number, live: Live) -> tuple[str, ...]:
    """What keeps the attempt that goes on, by its agent's word."""
    record = state.issues[number]
    attempt = record.attempt.number if record.attempt and not record.state.terminal else None
    said = (one for one in live.blockers if (one.issue, one.attempt) == (number, attempt))
    return tuple(one.text for one in said if one.kind != "question")


def below_git(path: str) -> str | None:
    """The path below the git directory: what lies above it is nobody's business."""
    parts = PurePath(path).parts
    for place, (part, after) in enumerate(pairwise(parts)):
        if (part, after) == ("mawep", "runs"):
            return str(PurePath(*parts[place:]))
    return None
