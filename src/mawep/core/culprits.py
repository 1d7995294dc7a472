"""Who spoils a batch: group tests over parts of it, as many at once as there are gate slots.

Every verdict so far is held against what could explain it: one candidate that is red on the target, else two that are
red only together. While one alone explains it, each round halves who it can be by as many tests as there are slots, and
a round that has a slot for each who is left leaves each of them out: the green part is the answer, gated already.
What neither one nor two explain is searched for its longest green prefix, which holds whatever the gate says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from mawep.core.model import Number

Part = tuple[Number, ...]


class Probe(NamedTuple):
    """These parts have to be gated before more can be said.

    Those that are `early` are needed only if one of the others is red: they are worth a slot that would idle.
    """

    parts: tuple[Part, ...]
    early: tuple[Part, ...] = ()


class Land(NamedTuple):
    """This part is green and may land; `suspect` is who made the whole red, if that is known."""

    part: Part
    suspect: Number | None = None


class Eject(NamedTuple):
    """This candidate is red on the target as it stands."""

    number: Number


Diagnosis = Probe | Land | Eject
Verdicts = Mapping[Part, bool | None]
"""What the gate says of the parts that were asked for; None: nothing yet."""


def diagnose(whole: Part, known: Verdicts, slots: int = 1) -> Diagnosis:
    """What follows for the batch `whole` from what is known of its parts, with so many gates at once."""
    verdict = known.get(whole)
    if verdict is None:
        return Probe((whole,), tuple(_halves(whole, whole, slots - 1)))
    if verdict:
        return Land(whole)
    if len(whole) == 1:
        return Eject(whole[0])
    for number in reversed(whole):
        if known.get(rest := _without(whole, {number})):
            return Land(rest, number)
    if pending := tuple(part for part, verdict in known.items() if verdict is None):
        return Probe(pending)
    explained = _explanations(whole, known)
    suspects = _cover(whole, explained)
    if 0 < len(suspects) <= slots:
        return Probe(tuple(_without(whole, {number}) for number in suspects))
    if explained and len(explained[0]) == 1:
        return Probe(tuple(_halves(whole, suspects, slots)))
    return _longest_green_prefix(whole, known, slots)


def _without(whole: Part, out: Collection[Number]) -> Part:
    return tuple(number for number in whole if number not in out)


def _halves(whole: Part, among: Sequence[Number], most: int) -> Iterator[Part]:
    """Parts of the whole that leave out half of `among` each: who is left out of which is a binary code."""
    bits = min(most, (len(among) - 1).bit_length())
    codes = [(position << bits) // len(among) for position in range(len(among))]
    for bit in range(bits):
        yield _without(whole, {number for number, code in zip(among, codes, strict=True) if code >> bit & 1})


def _explanations(whole: Part, known: Verdicts) -> list[frozenset[Number]]:
    """Who, alone, makes red exactly what is red; if nobody does, which two together."""
    for size in (1, 2):
        sets = map(frozenset, combinations(whole, size))
        found = [who for who in sets if all((who <= set(part)) is not green for part, green in known.items())]
        if found:
            return found
    return []


def _cover(whole: Part, sets: Sequence[frozenset[Number]]) -> list[Number]:
    """A few of the whole, such that each set holds one of them; of two that do as well, who came later."""
    found: list[Number] = []
    while sets:
        worst = max(reversed(whole), key=lambda number: sum(number in one for one in sets))
        found.append(worst)
        sets = [one for one in sets if worst not in one]
    return found


def _longest_green_prefix(whole: Part, known: Verdicts, slots: int) -> Diagnosis:
    """Find where the whole turns red, and land the largest part that was seen green."""
    verdicts = {length: known.get(whole[:length]) for length in range(1, len(whole) + 1)}
    good = max((length for length, green in verdicts.items() if green), default=0)
    bad = next(length for length, green in verdicts.items() if length > good and green is False)
    between = range(good + 1, bad)
    if between:
        cuts = min(slots, len(between))
        return Probe(tuple(whole[: between[n * len(between) // (cuts + 1)]] for n in range(1, cuts + 1)))
    best = max((part for part, green in known.items() if green), key=len, default=())
    if not best:
        return Eject(whole[0])
    return Land(best, None if whole[good] in best else whole[good])
