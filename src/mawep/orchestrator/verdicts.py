"""What a forge says of a pull request, read as one verdict: checks, reviews, and what of them is new to its agent.

Only what people say who may write to the repository counts; whatever they say is foreign text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from mawep.core.events import PullState, PullVerdict
from mawep.trackers.base import Check, CheckState, PullRequest, Required, Review, ReviewComment

TRUSTED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
"""Associations of those who may ask for changes, or approve."""
DECIDES = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})
"""Reviews that replace what the same person said before."""
TOLD = 6000
"""Characters of one thing that is said."""


@dataclass(frozen=True)
class Said:
    """Everything that was read of one pull request. `login` is ours."""

    pull: PullRequest
    required: Required
    login: str
    checks: Sequence[Check] = ()
    reviews: Sequence[Review] = ()
    remarks: Sequence[ReviewComment] = ()


@dataclass(frozen=True)
class Reading:
    """What it comes to. `items` name everything that asks for something, `feedback` tells what is new of it."""

    state: PullState
    verdict: PullVerdict
    waits_for: str
    feedback: str = ""
    items: tuple[str, ...] = ()


def state_of(pull: PullRequest) -> PullState:
    """What has become of it."""
    if pull.merged:
        return PullState.MERGED
    return PullState.OPEN if pull.state == "open" else PullState.CLOSED


def read(said: Said, answered: Collection[str]) -> Reading:
    """The verdict; `answered` names what its agent has been told already."""
    state = state_of(said.pull)
    if state is not PullState.OPEN:
        return Reading(state, PullVerdict.WAITING, "")
    asked = dict([*_red(said), *_asked(said)])
    new = {item: text for item, text in asked.items() if item not in answered}
    waits = list(_waits(said))
    if new and not any(check.state is CheckState.PENDING for check in _that_count(said)):
        feedback = "\n\n".join(new.values())
        return Reading(state, PullVerdict.CHANGES, "changes to be made", feedback, tuple(new))
    verdict = PullVerdict.WAITING if waits or new else PullVerdict.READY
    return Reading(state, verdict, ", ".join(waits))


def _that_count(said: Said) -> list[Check]:
    """Required checks; all of them where it is not said which are."""
    wanted = said.required.checks
    return [check for check in said.checks if not wanted or check.name in wanted]


def _red(said: Said) -> Iterator[tuple[str, str]]:
    for check in _that_count(said):
        if check.state is CheckState.FAILED:
            lines = (f"The check {check.name!r} failed ({check.conclusion}).", check.summary, check.excerpt)
            yield f"check:{check.name}:{said.pull.head_sha[:12]}", _text(*lines)


def _asked(said: Said) -> Iterator[tuple[str, str]]:
    for review in _newest(said):
        if review.state == "CHANGES_REQUESTED":
            yield f"review:{review.id}", _text(f"{_who(review)} asks for changes:", review.body)
    for remark in said.remarks:
        if remark.association in TRUSTED and not _ours(said, remark.author) and remark.answers is None:
            where = f"{remark.path}{f', line {remark.line}' if remark.line else ''}"
            yield f"remark:{remark.id}", _text(f"{_who(remark)} says of {where}:", remark.hunk, remark.body)


def _newest(said: Said) -> list[Review]:
    """The last word of each who has a say."""
    last: dict[str, Review] = {}
    for review in said.reviews:
        if review.state in DECIDES and review.association in TRUSTED and not _ours(said, review.author):
            last[review.author or ""] = review
    return list(last.values())


def _waits(said: Said) -> Iterator[str]:
    if said.pull.draft:
        yield "somebody to say that it is no draft any more"
    counted = {check.name: check for check in _that_count(said)}
    for name in said.required.checks:
        if name not in counted:
            yield f"the check {name}"
    for check in counted.values():
        if check.state in (CheckState.PENDING, CheckState.FAILED):
            yield f"the check {check.name}"
    reviews = _newest(said)
    for review in reviews:
        if review.state == "CHANGES_REQUESTED":
            yield f"another look of {review.author}"
    missing = said.required.approvals - sum(review.state == "APPROVED" for review in reviews)
    if missing > 0:
        yield f"{missing} approval{'s' if missing > 1 else ''}"


def _ours(said: Said, author: str | None) -> bool:
    return (author or "").casefold() == said.login.casefold()


def _who(of: Review | ReviewComment) -> str:
    return f"{of.author} ({of.association.lower()})"


def _text(*parts: str) -> str:
    return "\n".join(part.strip() for part in parts if part.strip())[:TOLD]
