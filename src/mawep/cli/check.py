"""One thing that `mawep doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `status` is ok, warning or failed; a failed one keeps a run from starting."""

    name: str
    status: str
    detail: str
