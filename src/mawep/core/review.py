"""Between the green gate of a candidate and its place in the queue: who looks at it, and what follows from a verdict.

What a reviewer approved once, for an issue, is not looked at again. What it wants changed goes back to the attempt's
agent as a round of repair, so often and no oftener. Without a verdict nothing goes on by itself: the issue is parked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from mawep.core import budget, rules
from mawep.core import events as ev
from mawep.core.model import FailureReason, Number
from mawep.core.state import Attempt, IssueRecord, State
from mawep.core.verdict import ReviewRecord, Verdict, parked_because, review_digest


def is_due(state: State, record: IssueRecord, attempt: Attempt) -> bool:
    """True when a candidate has to be approved, and is not yet; what a person offers, that person answers for."""
    if attempt.offered_by:
        return False
    return bool(state.rules.reviewers) and not rules.candidate_is_approved(record, attempt.tree or "")


def verdict_on(record: IssueRecord, attempt: Attempt) -> ReviewRecord | None:
    """The last word on what the attempt has made; None while there is none."""
    said = (
        one for one in reversed(record.reviews) if (one.attempt, one.tree) == (attempt.number, attempt.tree)
    )
    return next(said, None)


def proofs(state: State, steps: tuple[ev.Step, ...]) -> tuple[tuple[Number, str], ...]:
    """Which reviews approved what is about to land."""
    found = []
    for step in steps:
        record = state.issues[step.issue]
        tree = record.attempt.tree if record.attempt else None
        approved = next((one for one in record.reviews if one.approves(tree or "")), None)
        if approved is not None:
            found.append((step.issue, review_digest(approved)))
    return tuple(found)


def starts(state: State) -> Iterator[ev.ReviewIntended]:
    """Reviews that may begin, those of the oldest candidates first; in a run that is being stopped none does."""
    if not state.rules.reviewers or state.interrupted > 1:
        return
    under_way = sum(key.startswith("review:") for key in state.effects)
    for number in state.active:
        record, attempt = state.issues[number], state.issues[number].attempt
        if attempt is None or not state.in_review(number) or f"review:{number}" in state.effects:
            continue
        reviewer = state.reviewer_of(attempt)
        if verdict_on(record, attempt) is not None or not rules.provider_allows(state, reviewer):
            continue
        if rules.reviewer_is_free(state, under_way):
            under_way += 1
            yield ev.ReviewIntended(
                issue=number,
                attempt=attempt.number,
                number=len(record.reviews) + 1,
                commit=attempt.commit or "",
                tree=attempt.tree or "",
                base=attempt.base,
                runtime=reviewer,
            )


def next_for(
    state: State, record: IssueRecord, attempt: Attempt, run: list[budget.Line], now: datetime
) -> ev.RepairIntended | ev.StopIntended | None:
    """What follows for a candidate that is not approved; None: it waits for its reviewer, or its agent's provider."""
    number, said = record.number, verdict_on(record, attempt)
    if f"review:{number}" in state.effects:
        return None
    lines = [line for line in budget.all_lines(state, number, run) if not rules.budget_is_left(line, now)]
    over = next(iter(lines), None)
    if said is None:
        over = next(
            (line for line in lines if line.kind != "turns"), None
        )  # a review is no turn of its writer's
        if over is None:
            return None
        why = f"{over.told(now)}, and nobody has reviewed what it has made"
        return ev.StopIntended(number, attempt.fence, FailureReason.BUDGET_EXCEEDED, why)
    if said.verdict is Verdict.NONE or attempt.review_rounds >= state.rules.review_rounds:
        why = parked_because(number, said, attempt.review_rounds + 1)
        return ev.StopIntended(number, attempt.fence, FailureReason.REVIEW, why)
    if state.interrupted:
        return ev.StopIntended(number, attempt.fence, None, "the run was interrupted")
    if over is not None:
        why = f"{over.told(now)}, and its reviewer asks for changes:\n{said.reasons}"
        return ev.StopIntended(number, attempt.fence, FailureReason.BUDGET_EXCEEDED, why)
    if not rules.provider_allows(state, attempt.runtime):
        return None
    lease = now + timedelta(seconds=state.rules.lease_seconds)
    return ev.RepairIntended(number, attempt.number, attempt.repairs + 1, said.reasons, lease, review=True)
