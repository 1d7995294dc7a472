"""Events by which the runs of several repositories hold together: each is told what it has to know of the others."""

from __future__ import annotations

from mawep.core.events.base import Event
from mawep.core.model import Far, IssueState


class FarSeen(Event, frozen=True, tag=True):
    """An issue of another repository, for which issues here wait, is in this state, and `why`.

    `over`: it stays there, because its run has ended or stopped. What has landed was landed there, or closed as
    completed. To be told the same again changes nothing.
    """

    on: Far
    state: IssueState
    why: str = ""
    over: bool = False


class AgentsAllowed(Event, frozen=True, tag=True):
    """Of the agents that several repositories have together so many are this run's, until it is told otherwise."""

    agents: int
