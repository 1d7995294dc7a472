"""How likely two issues are to change the same file, from the files that each is likely to change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

from mawep.core.graph import Graph
from mawep.core.model import Likely, Number, Value

USUAL = 0.45
"""How often two issues share a file of which the same is predicted: which file it will be is known of neither."""
TOLD = frozenset({"declared", "named"})
"""Evidence that is no guess."""
WORTH_SAYING = 0.1
"""Pairs less likely than this to share a file are not shown."""
LIKELY = 0.25
"""Pairs at least as likely as this to share a file are what keeping apart is about."""
SHOWN = 3
MANY, PROBABLE = 3, 0.3
"""So many issues, each so likely to change a file, are a reason to prepare it first."""


class Shared(Value, frozen=True):
    """Issues `a` and `b` (a is the smaller number), how likely they share a file, and which files it could be."""

    a: Number
    b: Number
    chance: float
    files: tuple[str, ...]


class Foundation(Value, frozen=True):
    """A file that several issues are likely to change, none of which waits for another."""

    path: str
    issues: tuple[Number, ...]


def profile(files: Iterable[Likely]) -> dict[str, float]:
    """What an issue is likely to change, as a vector of length 1 (or 0, when nothing is known)."""
    shares = {one.path: one.share for one in files}
    total = sum(shares.values())
    return {path: sqrt(share / total) for path, share in shares.items()}


def likeness(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """How much two profiles have in common, from 0 to 1: their Bhattacharyya coefficient."""
    return sum(part * other[path] for path, part in one.items() if path in other)


@dataclass(frozen=True, slots=True)
class Reach:
    """What an issue is likely to change, made ready to be compared with others."""

    parts: Mapping[str, float]
    told: Mapping[str, float]


def reach(files: Sequence[Likely]) -> Reach:
    """Make a prediction ready."""
    return Reach(profile(files), {one.path: one.share for one in files if one.why in TOLD})


def chance(one: Reach, other: Reach) -> float:
    """How likely two issues are to share a file, from 0 to 1: surely where both texts say so."""
    both = (share * other.told[path] for path, share in one.told.items() if path in other.told)
    return max(max(both, default=0.0), USUAL * likeness(one.parts, other.parts) ** 2)


def shared_files(plan: Graph) -> list[Shared]:
    """The pairs that could run at the same time and are worth saying, the likeliest first."""
    return sharing(plan, plan.issues, plan.issues)


def sharing(plan: Graph, some: Collection[Number], others: Collection[Number]) -> list[Shared]:
    """Those pairs of one of `some` and one of `others`, the likeliest first."""
    known = [n for n in sorted({*some, *others}) if plan.issues[n].predicted]
    reaches = {number: reach(plan.issues[number].predicted) for number in known}
    after = {number: frozenset(plan.below(number)) for number in known}
    found = []
    for a, b in combinations(known, 2):
        if not ((a in some and b in others) or (b in some and a in others)):
            continue
        likely = chance(reaches[a], reaches[b])
        if likely >= WORTH_SAYING and a not in after[b] and b not in after[a]:
            files = _reasons(plan.issues[a].predicted, plan.issues[b].predicted)
            found.append(Shared(a, b, round(likely, 2), files))
    return sorted(found, key=lambda pair: (-pair.chance, pair.a, pair.b))


def _reasons(one: Iterable[Likely], other: Iterable[Likely]) -> tuple[str, ...]:
    shares = {found.path: found.share for found in other}
    both = {found.path: found.share * shares[found.path] for found in one if found.path in shares}
    return tuple(sorted(both, key=lambda path: (-both[path], path))[:SHOWN])


def foundations(plan: Graph, pairs: Iterable[Shared]) -> list[Foundation]:
    """Files of which many issues that could run at the same time are likely to change each."""
    ways = {(pair.a, pair.b) for pair in pairs}
    holders: dict[str, list[Number]] = {}
    for number in sorted(plan.issues):
        for one in plan.issues[number].predicted:
            if one.share >= PROBABLE:
                holders.setdefault(one.path, []).append(number)
    found = []
    for path, numbers in holders.items():
        met = Counter(n for pair in combinations(numbers, 2) if pair in ways for n in pair)
        if len(met) >= MANY:
            found.append(Foundation(path, tuple(sorted(met))))
    return sorted(found, key=lambda one: (-len(one.issues), one.path))
