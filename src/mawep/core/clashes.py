"""Live branches that do not merge: which issues are concerned, and who is asked to move."""

from __future__ import annotations

from mawep.core.model import Number, Value
from mawep.core.state import State


class Clash(Value, frozen=True):
    """The branches of `issues` do not merge in `files`; of one issue alone: its branch and the target.

    `asked` is who is asked to move; None: nobody of them is at work.
    """

    issues: tuple[Number, ...]
    files: tuple[str, ...]
    asked: Number | None = None

    @property
    def key(self) -> str:
        """What it is known by: however it grows, it is told once."""
        return "conflict-" + "-".join(map(str, self.issues))


def clash_of(state: State, issues: tuple[Number, ...], files: tuple[str, ...]) -> Clash:
    """The clash of these issues, with who is to move.

    Only who is at work can: of two, the one of the lower priority class; if they are of the same, who began later.
    """
    at_work = [number for number in issues if state.issues[number].state.holds_slot]
    asked = max(
        at_work,
        key=lambda number: (state.graph.issues[number].priority, state.active.index(number)),
        default=None,
    )
    return Clash(issues, files, asked)


def told(state: State, clash: Clash, number: Number) -> str:
    """A clash as one sentence about this issue."""
    others = [f"#{one}" for one in clash.issues if one != number]
    whose = others[0] if others else state.target_branch
    move = f"; #{clash.asked} is asked to move" if clash.asked is not None else ""
    return f"the branch of #{number} conflicts with {whose} in {', '.join(clash.files)}{move}"
