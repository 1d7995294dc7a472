"""In which order candidates that do not all fit together are composed, so that few of them are left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mawep.core.model import Number


def least_conflicting(
    queued: Sequence[Number], clashing: Collection[frozenset[Number]]
) -> tuple[Number, ...]:
    """Next is always who conflicts with the fewest of those left, of equals who came first; its rivals wait.

    Those who wait come last, in their order. Who is in a batch is not decided here: nobody is overtaken for longer.
    """
    left, chosen = list(queued), list[Number]()
    while left:
        number = min(left, key=lambda one: sum(frozenset((one, other)) in clashing for other in left))
        chosen.append(number)
        left = [one for one in left if one != number and frozenset((one, number)) not in clashing]
    return (*chosen, *(number for number in queued if number not in chosen))
