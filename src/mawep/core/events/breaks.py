"""Events about what moves of the target break of work under way."""

from __future__ import annotations

import msgspec

from mawep.core.events.base import Event
from mawep.core.model import Number, Sha


class Broken(msgspec.Struct, frozen=True):
    """What the agent of an attempt is to be told: what it uses has changed, and how."""

    issue: Number
    attempt: int
    text: str


class BreaksSought(Event, frozen=True, tag=True):
    """Intent: see what the move of the target from `old` to `new` breaks of what these issues' agents work on."""

    old: Sha
    new: Sha
    issues: tuple[Number, ...]


class BreaksFound(Event, frozen=True, tag=True):
    """What it breaks has been looked for; who is not among `found` uses nothing of it."""

    old: Sha
    new: Sha
    found: tuple[Broken, ...] = ()
