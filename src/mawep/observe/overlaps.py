"""Which issues declare paths that overlap: they will not run at the same time.

Two patterns can overlap only when the fixed directories that they begin with lie in one another, so patterns
are kept in a tree of directories and compared only along its branches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import msgspec

from mawep.core.claims import clean, covers, is_glob, overlap, parents
from mawep.core.model import Issue, Number

MOST_PAIRS = 10_000
MOST_STEPS = 200_000
"""Comparisons after which the search is given up: whoever writes issues decides how many there could be."""


class Overlap(msgspec.Struct, frozen=True):
    """Issues `a` and `b` (a is the smaller number) both declare `paths`."""

    a: Number
    b: Number
    paths: tuple[str, ...]


class Overlaps(msgspec.Struct, frozen=True):
    """All pairs, by number; `complete` is False when there are too many to list them all."""

    pairs: tuple[Overlap, ...]
    complete: bool


def overlaps_of(issues: Iterable[Issue]) -> Overlaps:
    """Every pair of issues whose declared paths overlap."""
    holders: dict[str, list[Number]] = {}
    for issue in sorted(issues, key=lambda issue: issue.number):
        for pattern in dict.fromkeys(map(clean, issue.files)):
            holders.setdefault(pattern, []).append(issue.number)
    found: dict[tuple[Number, Number], dict[str, None]] = {}
    complete = True
    for steps, shared in enumerate(_shared(holders)):
        if steps == MOST_STEPS or len(found) > MOST_PAIRS:
            complete = False
            break
        if shared is not None:
            one, other, path = shared
            found.setdefault((min(one, other), max(one, other)), {})[path] = None
    pairs = (Overlap(a, b, tuple(sorted(paths))) for (a, b), paths in sorted(found.items())[:MOST_PAIRS])
    return Overlaps(tuple(pairs), complete)


def _shared(holders: dict[str, list[Number]]) -> Iterator[tuple[Number, Number, str] | None]:
    """Two issues and the path that they share, again and again; None for a comparison in vain."""
    seen = _Tree()
    for pattern, mine in holders.items():
        yield from ((a, b, pattern) for a, b in combinations(mine, 2))
        for other in seen.near(_stem(pattern)):
            if not overlap(other, pattern):
                yield None
                continue
            path = pattern if covers(other, pattern) else other
            yield from ((a, b, path) for a in mine for b in holders[other] if a != b)
        seen.add(pattern, _stem(pattern))


def _stem(pattern: str) -> str:
    """The fixed path that everything under the pattern begins with: '' when its first part is a wildcard."""
    if not is_glob(pattern):
        return pattern
    return next((parent for parent in parents(pattern) if not is_glob(parent)), "")


class _Tree:
    """Patterns by their stem."""

    def __init__(self) -> None:
        self._at: dict[str, list[str]] = {}
        self._below: dict[str, list[str]] = {}

    def add(self, pattern: str, stem: str) -> None:
        """Keep a pattern."""
        self._at.setdefault(stem, []).append(pattern)
        for above in _above(stem):
            self._below.setdefault(above, []).append(pattern)

    def near(self, stem: str) -> Iterator[str]:
        """Every pattern whose stem is this one, above it or below it."""
        for place in (stem, *_above(stem)):
            yield from self._at.get(place, ())
        yield from self._below.get(stem, ())


def _above(stem: str) -> tuple[str, ...]:
    """Every directory above a stem, the root of the repository last."""
    return (*parents(stem), "") if stem else ()
