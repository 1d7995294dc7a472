"""Events about attempts: turns, sessions, questions, messages, leases."""

from __future__ import annotations

from datetime import datetime

from mawep.core.events.base import Event
from mawep.core.model import (
    FailureReason,
    Number,
    Question,
    Session,
    Sha,
    Usage,
)


class AttemptAssigned(Event, frozen=True, tag=True):
    """Intent: an agent slot takes the issue.

    `name` is the directory name of its worktree, `claims` the patterns that it holds, `runtime` how it is driven.
    """

    issue: Number
    attempt: int
    slot: int
    branch: str
    name: str
    base: Sha
    claims: tuple[str, ...]
    lease_until: datetime
    runtime: str = ""


class AttemptReclaimed(Event, frozen=True, tag=True):
    """Intent: after a crash, the worker looks whether this turn ended or can be continued."""

    issue: Number
    attempt: int
    lease_until: datetime


class AttemptStarted(Event, frozen=True, tag=True):
    """The agent's process runs."""

    issue: Number
    fence: int
    pid: int
    worktree: str = ""


class SessionOpened(Event, frozen=True, tag=True):
    """The agent has a conversation."""

    issue: Number
    fence: int
    session: Session


class QuestionAsked(Event, frozen=True, tag=True):
    """The agent waits for a person."""

    issue: Number
    fence: int
    question: Question


class QuestionAnswered(Event, frozen=True, tag=True):
    """A person answered; the answer travels to the agent's worker."""

    issue: Number
    question: str
    text: str
    by: str


class MessageSent(Event, frozen=True, tag=True):
    """Intent: a message goes to the agent on an issue.

    `foreign`: not a person's words to it, so it is fenced; `lead` is our own sentence in front of it.
    """

    issue: Number
    message: str
    text: str
    by: str
    foreign: bool = False
    lead: str = ""


class MessageDelivered(Event, frozen=True, tag=True):
    """The worker has taken the message for its agent."""

    issue: Number
    message: str


class ClaimsTaken(Event, frozen=True, tag=True):
    """The agent asked for these paths, which nobody holds; they are its issue's until the attempt ends."""

    issue: Number
    fence: int
    paths: tuple[str, ...]


class FilesTouched(Event, frozen=True, tag=True):
    """The agent was seen to change these files for the first time in its attempt; nobody is kept from them."""

    issue: Number
    fence: int
    paths: tuple[str, ...]


class BreakingChangeAnnounced(Event, frozen=True, tag=True):
    """The agent says that its work breaks what others do: `affects` are paths and patterns, the texts its own."""

    issue: Number
    fence: int
    file: str
    change: str
    affects: tuple[str, ...] = ()
    migration: str = ""


class LeasesExtended(Event, frozen=True, tag=True):
    """The worker is alive: these turns may go on until `until`."""

    fences: tuple[int, ...]
    until: datetime


class TurnEnded(Event, frozen=True, tag=True):
    """The agent says it has finished; `head` is what its branch points at. A claim until git confirms it."""

    issue: Number
    fence: int
    head: Sha
    stop: str
    usage: Usage = Usage()
    session: Session | None = None
    transcript: str = ""


class AttemptFailed(Event, frozen=True, tag=True):
    """The attempt ended without a candidate. `salvage` is the ref that keeps uncommitted work."""

    issue: Number
    fence: int
    reason: FailureReason
    detail: str = ""
    salvage: str | None = None
    usage: Usage = Usage()


class AttemptInterrupted(Event, frozen=True, tag=True):
    """The attempt was stopped because the person interrupted the run; it is not a failure."""

    issue: Number
    fence: int
    salvage: str | None = None
    usage: Usage = Usage()


class StopIntended(Event, frozen=True, tag=True):
    """Intent: the worker ends the session, salvages, and reports the attempt as failed for `reason`.

    `reason` None means the person cancelled the issue or interrupted the run.
    """

    issue: Number
    fence: int
    reason: FailureReason | None
    detail: str = ""
