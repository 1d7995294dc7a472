"""What a tracker is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from mawep.core.model import Far, Issue, Number

V = TypeVar("V")


def _nothing() -> Mapping[Number, V]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Wanted:
    """Which issues a person asked for: some `numbers`, else all that everything else here fits.

    `query` is in the forge's own language, `project` the number of a board. `far` are issues that were named with
    their repository.
    """

    numbers: tuple[Number, ...] = ()
    label: str | None = None
    milestone: str | None = None
    query: str | None = None
    project: int | None = None
    far: tuple[Far, ...] = ()


class Outside(StrEnum):
    """What became of an issue that others wait for and that is not among those that were read."""

    OPEN = "open"
    PULL = "an open pull request"
    DONE = "closed"
    DROPPED = "closed as not planned"
    DUPLICATE = "closed as a duplicate"

    @property
    def met(self) -> bool:
        """True when whoever waits for it need not any more."""
        return self not in {Outside.OPEN, Outside.PULL}


@dataclass(frozen=True)
class Found:
    """What a tracker read for a question: `issues` are open, complete, and more than were asked for perhaps.

    `matching` are those that the question means; None: the tracker read all it has, choose by number and label.
    `outside` are those that issues wait for and that were not read. `problems` are what is wrong with an issue.
    `refused` are issues that must not be worked on, with the reason. `parents` have no work of their own: they
    are done when what they wait for is. `absent` are numbers asked for that are nothing to work on, and why.
    `notes` are for people, whatever is chosen.
    """

    issues: tuple[Issue, ...]
    matching: frozenset[Number] | None = None
    outside: Mapping[Number, Outside] = field(default_factory=_nothing)
    problems: Mapping[Number, tuple[str, ...]] = field(default_factory=_nothing)
    refused: Mapping[Number, str] = field(default_factory=_nothing)
    parents: frozenset[Number] = frozenset()
    absent: Mapping[Number, str] = field(default_factory=_nothing)
    notes: tuple[str, ...] = ()
