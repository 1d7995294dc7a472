"""Events about what changes on the tracker while a run goes on, and what people say there."""

from __future__ import annotations

from datetime import datetime

from mawep.core.events.base import Event
from mawep.core.model import Issue, Number


class IssueEdited(Event, frozen=True, tag=True):
    """The issue reads `now`. An agent that works on it is told; its dependencies have events of their own."""

    issue: Number
    now: Issue


class DependencyAdded(Event, frozen=True, tag=True):
    """An issue that is not at work waits for another one as well: of this run, or an open one outside of it."""

    issue: Number
    on: Number
    source: str


class DependencyRemoved(Event, frozen=True, tag=True):
    """An issue does not wait for another one any more; `why` is for people: closed, or taken away."""

    issue: Number
    on: Number
    why: str = ""


class DependencyRefused(Event, frozen=True, tag=True):
    """A new dependency is at odds with the run, which goes on as it was; `why` is for people."""

    issue: Number
    on: Number
    source: str
    why: str


class IssueNoticed(Event, frozen=True, tag=True):
    """Something happened to the issue on its tracker that people should know of and that changes nothing here."""

    issue: Number
    what: str


class IssueUnclear(Event, frozen=True, tag=True):
    """What of an issue, as it reads now, the run cannot follow, such as a dependency on an open issue of elsewhere."""

    issue: Number
    problems: tuple[str, ...]


class CommandTaken(Event, frozen=True, tag=True):
    """A command in a comment was carried out, or refused, for good: it is never looked at again.

    `said` is the answer to who gave it.
    """

    issue: Number
    comment: int
    by: str
    command: str
    done: bool
    said: str


class OutsideRead(Event, frozen=True, tag=True):
    """Everything that changed on the tracker before `until`, by the tracker's clock, has been looked at."""

    until: datetime
