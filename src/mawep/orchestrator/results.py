"""What workers report of turns and of consumption, as events and values of the core."""

from __future__ import annotations

from mawep.coordination import payloads as wire
from mawep.core import events as ev
from mawep.core.model import FailureReason, Session, Usage


def result_events(result: wire.TurnResult, fence: int) -> list[ev.AnyEvent]:
    """What a worker's result says, as an event."""
    usage = usage_from(result.usage)
    if result.outcome == "finished" and result.head:
        session = Session(result.session_id, loadable=True) if result.session_id else None
        return [
            ev.TurnEnded(
                result.issue, fence, result.head, result.stop_reason, usage, session, result.transcript
            )
        ]
    if result.outcome == "limited":
        session = Session(result.session_id, loadable=True) if result.session_id else None
        return [
            ev.ProviderLimitHit(
                result.issue, fence, result.until, result.detail, usage, session, result.transcript
            )
        ]
    if result.outcome == "stopped" and result.reason is None:
        return [ev.AttemptInterrupted(result.issue, fence, result.salvage, usage)]
    try:
        reason = FailureReason(result.reason or FailureReason.AGENT_ERROR)
    except ValueError:  # a newer worker may know more
        reason = FailureReason.AGENT_ERROR
    return [ev.AttemptFailed(result.issue, fence, reason, result.detail, result.salvage, usage)]


def usage_from(consumed: wire.Consumption) -> Usage:
    """What an attempt has consumed, as a worker says it."""
    return Usage(**consumed.model_dump(include=set(Usage.__struct_fields__)))
