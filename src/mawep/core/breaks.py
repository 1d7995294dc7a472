"""What moves of the target break of work under way: when it is looked for, and who has to be told.

An attempt knows the target that it began on. When the target has moved and its agent is at work, what changed since is
looked for once, by an effect; what it finds is told to that agent, in this turn or with its next one.
"""

from __future__ import annotations

from collections.abc import Iterator

from mawep.core import events as ev
from mawep.core.model import Number, Sha
from mawep.core.state import Progress, State, replace

LEAD = (
    "Work that landed on the target while you are at work has changed what files of yours use; it is shown below. Your "
    "branch does not have it yet: `git merge {new}` brings it in. Your work has to fit it before it can land."
)
"""What an agent is told before the changes, which are fenced."""


def message_id(new: Sha) -> str:
    """The id under which an agent is told of what this target breaks."""
    return f"broken-by-{new[:12]}"


def sought(state: State) -> Iterator[ev.BreaksSought]:
    """What is to be looked for now: for everybody at work who does not know the target as it is."""
    if not state.rules.tell_breaks:
        return
    behind: dict[Sha, list[Number]] = {}
    for number in state.active:
        attempt = state.issues[number].attempt
        if attempt is not None and _listens(state, number) and attempt.aware_of != state.target:
            behind.setdefault(attempt.aware_of, []).append(number)
    for old, numbers in behind.items():
        yield ev.BreaksSought(old, state.target, tuple(numbers))


def told(state: State) -> Iterator[ev.MessageSent]:
    """Whose work was found to be broken is told as soon as its agent is at work."""
    for new, broken in state.broken:
        if _listens(state, broken.issue):
            lead = LEAD.format(new=new)
            yield ev.MessageSent(broken.issue, message_id(new), broken.text, "MAWEP", foreign=True, lead=lead)


def _listens(state: State, number: Number) -> bool:
    attempt = state.issues[number].attempt
    return attempt is not None and number in state.active and attempt.progress is Progress.RUNNING


def without(state: State, number: Number, message: str | None = None) -> State:
    """The same when this message has gone to the agent on an issue; None: when none will go there any more."""
    left = tuple(
        (new, broken)
        for new, broken in state.broken
        if broken.issue != number or message not in (None, message_id(new))
    )
    return state if len(left) == len(state.broken) else replace(state, broken=left)
