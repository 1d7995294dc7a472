"""Why an agent is to go on: for the gate, for its reviewer, or because a limit of its provider is lifted."""

from __future__ import annotations

from mawep.agents.prompt import Feedback, Quote
from mawep.core import events as ev
from mawep.core.state import Attempt, State

NOT_YET = "Your work does not pass yet. Correct it; the evidence follows."
REVIEWED = (
    "Your work passes, and another agent has reviewed it, which asks for changes before it goes in; its reasons "
    "follow. Make the changes that are right. Where it is mistaken, make that plain in the code or in a commit message."
)
GO_ON = (
    "A limit of your model's provider ended your turn before you had finished; it is lifted. Look at the state of your "
    "working tree, go on from there and finish the task."
)


def asked_by(state: State, repair: ev.RepairIntended) -> Feedback:
    """What an agent is told with a round of repair. Rounds for the gate and for reviewers are counted apart."""
    record = state.issues[repair.issue]
    asked = record.attempt.review_rounds if record.attempt else 0
    if not repair.review:
        evidence = (Quote("what MAWEP found", repair.feedback),)
        return Feedback(NOT_YET, evidence, max(repair.round - asked, 1), state.rules.repair_rounds)
    who = record.reviews[-1].runtime if record.reviews else "another agent"
    evidence = (Quote(f"what its reviewer ({who}) says", repair.feedback),)
    return Feedback(REVIEWED, evidence, max(asked, 1), state.rules.review_rounds)


def go_on(state: State, attempt: Attempt) -> Feedback:
    """What an agent is told that a limit interrupted while it repaired."""
    evidence = (Quote("what it was to put right", attempt.evidence),)
    most = state.rules.repair_rounds + attempt.review_rounds
    return Feedback(GO_ON, evidence, attempt.repairs, most)
