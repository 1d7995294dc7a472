"""From a command in a comment to events: the same verbs as on the bus, and an answer that is kept."""

from __future__ import annotations

from collections.abc import Iterable

from mawep.coordination import payloads as wire
from mawep.core import events as ev
from mawep.core.model import IssueState, Number
from mawep.core.state import State
from mawep.orchestrator.verbs import Refused, Verb, carry_out
from mawep.trackers.commands import VERBS, Command

SHOWN = 2000
"""Characters of a command that are kept as what was said; the journal has an event with all of it."""


def taken(state: State, comment: int) -> bool:
    """True when the commands of a comment were carried out or refused before."""
    return comment in state.outside.taken


def ordered(
    state: State, command: Command, *, issue: Number, comment: int, place: int, by: str
) -> list[ev.AnyEvent]:
    """What a command means now, and that it was taken; `place` counts the commands of a comment."""
    events: Iterable[ev.AnyEvent] = ()
    done = True
    try:
        said, events = _carried_out(state, command, issue, f"comment-{comment}-{place}", by)
    except Refused as refusal:
        said, done = refusal.what + (f" ({refusal.next_step})" if refusal.next_step else ""), False
    return [*events, ev.CommandTaken(issue, comment, by, str(command)[:SHOWN], done, said)]


def _carried_out(
    state: State, command: Command, issue: Number, id_: str, by: str
) -> tuple[str, Iterable[ev.AnyEvent]]:
    record = state.issues[issue]
    if command.verb == "status" or (command.verb == "start" and not _may_start_again(record.state)):
        return standing(state, issue), ()
    if not command.known:
        raise Refused(f"there is no `{command.verb}`", next_step=f"there are {', '.join(VERBS)}")
    return carry_out(_verb(command, issue), by, id_, state)


def _verb(command: Command, issue: Number) -> Verb:
    match command.verb:
        case "stop":
            return wire.Cancel(issues=[issue])
        case "approve":
            return wire.Approve(issue=issue)
        case "start" | "retry":
            return wire.Retry(issue=issue)
    if not command.text:
        raise Refused(f"`/mawep {command.verb}` needs a text")
    if command.verb == "ask":
        return wire.Send(target=str(issue), text=command.text)
    return wire.AnswerQuestion(issue=issue, text=command.text)


def _may_start_again(state: IssueState) -> bool:
    return state.terminal and state is not IssueState.LANDED


def standing(state: State, number: Number) -> str:
    """Where an issue is, in a few words."""
    record = state.issues[number]
    attempt = f", attempt {record.attempt.number}" if record.attempt is not None and record.active else ""
    asks = f": {record.question.text}" if record.question is not None else ""
    return f"#{number} is {record.state.value.replace('_', ' ')}{attempt}{asks}"
