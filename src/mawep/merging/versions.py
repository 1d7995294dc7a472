"""Versions and dates in lines: which of two is the later, and what a line says beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

from mawep.merging.tokens import VERSION

_DATE = r"\d{4}-\d{2}-\d{2}"
_TUPLE = r"\(\d+(?:, ?\d+){1,3}(?:, ?['\"][\w.]*['\"])?\)"
_RELEASE = re.compile(rf"(?P<date>{_DATE})|(?P<tuple>{_TUPLE})|(?P<version>{VERSION.pattern})")
_STAGE = {
    "dev": -4,
    "alpha": -3,
    "a": -3,
    "beta": -2,
    "b": -2,
    "pre": -1,
    "next": -1,
    "rc": -1,
    "c": -1,
    "post": 1,
}

Rank = tuple[tuple[int, int], ...]


def found_in(lines: Sequence[str]) -> tuple[str, ...]:
    """Every version, version tuple and date, in order."""
    return tuple(match.group() for match in _RELEASE.finditer("".join(lines)))


def masked(lines: Sequence[str]) -> str:
    """What is said beside versions and dates; white space does not count."""
    return re.sub(r"\s+", "", _RELEASE.sub(lambda match: f"<{match.lastgroup}>", "".join(lines)))


def rank(version: str) -> Rank:
    """What versions are ordered by: 1.0.dev < 1.0a1 < 1.0 < 1.0.post1 < 1.1."""
    parts = re.findall(r"\d+|[A-Za-z]+", version.lstrip("v^~"))
    return tuple((0, int(part)) if part.isdecimal() else (_STAGE.get(part.lower(), 0), 0) for part in parts)


def later(one: str, other: str) -> bool:
    """Whether `one` is a later version than `other`."""
    for left, right in zip_longest(rank(one), rank(other), fillvalue=(0, 0)):
        if left != right:
            return left > right
    return False


def latest(base: str, ours: str, theirs: str) -> str | None:
    """The text whose versions are the later ones, both changed from `base`; None when that cannot be said.

    All three must say the same beside their versions.
    """
    if not masked([base]) == masked([ours]) == masked([theirs]):
        return None
    was, mine, other = (_RELEASE.findall(text) for text in (base, ours, theirs))
    if not was:
        return None
    chosen = [_one(*(_text(found) for found in three)) for three in zip(was, mine, other, strict=True)]
    if any(version is None for version in chosen):
        return None
    queue = iter(chosen)
    return _RELEASE.sub(lambda _: next(queue) or "", ours)


def _text(groups: Sequence[str]) -> str:
    return next(group for group in groups if group)


def _one(was: str, mine: str, other: str) -> str | None:
    if other in (mine, was):
        return mine
    if mine == was:
        return other
    if later(mine, other):
        return mine
    return other if later(other, mine) else None
