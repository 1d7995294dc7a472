"""The attempts of a run, each from its assignment to what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from mawep.core import events as ev
from mawep.core.engine import evolve
from mawep.core.model import GateRecord, IssueState, Number, Usage
from mawep.core.state import Attempt, IssueRecord, State


class Try(msgspec.Struct):
    """One attempt. `outcome` is `running`, the state its issue went to, or `interrupted`.

    `gates` are the verdicts on what it made, in order; `usage` is what it consumed.
    """

    number: int
    agent: str
    branch: str
    base: str
    assigned_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str = "running"
    reason: str | None = None
    detail: str = ""
    repairs: int = 0
    commit: str | None = None
    salvage: str | None = None
    transcript: str = ""
    usage: Usage = Usage()
    gates: list[GateRecord] = msgspec.field(default_factory=list)


def attempts_of(records: Iterable[ev.Recorded]) -> dict[Number, list[Try]]:
    """Every attempt of a run by issue, oldest first."""
    found: dict[Number, list[Try]] = {}
    state = State()
    for recorded in records:
        before, state = state, evolve(state, recorded)
        if state.issues is not before.issues:
            for number in dict.fromkeys((*before.active, *state.active)):
                _follow(found.setdefault(number, []), before, state, number, recorded)
        if isinstance(recorded.event, ev.GateFinished):
            _judge(found, state, recorded.event.record)
    return {number: tries for number, tries in sorted(found.items()) if tries}


def _follow(tries: list[Try], before: State, state: State, number: Number, recorded: ev.Recorded) -> None:
    """Bring the newest attempt on an issue up to date."""
    record = state.issues[number]
    attempt = record.attempt
    if attempt is None or record is before.issues.get(number):
        return
    if not tries or tries[-1].number != attempt.number:
        by = attempt.offered_by or f"agent-{attempt.slot}"
        tries.append(Try(attempt.number, by, attempt.branch, attempt.base, attempt.assigned_at))
        _known_verdict(tries[-1], attempt, state)
    newest = tries[-1]
    newest.started_at, newest.repairs, newest.commit = attempt.started_at, attempt.repairs, attempt.commit
    newest.transcript = attempt.transcript
    _known_verdict(newest, attempt, state)
    if number in state.active:
        newest.usage = attempt.usage
    else:
        _end(newest, before.issues[number], record, recorded)


def _end(ended: Try, before: IssueRecord, record: IssueRecord, recorded: ev.Recorded) -> None:
    ended.ended_at = recorded.at
    ended.outcome = record.state.value
    ended.usage = _difference(record.spent, before.spent)
    ended.detail = record.detail
    ended.salvage = record.salvage
    match recorded.event:
        case ev.AttemptFailed(reason=reason):
            ended.outcome, ended.reason = IssueState.FAILED.value, reason.value
        case ev.AttemptInterrupted() if record.state is not IssueState.CANCELLED:
            ended.outcome = "interrupted"
        case _:
            pass


def _known_verdict(newest: Try, attempt: Attempt, state: State) -> None:
    """A tree that was gated before is not gated again; its verdict is this attempt's too."""
    record = state.gates.get(attempt.gate)
    if record is not None and record not in newest.gates:
        newest.gates.append(record)


def _judge(found: dict[Number, list[Try]], state: State, record: GateRecord) -> None:
    for number in state.active:
        attempt = state.issues[number].attempt
        if attempt is not None and attempt.gate == record.gate and found.get(number):
            _known_verdict(found[number][-1], attempt, state)


def _difference(after: Usage, before: Usage) -> Usage:
    def less(x: int | float | None, y: int | float | None) -> int | float | None:
        return None if x is None or x == y else x - (y or 0)

    names = ("input_tokens", "output_tokens", "cost_usd")
    return msgspec.convert({name: less(getattr(after, name), getattr(before, name)) for name in names}, Usage)
