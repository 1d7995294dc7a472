"""The same engine under a virtual clock: runs with scripted agents and injected faults, and plans that are tried."""

from mawep.simulate.group import Together, simulate_group
from mawep.simulate.hall import Run, simulate
from mawep.simulate.makespan import Makespan, makespans
from mawep.simulate.observer import Invariant, Violation

__all__ = [
    "Invariant",
    "Makespan",
    "Run",
    "Together",
    "Violation",
    "makespans",
    "simulate",
    "simulate_group",
]
