"""What a person offers instead of an agent, and why it may not land: nobody is asked to repair it, it is parked."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core.model import FailureReason, Number
from mawep.core.state import Attempt


def parked(number: Number, attempt: Attempt, reason: FailureReason, detail: str) -> ev.IssueParked:
    """The end of an offered candidate that does not pass; `detail` is what the gate or the import checks said."""
    what = "the revert" if attempt.head is None else f"what {attempt.offered_by} made of it"
    if reason is FailureReason.GATE_FAILED:
        return ev.IssueParked(number, f"{what} does not pass the gate", hunks=detail)
    return ev.IssueParked(number, f"{what} was not taken in ({reason.value}): {detail}")
