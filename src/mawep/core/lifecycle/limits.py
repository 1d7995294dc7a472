"""What events about limits of providers make of the state."""

from __future__ import annotations

from mawep.core import budget, limits
from mawep.core import events as ev
from mawep.core.lifecycle.attempts import new_turn
from mawep.core.lifecycle.steps import current, done, late, put
from mawep.core.model import IssueState
from mawep.core.state import Progress, State, replace


def hit(state: State, rec: ev.Recorded, event: ev.ProviderLimitHit) -> State:
    """The attempt keeps slot, worktree and claims; nobody renews a lease for it while it waits."""
    record, attempt = state.issues[event.issue], current(state, event.issue, event.fence)
    if attempt is None or attempt.progress is not Progress.RUNNING:
        return late(state)
    limit = limits.after(state.limits.get(attempt.runtime), rec.at, event.until, event.why)
    attempt = replace(
        budget.stopped(budget.seen(attempt, event.usage), rec.at),
        progress=Progress.LIMITED,
        pid=None,
        session=event.session or attempt.session,
        transcript=event.transcript or attempt.transcript,
        reclaimed=False,
    )
    state = put(state, replace(record, state=IssueState.ASSIGNED, attempt=attempt, question=None))
    state = replace(
        state,
        claims=state.claims.extend(event.issue, None),
        limits=state.limits.set(attempt.runtime, limit),
    )
    return done(state, f"turn:{event.issue}")


def lifted(state: State, rec: ev.Recorded, event: ev.LimitLifted) -> State:
    limit = state.limits.get(event.runtime)
    if limit is None:
        return state
    return replace(state, limits=state.limits.set(event.runtime, replace(limit, lifted=True)))


def continued(state: State, rec: ev.Recorded, event: ev.AttemptContinued) -> State:
    return new_turn(state, rec, event.issue, event.lease_until)
