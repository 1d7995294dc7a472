"""The safety rules, one predicate each. Everything that changes a run asks here.

They stand apart so that each can be read, tested and switched off by itself: the simulator must notice when
any one of them is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from mawep.core import changes
from mawep.core.budget import Line
from mawep.core.claims import ClaimTable
from mawep.core.far import FarRecord
from mawep.core.limits import Limit
from mawep.core.model import GateRecord, GateResult, IssueState, Number, Sha
from mawep.core.state import Attempt, IssueRecord, Landing, State


def dependencies_landed(state: State, number: Number) -> bool:
    """An issue becomes ready only when everything that it depends on has landed."""
    return state.unmet[number] == 0


def fence_is_current(attempt: Attempt, fence: int) -> bool:
    """Only the current turn of an attempt may report; what comes under an older fence is late."""
    return attempt.fence == fence


def claims_are_free(claims: ClaimTable, files: Iterable[str], number: Number, now: datetime | None) -> bool:
    """Two issues that declare the same path do not run at once, and nobody takes what another holds.

    `now` None counts claims whose time is up as well: their holder may still be heard of.
    """
    return next(claims.conflicts(files, asking=number, now=now), None) is None


def changes_are_settled(state: State, number: Number) -> bool:
    """What an announced breaking change affects starts when that has landed or its issue has ended."""
    return next(changes.holding(state, number), None) is None


def far_is_lost(record: FarRecord) -> bool:
    """What waits for an issue of another repository that will not land there is blocked as well."""
    return not record.landed and (record.over or failure_blocks(record.state))


def agent_is_left(state: State, at_work: int) -> bool:
    """Repositories that share their agents have no more at work than each of them is allowed."""
    return at_work < state.agents


def slot_is_free(state: State, slot: int) -> bool:
    """A slot works on one issue at a time."""
    return slot not in state.slots


def lease_holds(attempt: Attempt, now: datetime) -> bool:
    """A turn goes on only while its worker gives signs of life."""
    return attempt.lease_until > now


def candidate_may_queue(record: GateRecord) -> bool:
    """Only a candidate whose own tree passed the gate waits to land."""
    return record.result is GateResult.GREEN


def candidate_is_approved(record: IssueRecord, tree: Sha) -> bool:
    """Where work is reviewed, only a tree that a reviewer approved for its issue waits to land."""
    return any(review.approves(tree) for review in record.reviews)


def reviewer_is_free(state: State, under_way: int) -> bool:
    """No more reviews are under way at once than there may be."""
    return under_way < state.rules.review_slots


def merge_is_left(state: State, attempt: Attempt) -> bool:
    """The agent of a candidate that does not land is asked to merge the target so often and no oftener."""
    return attempt.merge_rounds < state.rules.merge_rounds


def tree_may_land(record: GateRecord) -> bool:
    """The target only ever points at a tree that passed the gate, exactly that tree."""
    return record.result is GateResult.GREEN


def target_is_unmoved(state: State, base: Sha) -> bool:
    """A batch lands only on the target that it was composed on."""
    return state.target == base


def batch_is_free(landing: Landing | None) -> bool:
    """One batch is composed and landed at a time."""
    return landing is None


def merge_is_free(state: State) -> bool:
    """One pull request is merged at a time: what a merge makes of the target is the base of the next."""
    return not any(key.startswith("merge:") for key in state.effects)


def not_landed_yet(record: IssueRecord) -> bool:
    """An issue lands once: nobody reopens or cancels what has landed."""
    return record.state is not IssueState.LANDED


def failure_blocks(state: IssueState) -> bool:
    """What waits for an issue that will not land is blocked, not left waiting for ever."""
    return state.terminal and state is not IssueState.LANDED


def provider_allows(state: State, runtime: str) -> bool:
    """No agent of a runtime starts or goes on while its provider takes nothing more."""
    limit = state.limits.get(runtime)
    return limit is None or limit.lifted


def limit_is_over(limit: Limit, now: datetime) -> bool:
    """A limit holds until the moment that its provider names, or until a pause of ours is over."""
    return limit.until <= now


def budget_is_left(line: Line, now: datetime) -> bool:
    """Nothing starts or goes on for which nothing may be spent any more."""
    return not line.used_up(now)


def input_is_overdue(asked_at: datetime, timeout: float, now: datetime) -> bool:
    """A question that nobody answers ends its attempt."""
    return (now - asked_at).total_seconds() >= timeout
