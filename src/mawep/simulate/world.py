"""What every part of a simulated run shares, and what the world may ask of the hall."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Protocol

from mawep.clock import VirtualClock
from mawep.core import events as ev
from mawep.core.model import FailureReason, Number, Sha
from mawep.core.state import State
from mawep.simulate.agenda import Agenda
from mawep.simulate.repository import Patch, Repository
from mawep.simulate.scenario import Scenario


class Crash(Exception):  # noqa: N818 - it is the fault, not an error
    """The orchestrator's process dies here."""


class Orchestrator(Protocol):
    """The hall, as the world sees it."""

    state: State

    def receive(self, event: ev.AnyEvent) -> None:
        """Journal something that happened, and decide."""
        ...

    def conclude(self, intent: ev.Recorded, event: ev.AnyEvent) -> None:
        """The same for the end of an effect, unless its intent is out of date."""
        ...


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened, whatever the journal says.

    `green` says which parts of the gate a tree has passed, `seen` what each part saw when it did, `causes` are the
    reasons for which an issue may rightly fail, `unfit` the issues that may rightly be parked, `by_others` those that a
    person merged, `approved` what a reviewer found good: an issue and a tree.
    """

    green: dict[Sha, set[str]] = field(default_factory=lambda: defaultdict(set))
    seen: set[tuple[str, frozenset[Patch]]] = field(default_factory=set)
    causes: dict[Number, set[FailureReason]] = field(default_factory=lambda: defaultdict(set))
    unfit: set[Number] = field(default_factory=set)
    by_others: set[Number] = field(default_factory=set)
    approved: set[tuple[Number, Sha]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class World:
    """One world for each run; all chance comes from `rng`."""

    scenario: Scenario
    repository: Repository
    agenda: Agenda
    clock: VirtualClock
    rng: random.Random
    hall: Orchestrator
    truth: Truth = field(default_factory=Truth)
