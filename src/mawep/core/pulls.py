"""From a candidate that is proposed on a forge to one that the forge has merged: what follows from what is known.

The forge is asked for nothing here: what it says comes in as `PullRequestSeen`, and one question at a time is open for
each pull request. What somebody asks to have changed goes to the attempt's agent, which takes a slot for it before any
new work does; a head that was brought up to date passes the gate again before the forge gets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from mawep.core import budget, returning, rules
from mawep.core import events as ev
from mawep.core.events import PullState, PullVerdict
from mawep.core.model import Number
from mawep.core.state import Attempt, IssueRecord, Pull, State

MOST_REFUSALS = 3
"""So often may the forge not merge a head that it called ready, until a person has to look."""


def commands(state: State, run: list[budget.Line], now: datetime, free: list[int]) -> Iterator[ev.Command]:
    """What follows now for every pull request, oldest attempt first; takes slots out of those that are `free`."""
    taken = False
    for number in state.active:
        record = state.issues[number]
        if not record.proposed or record.pull is None or record.attempt is None or _is_busy(state, number):
            continue
        command = _next(state, record, record.attempt, record.pull)
        if isinstance(command, ev.MergeIntended):
            if taken or not rules.merge_is_free(state):
                continue
            taken = True
        elif command is None and _asks(record.pull):
            over = _over(state, number, run, now)
            command = _answer(state, record.attempt, record.pull, free, _Asked(number, over, now))
        if command is not None:
            yield command


def _is_busy(state: State, number: Number) -> bool:
    return any(f"{kind}:{number}" in state.effects for kind in ("pull", "update", "merge"))


def _next(state: State, record: IssueRecord, attempt: Attempt, pull: Pull) -> ev.Command | None:
    number, seen = record.number, pull.seen
    if record.cancelled_by is not None and not pull.queued and (seen is None or seen.state is PullState.OPEN):
        return ev.IssueCancelled(number, record.cancelled_by)
    if not pull.published:
        return _publish(state, number, attempt, pull)
    if seen is None:
        return None
    if seen.state is PullState.CLOSED:
        who = f" by {seen.by}" if seen.by else ""
        return ev.IssueParked(number, f"{_name(pull)} was closed{who} without being merged")
    if seen.state is PullState.MERGED:
        return ev.MergeIntended(number, attempt.number, pull.number, seen.head)
    if pull.refusals >= MOST_REFUSALS:
        return ev.IssueParked(number, f"the forge did not merge {_name(pull)}: {pull.refused}")
    ready = seen.verdict is PullVerdict.READY
    if seen.head != pull.head or seen.conflicting or (ready and seen.behind and not seen.queue):
        return ev.UpdateIntended(number, attempt.number, seen.head, seen.target)
    if ready and not seen.queued:
        return ev.MergeIntended(number, attempt.number, pull.number, pull.head, seen.queue)
    return None


def _publish(state: State, number: Number, attempt: Attempt, pull: Pull) -> ev.Command | None:
    """What passed the gate goes to the forge; what was green by itself and is red on the target as it is, does not."""
    verdict = state.gates.get(pull.gate)
    if verdict is None:
        return None
    if rules.candidate_may_queue(verdict):
        return ev.PullRequestIntended(number, attempt.number, pull.head)
    return returning.not_green(state, number, verdict)


def _asks(pull: Pull) -> bool:
    """True when something was said of it that nobody has answered."""
    seen = pull.seen
    if seen is None or seen.state is not PullState.OPEN or seen.verdict is not PullVerdict.CHANGES:
        return False
    return not pull.answered.issuperset(seen.items)


def _over(state: State, number: Number, run: list[budget.Line], now: datetime) -> str:
    """Which budget is used up; empty when none is."""
    lines = (line for line in budget.all_lines(state, number, run) if not rules.budget_is_left(line, now))
    return next((line.told(now) for line in lines), "")


class _Asked(NamedTuple):
    """Whose pull request, which of its budgets is used up, and when it is."""

    number: Number
    over: str
    now: datetime


def _answer(
    state: State, attempt: Attempt, pull: Pull, free: list[int], of: _Asked
) -> ev.RepairIntended | ev.IssueParked | None:
    """The agent is told, if it may be and a slot is free; else it waits, or a person has to answer."""
    number, over, now = of
    feedback, asked = pull.seen.feedback if pull.seen else "", f"changes are asked for in {_name(pull)}"
    if pull.theirs:
        return ev.IssueParked(number, f"{asked}, to which somebody else has pushed", hunks=feedback)
    if pull.rounds >= state.rules.max_review_rounds:
        return ev.IssueParked(number, f"after {pull.rounds} rounds {asked}", hunks=feedback)
    if over:
        return ev.IssueParked(number, f"{over}, and {asked}", hunks=feedback)
    if state.interrupted or not free or not rules.provider_allows(state, attempt.runtime):
        return None
    lease = now + timedelta(seconds=state.rules.lease_seconds)
    return ev.RepairIntended(number, attempt.number, attempt.repairs + 1, feedback, lease, slot=free.pop(0))


def _name(pull: Pull) -> str:
    return f"its pull request {pull.url}"


def wanted_gates(state: State) -> Iterator[ev.GateIntended]:
    """The gate runs on heads that were brought up to date."""
    for number in state.active:
        record = state.issues[number]
        pull = record.pull
        if pull is None or not record.proposed or pull.published:
            continue
        if pull.gate not in state.gates and pull.gate not in state.gating:
            yield ev.GateIntended(pull.tree, pull.head, f"#{number} on {state.target_branch}", pull.scopes)


def told(pull: Pull) -> str:
    """What a pull request waits for, in words."""
    name = f"its pull request #{pull.number}" if pull.number else "its pull request"
    seen = pull.seen
    if not pull.published:
        return f"{name} is about to be {'brought up to date' if pull.number else 'opened'}"
    if pull.queued:
        return f"{name} is in the merge queue of the forge ({pull.url})"
    if seen is not None and seen.waits_for:
        return f"{name} waits for {seen.waits_for} ({pull.url})"
    return f"{name} waits for checks and reviews ({pull.url})"
