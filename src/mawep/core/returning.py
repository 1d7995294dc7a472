"""What follows for a candidate that does not land as it is: its agent merges the target, so often and no oftener.

It may not merge by any rule, or be red only together with the rest. Its agent takes a slot for it again, before any
new work does. What cannot be landed then either is parked, whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from mawep.core import budget, rules
from mawep.core import events as ev
from mawep.core.model import GateRecord, GateResult, IssueState, Number
from mawep.core.state import Attempt, IssueRecord, State, replace

MOST_TOLD = 5
"""Issues whose text an agent is told that is to merge."""


def instead(state: State, parked: ev.IssueParked) -> ev.CandidateReturned | ev.IssueParked:
    """Back to its agent, while that may be asked; else parked, which says how often it was asked.

    What a person has offered has no agent.
    """
    record = state.issues[parked.issue]
    if record.attempt is None or record.offered:
        return parked
    if record.cancelled_by is None and rules.merge_is_left(state, record.attempt):
        return ev.CandidateReturned(parked.issue, parked.why, parked.hunks, parked.files)
    if rounds := record.attempt.merge_rounds:
        asked = f"its agent was asked {times(rounds)} to merge {state.target_branch}"
        return replace(parked, why=f"{parked.why}; {asked}")
    return parked


def unmerged(
    state: State, conflict: ev.MergeConflict, tried: Sequence[GateRecord] = ()
) -> ev.CandidateReturned | ev.IssueParked:
    """What follows for a candidate in conflict; `tried` are verdicts on the ways to merge it, the best first."""
    why = f"does not merge cleanly with {state.target_branch}: {', '.join(conflict.files)}"
    if not tried:
        return instead(state, ev.IssueParked(conflict.issue, why, conflict.hunks, conflict.files))
    ways = (
        "the way to merge it by rule does" if len(tried) == 1 else f"{len(tried)} ways to merge it by rule do"
    )
    hunks = f"{conflict.hunks}\n\n--- the gate on the best of them\n{tried[0].excerpt}"
    parked = ev.IssueParked(conflict.issue, f"{why}; {ways} not pass", hunks, conflict.files)
    silent = any(verdict.result is GateResult.NONE for verdict in tried)
    return parked if silent else instead(state, parked)


def not_green(
    state: State, number: Number, verdict: GateRecord | None
) -> ev.CandidateReturned | ev.IssueParked:
    """What follows for a candidate that was green by itself, and is not on the target as it is."""
    silent = verdict is not None and verdict.result is GateResult.NONE
    said = "ended without a verdict" if silent else "is red"
    why = f"its own tree was green, but together with {state.target_branch} as it is now the gate {said}"
    if suspected := state.issues[number].suspected:
        why = f"{why}; {suspected}"
    parked = ev.IssueParked(number, why, hunks=verdict.excerpt if verdict else "")
    return parked if silent else instead(state, parked)


def suspicion(red: Sequence[Number], green: Sequence[Number]) -> str:
    """How it was found out that what the second lacks makes the first red."""
    whole, rest = (", ".join(f"#{number}" for number in part) for part in (red, green))
    return f"{whole} together were red, {rest} green"


def times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count} times"


def commands(
    state: State, run: list[budget.Line], now: datetime, free: list[int]
) -> Iterator[ev.RepairIntended | ev.IssueParked]:
    """Whose agent goes on now, oldest attempt first; takes its slot out of those that are `free`."""
    for number in state.active:
        record = state.issues[number]
        if not record.sent_back or record.returned is None or record.attempt is None:
            continue
        if over := _over(state, record.returned, run, now):
            yield over
        elif free and not state.interrupted and rules.provider_allows(state, record.attempt.runtime):
            yield _asked(state, record.attempt, record.returned, free.pop(0), now)


def _over(
    state: State, returned: ev.CandidateReturned, run: list[budget.Line], now: datetime
) -> ev.IssueParked | None:
    """Parked when its agent may not spend any more."""
    for line in budget.all_lines(state, returned.issue, run):
        if not rules.budget_is_left(line, now):
            why = f"{returned.why}; its agent cannot go on: {line.told(now)}"
            return ev.IssueParked(returned.issue, why, returned.hunks, returned.files)
    return None


def _asked(
    state: State, attempt: Attempt, returned: ev.CandidateReturned, slot: int, now: datetime
) -> ev.RepairIntended:
    return ev.RepairIntended(
        issue=returned.issue,
        attempt=attempt.number,
        round=attempt.repairs + 1,
        feedback=f"{returned.why}\n\n{returned.hunks}".rstrip(),
        lease_until=now + timedelta(seconds=state.rules.lease_seconds),
        slot=slot,
        merge=True,
    )


def others(state: State, record: IssueRecord, returned: ev.CandidateReturned) -> tuple[Number, ...]:
    """The issues that landed after the attempt began and may be in its way, the newest `MOST_TOLD`, oldest first."""
    began = record.attempt.assigned_at if record.attempt else None
    landed = [
        other
        for other in state.issues.values()
        if other.state is IssueState.LANDED and began and other.ended_at and other.ended_at >= began
    ]
    files = set(returned.files)
    near = [one for one in landed if one.attempt and not files.isdisjoint(one.attempt.files)]
    latest = sorted(near if files else landed, key=lambda one: (one.ended_at, one.number))
    return tuple(one.number for one in latest[-MOST_TOLD:])


def gave_up(state: State, record: IssueRecord, returned: ev.CandidateReturned) -> IssueRecord:
    """The issue of an agent that failed while it was to merge: that, and what was to be resolved."""
    said = f"{record.reason}: {record.detail}" if record.detail else f"{record.reason}"
    why = f"{returned.why}; its agent was to merge {state.target_branch}, and failed: {said}"
    return replace(record, detail=why, hunks=returned.hunks, files=returned.files)
