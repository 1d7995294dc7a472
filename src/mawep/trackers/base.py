"""What every tracker can do."""

from __future__ import annotations

from typing import Protocol

from mawep.core.model import Issue


class Tracker(Protocol):
    """Where issues come from."""

    name: str

    async def issues(self) -> list[Issue]:
        """Every open issue, by number.

        Raises:
            ProblemsError: everything that cannot be read, at once.
            UsageError: there is no such tracker.
        """
        ...
