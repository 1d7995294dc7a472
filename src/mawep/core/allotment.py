"""Who of several runs gets how many of the agents that they have together: fair by need, and never too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Demand(NamedTuple):
    """What one run has and wants.

    It was last `allowed` so many agents, or may still believe so (`held` are at work, whatever it is allowed), and
    could use `need` in all. Of two the one with the smaller `turn` put an agent to work longer ago.
    """

    allowed: int
    held: int
    need: int
    turn: int = 0

    @property
    def taken(self) -> int:
        """How many agents nobody else may have now."""
        return max(self.allowed, self.held)


def shares(total: int, demands: Sequence[Demand]) -> list[int]:
    """How many of `total` agents each run should have: to everybody one more, again and again, while it needs one.

    When there are too few for one each, those come first that have waited longest. What is left over in a later round
    stays where it is.
    """
    found = [0] * len(demands)
    for round_ in range(1, total + 1):
        asking = [place for place, demand in enumerate(demands) if demand.need >= round_]
        if round_ == 1:
            asking.sort(key=lambda place: demands[place].turn)
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
    fair = dict(zip(demands, shares(total, list(demands.values())), strict=True))
    now = {name: demand.allowed for name, demand in demands.items()}
    left = max(0, total - sum(demand.taken for demand in demands.values()))
    lacking = 0
    for name in sorted(demands, key=lambda name: demands[name].turn):
        more = max(0, fair[name] - demands[name].taken)
        given = min(more, left)
        if given:
            now[name] = demands[name].taken + given
        left, lacking = left - given, lacking + more - given
    for name, demand in demands.items():
        if not lacking:  # what is to be given back is given back while anybody waits for it
            now[name] = max(now[name], min(fair[name], demand.taken))
    lacking -= sum(max(0, demand.held - now[name]) for name, demand in demands.items())
    lacking = max(lacking, sum(now.values()) - total)
    for name in sorted(demands, key=lambda name: fair[name] - now[name]):
        taken = min(max(0, lacking), max(0, now[name] - fair[name]))
        now[name], lacking = now[name] - taken, lacking - taken
    return now
