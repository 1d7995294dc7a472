"""What agents ask for in the middle of a turn, and what it makes of the state."""

from __future__ import annotations

from mawep.core import changes, rules
from mawep.core import events as ev
from mawep.core.claims import MOST_ASKED, askable
from mawep.core.lifecycle.steps import current, late, put
from mawep.core.model import Change, Number
from mawep.core.state import Attempt, Progress, State, replace


def claims_taken(state: State, rec: ev.Recorded, event: ev.ClaimsTaken) -> State:
    """All of it or nothing: what cannot be had by now is not had."""
    attempt = _at_work(state, event.issue, event.fence)
    if attempt is None:
        return late(state)
    held = state.claims.held_by(event.issue)
    wanted = tuple(dict.fromkeys(path for path in event.paths if path not in held))
    asked = (*attempt.asked, *wanted)
    if not wanted or len(asked) > MOST_ASKED or not all(map(_askable, wanted)):
        return state
    if not rules.claims_are_free(state.claims, wanted, event.issue, None):
        return state
    state = put(state, replace(state.issues[event.issue], attempt=replace(attempt, asked=asked)))
    claims = state.claims.take(event.issue, (*held, *wanted), attempt.lease_until)
    return changes.widened(replace(state, claims=claims), event.issue, wanted)


def announced(state: State, rec: ev.Recorded, event: ev.BreakingChangeAnnounced) -> State:
    attempt = _at_work(state, event.issue, event.fence)
    if attempt is None:
        return late(state)
    change = Change(
        seq=rec.seq,
        issue=event.issue,
        agent=f"agent-{attempt.slot}",
        file=event.file,
        change=event.change,
        affects=event.affects,
        migration=event.migration,
    )
    return changes.opened(state, change)


def _at_work(state: State, number: Number, fence: int) -> Attempt | None:
    attempt = current(state, number, fence)
    return attempt if attempt is not None and attempt.progress is Progress.RUNNING else None


def _askable(path: str) -> bool:
    try:
        return askable(path) == path
    except ValueError:
        return False
