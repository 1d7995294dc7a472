"""What is shown of pull requests: where each stands, and that a forge which does not answer holds them up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mawep.core.events import PullState
from mawep.core.model import IssueState, Number
from mawep.core.schedule import RefusalKind, refusals
from mawep.core.state import IssueRecord, State
from mawep.observe.live import Live, Silence
from mawep.observe.readmodel import PullStatus, Why
from mawep.observe.text import first_line


def pull_of(record: IssueRecord) -> PullStatus | None:
    """The newest pull request of an issue; None while none was opened."""
    pull = record.pull
    if pull is None or not pull.number:
        return None
    seen = pull.seen
    merged = record.state is IssueState.LANDED
    state = PullState.MERGED if merged else seen.state if seen else PullState.OPEN
    return PullStatus(
        number=pull.number,
        url=pull.url,
        state=state.value,
        head=pull.head if pull.published else None,
        rounds=pull.rounds,
        queued=pull.queued and not merged,
        waits_for=(seen.waits_for or None) if seen and not merged else None,
        exact=pull.exact,
    )


def reasons(state: State, number: Number, now: datetime, live: Live) -> Iterator[Why]:
    """Every reason why an issue is not running or landing now, and that its forge is silent, if it waits for that."""
    yield from (Why(one.kind.value, one.detail) for one in refusals(state, number, now))
    record = state.issues[number]
    if live.silence is not None and record.pull is not None and record.active and not record.state.holds_slot:
        yield Why(RefusalKind.PULL_REQUEST.value, silent(live.silence))


def silent(of: Silence) -> str:
    """Since when, why, and when it is asked again."""
    again = f"; it is asked again at {of.again_at:%H:%M:%S} UTC" if of.again_at else ""
    return f"{of.where} does not answer since {of.since:%H:%M:%S} UTC: {first_line(of.why)}{again}"
