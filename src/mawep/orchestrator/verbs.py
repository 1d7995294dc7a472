"""What people ask of a run, and what it means now: a sentence for who asked, and events, or a refusal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from mawep.coordination import payloads as wire
from mawep.core import events as ev
from mawep.core.model import Far, Issue, IssueState, Number
from mawep.core.state import State
from mawep.errors import MawepError

TEXT_LIMIT = 100_000
"""Characters that a person may say to an agent at once; so much goes into any message, however it is escaped."""

Verb = (
    wire.Pause
    | wire.Resume
    | wire.Cancel
    | wire.Send
    | wire.AnswerQuestion
    | wire.Approve
    | wire.Retry
    | wire.Offer
    | wire.Revert
    | wire.Ping
    | wire.Look
)


class Refused(MawepError):  # noqa: N818 (an answer to a person, not a fault)
    """A verb cannot be carried out; the sentence goes back to who asked."""

    exit_code = 2


def carry_out(verb: Verb, by: str, id_: str, state: State) -> tuple[str, list[ev.AnyEvent]]:
    """What a verb means now: a sentence for who asked, and the events.

    Raises:
        Refused: it cannot be done; says why and what can.
    """
    match verb:
        case wire.Ping():
            return "here", []
        case wire.Look():
            return "looking", []
        case wire.Pause():
            return "paused: what runs goes on, nothing new starts", [ev.DispatchPaused(by)]
        case wire.Resume():
            lifted = [ev.LimitLifted(name, by) for name, limit in state.limits.items() if not limit.lifted]
            return "resumed", [ev.DispatchUnpaused(by), *lifted]
        case wire.Cancel():
            open_ = [n for n, record in state.issues.items() if _may_be_cancelled(record.state)]
            return _cancel(open_ if verb.issues is None else verb.issues, by, state)
        case wire.Send():
            _check_length(verb.text)
            number = _addressee(verb.target, state)
            return f"sent to #{number}", [ev.MessageSent(number, id_, verb.text, by)]
        case wire.AnswerQuestion():
            return _answer(verb, by, state)
        case wire.Approve():
            return _answer(wire.AnswerQuestion(issue=verb.issue, text="yes"), by, state)
        case wire.Retry():
            return _retry(verb.issue, by, state)
        case wire.Offer():
            return _offer(verb, by, state)
        case wire.Revert():
            return _revert(verb, state)
        case _:
            assert_never(verb)


def _known(number: Number, state: State) -> None:
    if number not in state.issues:
        raise Refused(f"#{number} is not in this run", next_step="see `mawep status`")


def _cancel(numbers: Iterable[Number], by: str, state: State) -> tuple[str, list[ev.AnyEvent]]:
    wanted = sorted(numbers)
    for number in wanted:
        _known(number, state)
        record = state.issues[number]
        if record.state in (IssueState.LANDED, IssueState.LANDING, IssueState.REVERTED):
            raise Refused(f"#{number} is {record.state}; it cannot be cancelled any more")
    text = ", ".join(f"#{number}" for number in wanted) or "nothing"
    pulls = [pull.url for number in wanted if (pull := state.issues[number].pull) and pull.number]
    if pulls:
        text += f"; pull requests stay open: {', '.join(pulls)}"
    return f"cancelled {text}", [ev.IssueCancelled(number, by) for number in wanted]


def _may_be_cancelled(state: IssueState) -> bool:
    """Who cancels everything means what can still be cancelled; what is landing lands."""
    return not state.terminal and state is not IssueState.LANDING


def _addressee(target: str, state: State) -> Number:
    """The issue that a person means by `102`, `#102` or `agent-0`."""
    name = target.removeprefix("#")
    if name.isdigit():
        number = int(name)
        _known(number, state)
    else:
        slot = name.removeprefix("agent-")
        number = state.slots.get(int(slot), 0) if slot.isdigit() else 0
    record = state.issues.get(number)
    if record is None or not record.state.holds_slot or record.offered:
        raise Refused(f"no agent works on {target} now", next_step="see `mawep status`")
    return number


def _check_length(text: str) -> None:
    if len(text) > TEXT_LIMIT:
        raise Refused(
            f"{len(text)} characters are too many for a message", next_step=f"say it in at most {TEXT_LIMIT}"
        )


def _answer(verb: wire.AnswerQuestion, by: str, state: State) -> tuple[str, list[ev.AnyEvent]]:
    _check_length(verb.text)
    _known(verb.issue, state)
    question = state.issues[verb.issue].question
    if question is None or verb.question_id not in (None, question.id):
        raise Refused(
            f"#{verb.issue} does not wait for an answer", next_step=f"see `mawep explain {verb.issue}`"
        )
    if question.options and verb.text not in question.options:
        raise Refused(f"{verb.text!r} is not one of: {', '.join(question.options)}")
    return f"answered #{verb.issue}", [ev.QuestionAnswered(verb.issue, question.id, verb.text, by)]


def _retry(number: Number, by: str, state: State) -> tuple[str, list[ev.AnyEvent]]:
    _known(number, state)
    record = state.issues[number]
    never_begun = state.ended is not None and record.state in (IssueState.READY, IssueState.WAITING)
    if not (record.state.terminal or never_begun) or record.state is IssueState.LANDED:
        raise Refused(
            f"#{number} is {record.state}; only what failed, was parked or was cancelled can be tried again",
            next_step=f"see `mawep explain {number}`",
        )
    if record.state is IssueState.BLOCKED:
        culprit = record.blocked_by
        if isinstance(culprit, Far):
            raise Refused(f"#{number} is blocked by {culprit}", next_step=f"`mawep retry {culprit}`")
        how = "it is free when that is closed" if culprit not in state.issues else f"`mawep retry {culprit}`"
        raise Refused(f"#{number} is blocked by #{culprit}", next_step=how)
    return f"#{number} is tried again", [ev.IssueReopened(number, by)]


def _offer(verb: wire.Offer, by: str, state: State) -> tuple[str, list[ev.AnyEvent]]:
    _known(verb.issue, state)
    record = state.issues[verb.issue]
    if record.state is not IssueState.PARKED or record.attempt is None:
        raise Refused(
            f"#{verb.issue} is {record.state}; only what is parked can be resolved",
            next_step=f"see `mawep explain {verb.issue}`",
        )
    if state.rules.mode == "pull_request":
        raise Refused(f"#{verb.issue} lands by a pull request", next_step="push what you made to its branch")
    said = f"#{verb.issue} goes on with {verb.head[:12]}: it is checked, gated and landed"
    return said, [ev.CandidateOffered(verb.issue, verb.head, by)]


def _revert(verb: wire.Revert, state: State) -> tuple[str, list[ev.AnyEvent]]:
    number = verb.landings[-1].issue
    record = state.issues.get(number)
    if state.rules.mode != "local":
        raise Refused(f"this run lands by {state.rules.mode}, and MAWEP reverts what it lands itself")
    if record is not None and record.state is not IssueState.LANDED:
        raise Refused(
            f"#{number} is {record.state}; only what has landed can be reverted",
            next_step=f"see `mawep explain {number}`",
        )
    below = state.graph.below(number) if record is not None else ()
    if busy := [f"#{other}" for other in below if other in state.active]:
        raise Refused(
            f"{', '.join(busy)} is under way on top of #{number}",
            next_step="`mawep cancel` it first, or wait until it has landed",
        )
    *others, what = (Issue(one.issue, one.title, labels=tuple(one.labels)) for one in verb.landings)
    landings = tuple(ev.Landed(one.issue, one.commit) for one in verb.landings)
    return f"#{number} is being reverted", [ev.RevertAsked(what, landings, verb.by, tuple(others))]
