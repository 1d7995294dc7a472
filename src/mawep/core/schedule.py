"""Who starts now, and for everyone else why not yet.

The order of work is one numbered comparison, kept as `Graph.rank`:
1. declared priority class, 2. work that unblocks the longest remaining path, 3. fewest predicted overlaps
with running work (see `mawep.core.apart`; declared overlaps are refused outright), 4. age, 5. number.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

import msgspec

from mawep.core import budget, changes, limits, pulls, returning, review, rules, slots
from mawep.core.apart import NEAR, UnderWay, as_urgent
from mawep.core.events import AttemptAssigned, RepairIntended
from mawep.core.far import awaited
from mawep.core.model import Far, IssueState, Number
from mawep.core.state import Attempt, IssueRecord, Progress, State, replace


class RefusalKind(StrEnum):
    """Why an issue is not running or landing yet."""

    DEPENDENCY = "dependency"
    CLAIM = "claim"
    BREAKING_CHANGE = "breaking_change"
    SLOTS = "slots"
    PAUSED = "paused"
    HALTED = "halted"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"
    BLOCKED = "blocked"
    FAILED = "failed"
    PARKED = "parked"
    CANCELLED = "cancelled"
    INPUT = "input"
    PROVIDER_LIMIT = "provider_limit"
    BUDGET = "budget"
    GATE = "gate"
    REVIEW = "review"
    QUEUE = "queue"
    RETURNED = "returned"
    PULL_REQUEST = "pull_request"
    DIRTY_CHECKOUT = "dirty_checkout"


class Refusal(msgspec.Struct, frozen=True):
    """One reason, for people (`detail`) and for programs (`kind`)."""

    kind: RefusalKind
    detail: str


def assignments(state: State, now: datetime) -> list[AttemptAssigned]:
    """The attempts that start now, in schedule order."""
    if not state.dispatching or run_budget(state, now) is not None:
        return []
    return [
        _assign(state, number, slot, now)
        for slot, number in zip(slots.free(state), _startable(state, now), strict=False)
    ]


def agents_wanted(state: State, now: datetime) -> int:
    """How many agents could be at work now if the run was allowed all that there are."""
    alone = replace(state, allowed=state.rules.max_agents)
    lines, free = budget.run_lines(alone), slots.free(alone)
    asked = (*returning.commands(alone, lines, now, free), *pulls.commands(alone, lines, now, free))
    repairs = sum(isinstance(command, RepairIntended) for command in asked)
    return min(len(state.slots) + repairs + len(assignments(alone, now)), state.rules.max_agents)


def _startable(state: State, now: datetime) -> Iterator[Number]:
    """The issues that an agent could begin now, in schedule order, as far as they do not exclude each other."""
    claims, until = state.claims, _lease(state, now)
    under_way = UnderWay(state)

    def fits(number: Number) -> bool:
        files = state.graph.issues[number].files
        return _is_free(state, number, now) and rules.claims_are_free(claims, files, number, now)

    ranked = filter(fits, (state.graph.by_rank[rank] for rank in state.ready))
    near = list(islice(ranked, 1))
    while near:
        if under_way.overlap(near[0]):
            near.extend(islice(ranked, NEAR - len(near)))
        number = min((n for n in near if as_urgent(state, n, near[0])), key=under_way.overlap)
        yield number
        under_way.add(number)
        claims = claims.take(number, state.graph.issues[number].files, until)
        near = [n for n in near if n != number and fits(n)] or list(islice(ranked, 1))


def _is_free(state: State, number: Number, now: datetime) -> bool:
    """True when neither its provider nor its budget nor an announced change holds an issue back."""
    return (
        rules.provider_allows(state, state.runtime_of(number))
        and issue_budget(state, number, now) is None
        and rules.changes_are_settled(state, number)
    )


def _lease(state: State, now: datetime) -> datetime:
    return now + timedelta(seconds=state.rules.lease_seconds)


def _assign(state: State, number: Number, slot: int, now: datetime) -> AttemptAssigned:
    attempt = state.issues[number].runs + 1
    again = attempt > 1 or number in state.suffixed
    suffix = f"-{state.run[-8:]}-a{attempt}" if again else ""
    return AttemptAssigned(
        issue=number,
        attempt=attempt,
        slot=slot,
        branch=f"{state.branches.get(number, f'feature/{number}')}{suffix}",
        name=f"agent-{slot}-issue-{number}{suffix}",
        base=state.target,
        claims=state.graph.issues[number].files if state.rules.on_claim_conflict != "off" else (),
        lease_until=_lease(state, now),
        runtime=state.runtime_of(number),
    )


def refusals(state: State, number: Number, now: datetime) -> tuple[Refusal, ...]:
    """Every reason why this issue is not running or landing now; empty while it works or has landed."""
    record = state.issues[number]
    match record.state:
        case IssueState.WAITING | IssueState.READY:
            return (*_not_started(state, number, now), *_not_dispatching(state, now))
        case IssueState.NEEDS_INPUT if record.question:
            return (Refusal(RefusalKind.INPUT, f"waits for an answer to: {record.question.text}"),)
        case IssueState.ASSIGNED if record.attempt and record.limited:
            return _limited(state, record.attempt.runtime)
        case IssueState.VERIFYING:
            return _verifying(state, record)
        case IssueState.QUEUED | IssueState.LANDING:
            return _not_landed(state, record)
        case IssueState.BLOCKED:
            return (Refusal(RefusalKind.BLOCKED, _blocked_because(state, record)),)
        case IssueState.FAILED:
            return (Refusal(RefusalKind.FAILED, f"{record.reason}: {record.detail}"),)
        case IssueState.PARKED:
            return (Refusal(RefusalKind.PARKED, record.detail),)
        case IssueState.CANCELLED:
            return (Refusal(RefusalKind.CANCELLED, f"cancelled by {record.cancelled_by}"),)
        case _:
            return ()


def _not_started(state: State, number: Number, now: datetime) -> tuple[Refusal, ...]:
    found = [
        Refusal(RefusalKind.DEPENDENCY, f"waits for #{on} ({state.issues[on].state}) to land")
        for on in state.graph.dependencies[number]
        if state.issues[on].state is not IssueState.LANDED
    ]
    found.extend(_far_away(state, number))
    if found:
        return tuple(found)
    conflicts = state.claims.conflicts(state.graph.issues[number].files, asking=number, now=now)
    found.extend(Refusal(RefusalKind.CLAIM, f"{c.path} is claimed by #{c.holder}") for c in conflicts)
    found.extend(
        Refusal(
            RefusalKind.BREAKING_CHANGE,
            f"waits for #{c.issue} to land or end: its agent announced a breaking change to {c.file}",
        )
        for c in changes.holding(state, number)
    )
    found.extend(_limited(state, state.runtime_of(number)))
    if over := issue_budget(state, number, now):
        found.append(Refusal(RefusalKind.BUDGET, over.told(now)))
    if not found and not slots.free(state):
        found.append(Refusal(RefusalKind.SLOTS, _all_busy(state)))
    return tuple(found)


def _far_away(state: State, number: Number) -> Iterator[Refusal]:
    for on in awaited(state.graph.issues[number]):
        known = state.far.get(on)
        if known is None or not known.landed:
            now = f" ({known.state})" if known else ""
            yield Refusal(RefusalKind.DEPENDENCY, f"waits for {on}{now} to land")


def _all_busy(state: State) -> str:
    most, here = state.rules.max_agents, state.agents
    if here < most:
        return f"of {most} agents {most - here} are left to other repositories, and the rest are busy"
    return f"all {most} agents are busy"


def run_budget(state: State, now: datetime) -> budget.Line | None:
    """The budget of the run that is used up."""
    return next((line for line in budget.run_lines(state) if not rules.budget_is_left(line, now)), None)


def issue_budget(state: State, number: Number, now: datetime) -> budget.Line | None:
    """The budget of an issue that is used up."""
    lines = budget.issue_lines(state, number)
    return next((line for line in lines if not rules.budget_is_left(line, now)), None)


def _not_dispatching(state: State, now: datetime) -> tuple[Refusal, ...]:
    over = run_budget(state, now)
    reasons = (
        (state.stopped is not None, RefusalKind.STOPPED, f"the run stopped: {state.stopped}"),
        (state.paused is not None, RefusalKind.PAUSED, f"the run is paused by {state.paused}"),
        (state.halted, RefusalKind.HALTED, "an issue failed and on_failure is halt"),
        (state.interrupted > 0, RefusalKind.INTERRUPTED, "the run was interrupted"),
        (over is not None, RefusalKind.BUDGET, over.told(now) if over else ""),
    )
    return tuple(Refusal(kind, detail) for holds, kind, detail in reasons if holds)


def _limited(state: State, runtime: str) -> tuple[Refusal, ...]:
    limit = state.limits.get(runtime)
    if limit is None or limit.lifted:
        return ()
    return (Refusal(RefusalKind.PROVIDER_LIMIT, limits.told(runtime, limit)),)


def _verifying(state: State, record: IssueRecord) -> tuple[Refusal, ...]:
    attempt = record.attempt
    if attempt is None or attempt.gate in state.gating:
        return ()
    if attempt.progress is Progress.REFUSED or (
        attempt.progress is Progress.IMPORTED and attempt.gate in state.gates
    ):
        if state.in_review(record.number) and review.verdict_on(record, attempt) is None:
            return _reviewing(state, record, attempt)
        return _limited(state, attempt.runtime)
    if attempt.progress is not Progress.IMPORTED:
        return ()
    return (Refusal(RefusalKind.GATE, f"waits for one of {state.rules.gate_slots} gate slots"),)


def _reviewing(state: State, record: IssueRecord, attempt: Attempt) -> tuple[Refusal, ...]:
    if f"review:{record.number}" in state.effects:
        return ()
    most = state.rules.review_slots
    waits = Refusal(
        RefusalKind.REVIEW, f"waits for {'the reviewer' if most == 1 else f'one of {most} reviewers'}"
    )
    return _limited(state, state.reviewer_of(attempt)) or (waits,)


def _not_landed(state: State, record: IssueRecord) -> tuple[Refusal, ...]:
    if record.sent_back and record.returned is not None:
        told = f"its agent is to merge {state.target_branch} as soon as a slot is free: {record.returned.why}"
        return (Refusal(RefusalKind.RETURNED, told),)
    if state.move_blocked is not None:
        files = ", ".join(state.move_blocked.files)
        detail = f"the checkout of {state.target_branch} at {state.move_blocked.where} is not clean: {files}"
        return (Refusal(RefusalKind.DIRTY_CHECKOUT, detail),)
    if record.pull is not None:
        return (Refusal(RefusalKind.PULL_REQUEST, pulls.told(record.pull)),)
    if any(record.number in batch.members for batch in state.aside):
        return (
            Refusal(RefusalKind.QUEUE, "its batch is gated beside another lane, and lands after its verdict"),
        )
    if record.state is IssueState.QUEUED:
        position = state.queue.index(record.number) + 1
        return (Refusal(RefusalKind.QUEUE, f"number {position} of {len(state.queue)} in the landing queue"),)
    return ()


def _blocked_because(state: State, record: IssueRecord) -> str:
    culprit = record.blocked_by
    if culprit is None:
        return "a dependency will not land"
    if isinstance(culprit, Far):
        return f"{culprit} is {state.far[culprit].told}"
    if culprit not in state.issues:
        return f"waits for #{culprit}, which is open and not in this run; it is free when that is closed"
    cause = state.issues[culprit]
    why = f" ({cause.reason})" if cause.reason else ""
    return f"#{culprit} is {cause.state}{why}"
