"""Live branches that do not merge: which issues are concerned, and who is asked to move."""

from __future__ import annotations

from collections.abc import Mapping

from mawep.core.model import Number, Value
from mawep.core.state import IssueRecord, State

MARKEDLY = 2
"""A change is the smaller one when the other has so many times its lines, or more; else they are alike."""


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


def _has_agent(record: IssueRecord) -> bool:
    return record.state.holds_slot and not record.offered


def clash_of(
    state: State, issues: tuple[Number, ...], files: tuple[str, ...], lines: Mapping[Number, int]
) -> Clash:
    """The clash of these issues, with who is to move; `lines` is how many each has changed so far.

    Only who is at work can: of two, the one of the lower priority class; if they are of the same, the one whose change
    is markedly smaller; if they are alike, who began later. Whose agent merges the target is not asked to move for it.
    """
    merges = len(issues) == 1 and state.issues[issues[0]].returned is not None
    at_work = [number for number in issues if _has_agent(state.issues[number]) and not merges]
    least = min((lines[number] for number in at_work), default=0)
    alike = all(lines[number] < MARKEDLY * max(least, 1) for number in at_work)
    asked = max(
        at_work,
        key=lambda number: (
            state.graph.issues[number].priority,
            alike or lines[number] == least,
            state.active.index(number),
        ),
        default=None,
    )
    return Clash(issues, files, asked)


def told(state: State, clash: Clash, number: Number) -> str:
    """A clash as one sentence about this issue."""
    others = [f"#{one}" for one in clash.issues if one != number]
    whose = others[0] if others else state.target_branch
    move = f"; #{clash.asked} is asked to move" if clash.asked is not None else ""
    return f"the branch of #{number} conflicts with {whose} in {', '.join(clash.files)}{move}"
