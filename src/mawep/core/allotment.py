"""Who of several runs gets how many of the agents that they have together: fair by need, and never too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Demand(NamedTuple):
    """What one run has and wants.

    It was last `allowed` so many agents, or may still believe so (`held` are at work, whatever it is allowed), and
    could use `need` in all. Of two the one with the smaller `turn` was given an agent longer ago.
    """

    allowed: int
    held: int
    need: int
    turn: int = 0

    @property
    def taken(self) -> int:
        """How many agents nobody else may have now."""
        return max(self.allowed, self.held)

    @property
    def about_to(self) -> bool:
        """True when it was given an agent that it has not put to work yet, and will."""
        return self.need > self.held and self.allowed > self.held


def shares(total: int, demands: Sequence[Demand]) -> list[int]:
    """How many of `total` agents each run should have: to everybody one more, again and again, while it needs one.

    When there are too few for one each, those come first that have waited longest, but nobody is taken what he was
    given a moment ago. What is left over in a later round stays where it is.
    """
    found = [0] * len(demands)
    for round_ in range(1, total + 1):
        asking = [place for place, demand in enumerate(demands) if demand.need >= round_]
        if round_ == 1:
            asking.sort(key=lambda place: (not demands[place].about_to, demands[place].turn))
        else:
            asking.sort(key=lambda place: (demands[place].allowed < round_, demands[place].turn))
        for place in asking[: total - sum(found)]:
            found[place] += 1
    return found


def allot(total: int, demands: Mapping[str, Demand]) -> dict[str, int]:
    """What each run is allowed from now on. Nobody is taken what nobody else needs.

    Whatever is told to whom first, and however late a run gives back what it is to give back: no more than `total`
    agents are at work, if `total` covers what is taken already.
    """
    names, known = list(demands), list(demands.values())
    fair = shares(total, known)
    left = max(0, total - sum(demand.taken for demand in known))
    now = [demand.allowed for demand in known]
    lacking = 0
    for place in sorted(range(len(known)), key=lambda place: known[place].turn):
        more = max(0, fair[place] - known[place].allowed)
        # Agents at work beyond what is allowed are its own: to allow them again takes nobody anything.
        own = min(more, known[place].taken - known[place].allowed)
        given = own + min(more - own, left)
        left -= given - own
        now[place] += given
        lacking += more - given
    coming = sum(
        max(0, demand.held - agents) for demand, agents in zip(known, now, strict=True)
    )  # back, soon
    lacking = max(lacking - coming, sum(demand.allowed for demand in known) - total)
    for place in sorted(range(len(known)), key=lambda place: fair[place] - known[place].allowed):
        taken = min(max(0, lacking), max(0, now[place] - fair[place]))
        now[place] -= taken
        lacking -= taken
    return dict(zip(names, now, strict=True))
