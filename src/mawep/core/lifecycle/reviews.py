"""What events about reviews make of the state."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core import limits
from mawep.core.lifecycle.steps import done, late, spend
from mawep.core.state import State, replace
from mawep.core.usage import total
from mawep.core.verdict import Verdict


def intended(state: State, rec: ev.Recorded, event: ev.ReviewIntended) -> State:
    return replace(state, effects=state.effects.set(f"review:{event.issue}", rec))


def finished(state: State, rec: ev.Recorded, event: ev.ReviewFinished) -> State:
    """What the reviewer consumed is spent on the issue, whatever it says; its context is nobody else's."""
    key, said = f"review:{event.issue}", event.record
    asked = state.effects.get(key)
    if asked is None or not isinstance(asked.event, ev.ReviewIntended) or asked.event.number != said.number:
        return late(state)
    record = state.issues[event.issue]
    used = replace(said.usage, context_used=None, context_size=None)
    record = replace(record, spent=total(record.spent, used), reviews=(*record.reviews, said))
    return _provider(done(spend(state, record), key), rec, event)


def _provider(state: State, rec: ev.Recorded, event: ev.ReviewFinished) -> State:
    """What the review has shown of its reviewer's provider: it takes nothing more for now, or takes requests again."""
    runtime, known = event.record.runtime, state.limits.get(event.record.runtime)
    if event.limited:
        limit = limits.after(known, rec.at, event.until, event.record.summary)
        return replace(state, limits=state.limits.set(runtime, limit))
    if known is not None and known.lifted and event.record.verdict is not Verdict.NONE:
        return replace(state, limits=state.limits.delete(runtime))
    return state
