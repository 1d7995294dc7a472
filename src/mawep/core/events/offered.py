"""Events about candidates that no agent of the run made: a person's resolution, and the revert of a landing."""

from __future__ import annotations

import msgspec

from mawep.core.events.base import Event
from mawep.core.model import Issue, Number, Sha


class Landed(msgspec.Struct, frozen=True):
    """An issue and the commit that it landed as."""

    issue: Number
    commit: Sha


class CandidateOffered(Event, frozen=True, tag=True):
    """A person has made of a parked candidate what can land: it ends at `head`."""

    issue: Number
    head: Sha
    by: str


class RevertAsked(Event, frozen=True, tag=True):
    """A person wants a landing reverted, together with `landings` of what depends on it.

    They are in the order in which they are taken back, that of the issue itself last. `what` is the issue, `others` are
    those of the other landings; the run need not have had any of them until now.
    """

    what: Issue
    landings: tuple[Landed, ...]
    by: str
    others: tuple[Issue, ...] = ()


class RevertIntended(Event, frozen=True, tag=True):
    """Intent: a candidate is made that takes these landings back, on `base`."""

    issue: Number
    attempt: int
    base: Sha
    landings: tuple[Landed, ...]
