"""Events about limits of providers: an attempt runs into one, waits, and goes on."""

from __future__ import annotations

from datetime import datetime

from mawep.core.events.base import Event
from mawep.core.model import Number, Session, Usage


class ProviderLimitHit(Event, frozen=True, tag=True):
    """The provider of an attempt's model takes nothing more before `until`; None when it does not say.

    The attempt has not failed: its work lies in its worktree, and it goes on when the limit is lifted.
    """

    issue: Number
    fence: int
    until: datetime | None
    why: str
    usage: Usage = Usage()
    session: Session | None = None
    transcript: str = ""


class LimitLifted(Event, frozen=True, tag=True):
    """Agents of a runtime may start and go on again: the time is over, or `by` says so."""

    runtime: str
    by: str = ""


class AttemptContinued(Event, frozen=True, tag=True):
    """Intent: an attempt that waited for its provider goes on, in its session if that can be loaded."""

    issue: Number
    attempt: int
    lease_until: datetime
