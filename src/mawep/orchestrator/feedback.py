"""Why an agent is to go on: for the gate, its reviewer, or the target, or because a limit of its provider is lifted."""

from __future__ import annotations

from collections.abc import Iterator

from mawep.agents.prompt import Feedback, Quote, text_of
from mawep.core import events as ev
from mawep.core import returning
from mawep.core.state import Attempt, IssueRecord, State

NOT_YET = "Your work does not pass yet. Correct it; the evidence follows."
REVIEWED = (
    "Your work passes, and another agent has reviewed it, which asks for changes before it goes in; its reasons "
    "follow. Make the changes that are right. Where it is mistaken, make that plain in the code or in a commit message."
)
MERGE = (
    "Your work passes by itself and cannot land as it is: {target} has changed since you began, and is at commit "
    "{commit} now. Merge that commit into your branch (`git merge {commit}`), resolve what conflicts so that what "
    "either side is for still works, see that everything passes, and commit. Take nothing back that {target} has: "
    "whoever made it has finished. What is in the way, your issue, and the issues of the other side follow."
)
HUNKS_TOLD, ISSUE_TOLD = 40_000, 10_000
"""Characters of what is in the way, and of the text of an issue, that an agent is told."""
GO_ON = (
    "A limit of your model's provider ended your turn before you had finished; it is lifted. Look at the state of your "
    "working tree, go on from there and finish the task."
)


def asked_by(state: State, repair: ev.RepairIntended) -> Feedback:
    """What an agent is told with a round of repair. Rounds for the gate and for reviewers are counted apart."""
    record = state.issues[repair.issue]
    if repair.merge and record.attempt and record.returned:
        return _merging(state, record, record.attempt, record.returned)
    reviews = record.attempt.review_rounds if record.attempt else 0
    if not repair.review:
        asked = reviews + (record.attempt.merge_rounds if record.attempt else 0)
        evidence = (Quote("what MAWEP found", repair.feedback),)
        return Feedback(NOT_YET, evidence, max(repair.round - asked, 1), state.rules.repair_rounds)
    who = record.reviews[-1].runtime if record.reviews else "another agent"
    evidence = (Quote(f"what its reviewer ({who}) says", repair.feedback),)
    return Feedback(REVIEWED, evidence, max(reviews, 1), state.rules.review_rounds)


def _merging(state: State, record: IssueRecord, attempt: Attempt, returned: ev.CandidateReturned) -> Feedback:
    what = MERGE.format(target=state.target_branch, commit=state.target)
    evidence = tuple(_in_the_way(state, record, returned))
    return Feedback(what, evidence, attempt.merge_rounds, state.rules.merge_rounds)


def _in_the_way(state: State, record: IssueRecord, returned: ev.CandidateReturned) -> Iterator[Quote]:
    yield Quote("what MAWEP found", returned.why)
    if returned.hunks:
        source = "what conflicts" if returned.files else "what the gate printed"
        yield Quote(source, returned.hunks[:HUNKS_TOLD])
    for number in (record.number, *returning.others(state, record, returned)):
        text = text_of(state.graph.issues[number])
        yield Quote(text.source, text.text[:ISSUE_TOLD])


def go_on(state: State, attempt: Attempt) -> Feedback:
    """What an agent is told that a limit interrupted while it repaired."""
    evidence = (Quote("what it was to put right", attempt.evidence),)
    most = state.rules.repair_rounds + attempt.review_rounds + attempt.merge_rounds
    return Feedback(GO_ON, evidence, attempt.repairs, most)
