"""Events about reviews: an agent of its own looks at a candidate before it is queued."""

from __future__ import annotations

from datetime import datetime

from mawep.core.events.base import Event
from mawep.core.model import Number, Sha
from mawep.core.verdict import ReviewRecord


class ReviewIntended(Event, frozen=True, tag=True):
    """Intent: a reviewer, driven as `runtime`, looks at what an attempt made of `base`; `number` counts the issue's."""

    issue: Number
    attempt: int
    number: int
    commit: Sha
    tree: Sha
    base: Sha
    runtime: str = ""


class ReviewFinished(Event, frozen=True, tag=True):
    """A review is over, with a verdict or without.

    `limited`: the provider of its model takes nothing more before `until`; None when it does not say.
    """

    issue: Number
    record: ReviewRecord
    limited: bool = False
    until: datetime | None = None
