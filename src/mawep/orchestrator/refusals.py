"""Reports that a forge refused: what they are, why, and which of them a person can still have taken."""

from __future__ import annotations

from mawep.orchestrator.report_names import called
from mawep.trackers.base import ForgeError, NotAllowed

MOST_NAMED = 5
"""Refused reports that are named where people look."""


class Refusals:
    """What was refused in this process, by name."""

    def __init__(self) -> None:
        self._errors: dict[str, ForgeError] = {}

    def add(self, name: str, error: ForgeError) -> None:
        """The forge does not take this report."""
        self._errors[name] = error

    def __contains__(self, name: str) -> bool:
        return name in self._errors

    def __len__(self) -> int:
        return len(self._errors)

    @property
    def curable(self) -> int:
        """How many of them a person can have taken after all, by giving us the permission."""
        return sum(isinstance(error, NotAllowed) for error in self._errors.values())

    def try_again(self) -> None:
        """Let what was not allowed be tried once more."""
        self._errors = {
            name: error for name, error in self._errors.items() if not isinstance(error, NotAllowed)
        }

    def sentences(self) -> tuple[str, ...]:
        """What the first of them are and why they were refused, for people."""
        return tuple(_sentence(name, error) for name, error in list(self._errors.items())[:MOST_NAMED])


def _sentence(name: str, error: ForgeError) -> str:
    why = "; ".join(part for part in (error.cause or error.what, error.next_step) if part)
    return f"{called(name)} ({why})"
