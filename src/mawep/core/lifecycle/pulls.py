"""What events about pull requests make of the state."""

from __future__ import annotations

from typing import Any

from mawep.core import events as ev
from mawep.core import rules
from mawep.core.lifecycle.steps import done, land, leave, put
from mawep.core.model import IssueState, Number
from mawep.core.state import Pull, State, replace


def proposed(state: State, number: Number) -> State:
    """The attempt's candidate is to be what its pull request proposes."""
    record = state.issues[number]
    attempt = record.attempt
    head, tree, scopes = (attempt.commit, attempt.tree, attempt.scopes) if attempt else (None, None, None)
    pull = _of(record.pull or Pull(head or "", tree or ""), head or "", tree or "")
    return put(state, replace(record, pull=replace(pull, scopes=scopes)))


def _of(pull: Pull, head: str, tree: str) -> Pull:
    """The pull request with another head, of which nothing is known yet."""
    return replace(
        pull,
        head=head,
        tree=tree,
        scopes=None,
        published=False,
        seen=None,
        queued=False,
        refusals=0,
        refused="",
    )


def asked_for(state: State, number: Number) -> State:
    """What was said of the pull request goes to the agent."""
    record = state.issues[number]
    if record.pull is None:
        return state
    seen = record.pull.seen
    answered = record.pull.answered.union(seen.items if seen else ())
    pull = replace(record.pull, rounds=record.pull.rounds + 1, answered=answered, seen=None)
    return put(state, replace(record, pull=pull))


def intended(state: State, rec: ev.Recorded, event: ev.PullRequestIntended) -> State:
    return replace(state, effects=state.effects.set(f"pull:{event.issue}", rec))


def opened(state: State, rec: ev.Recorded, event: ev.PullRequestOpened) -> State:
    state, pull = done(state, f"pull:{event.issue}"), _proposal(state, event.issue)
    if pull is None or pull.head != event.head:
        return state
    pull = replace(pull, published=True, number=event.number, url=event.url, seen=None)
    return _put(state, event.issue, pull)


def seen(state: State, rec: ev.Recorded, event: ev.PullRequestSeen) -> State:
    """Only what waits for the forge is concerned, and only by what it says of what it was given."""
    pull = _proposal(state, event.issue)
    if pull is None or not pull.published or pull.number != event.number:
        return state
    return _put(state, event.issue, replace(pull, seen=event, queued=event.queued))


def update(state: State, rec: ev.Recorded, event: ev.UpdateIntended) -> State:
    return replace(state, effects=state.effects.set(f"update:{event.issue}", rec))


def updated(state: State, rec: ev.Recorded, event: ev.BranchUpdated) -> State:
    """A head that is new has to pass the gate."""
    state, pull = done(state, f"update:{event.issue}"), _proposal(state, event.issue)
    if pull is None:
        return state
    pull = replace(pull, theirs=pull.theirs or event.theirs)
    if event.commit == pull.head:
        return _put(state, event.issue, replace(pull, seen=None))
    pull = _of(pull, event.commit, event.tree)
    return _put(state, event.issue, replace(pull, scopes=event.scopes))


def merge(state: State, rec: ev.Recorded, event: ev.MergeIntended) -> State:
    record = replace(state.issues[event.issue], state=IssueState.LANDING)
    return replace(put(state, record), effects=state.effects.set(f"merge:{event.issue}", rec))


def queued(state: State, rec: ev.Recorded, event: ev.PullRequestQueued) -> State:
    return _back(state, rec, event.issue, queued=True)


def deferred(state: State, rec: ev.Recorded, event: ev.MergeDeferred) -> State:
    pull = state.issues[event.issue].pull
    return _back(
        state, rec, event.issue, refusals=pull.refusals + event.refused if pull else 0, refused=event.why
    )


def _back(state: State, rec: ev.Recorded, number: Number, **changes: Any) -> State:
    """The merge is over without a result: it waits for the forge again, or was cancelled meanwhile."""
    state = done(state, f"merge:{number}")
    record = state.issues[number]
    if record.state is not IssueState.LANDING or record.pull is None:
        return state
    pull = replace(record.pull, seen=None, **changes)
    record = replace(record, pull=pull)
    if record.cancelled_by is not None and not pull.queued:
        return leave(state, record, IssueState.CANCELLED, rec.at)
    return put(state, replace(record, state=IssueState.QUEUED))


def merged(state: State, rec: ev.Recorded, event: ev.PullRequestMerged) -> State:
    state = done(state, f"merge:{event.issue}")
    record = state.issues[event.issue]
    if record.state is not IssueState.LANDING or record.pull is None or not rules.not_landed_yet(record):
        return state
    state = put(state, replace(record, pull=replace(record.pull, exact=event.exact)))
    return land(replace(state, target=event.target), rec, event.issue, event.commit)


def _proposal(state: State, number: Number) -> Pull | None:
    record = state.issues[number]
    return record.pull if record.proposed else None


def _put(state: State, number: Number, pull: Pull) -> State:
    return put(state, replace(state.issues[number], pull=pull))
