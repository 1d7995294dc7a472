"""What a rung answers for a hunk: texts that could stand there, the best first, each with why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from mawep.merging.threeway import Hunk, Lines


@dataclass(frozen=True)
class Offer:
    """What could stand in a hunk's place, and why, as a person reads it."""

    lines: Lines
    why: str


class Trust(IntEnum):
    """What a rung's offers are worth by themselves."""

    CERTAIN = 1
    """Nothing is left to judge."""
    LIKELY = 2
    """A rule says so: a person or a gate should look at it."""
    GUESS = 3
    """Worth a try where a gate chooses."""


@dataclass(frozen=True)
class Rung:
    """A rule by which hunks are merged: `offers(hunk, path)` answers nothing when the rule does not apply."""

    name: str
    offers: Callable[[Hunk, str], Iterable[Offer]]
    trust: Trust
