"""What happened in a run: one closed union, each event named after the transition it records.

The intents (see `INTENTS`) are what `decide` asks for. They are journalled before their effect runs; the
effect answers with its done event. The fence of a turn is the sequence number of the intent that began it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from mawep.core.events.attempts import (
    AttemptAssigned,
    AttemptFailed,
    AttemptInterrupted,
    AttemptReclaimed,
    AttemptStarted,
    BreakingChangeAnnounced,
    ClaimsTaken,
    FilesTouched,
    LeasesExtended,
    MessageDelivered,
    MessageSent,
    QuestionAnswered,
    QuestionAsked,
    SessionOpened,
    StopIntended,
    TurnEnded,
)
from mawep.core.events.base import (
    Event,
)
from mawep.core.events.breaks import BreaksFound, BreaksSought, Broken
from mawep.core.events.budgets import BudgetWarned, Consumed, IssueOverBudget, UsageSeen
from mawep.core.events.group import AgentsAllowed, FarSeen
from mawep.core.events.landings import (
    CandidateImported,
    CandidateQueued,
    CandidateReturned,
    CandidateSetApart,
    GateFinished,
    GateIntended,
    ImportIntended,
    ImportRefused,
    LandingComposed,
    LandingOpened,
    LandingSealed,
    LandingSetAside,
    MergeConflict,
    MoveBlocked,
    MoveIntended,
    MoveLost,
    MoveUnblocked,
    ProbeComposed,
    ProbeIntended,
    RepairIntended,
    SealIntended,
    Step,
    TargetMoved,
)
from mawep.core.events.limits import (
    AttemptContinued,
    LimitLifted,
    ProviderLimitHit,
)
from mawep.core.events.offered import CandidateOffered, Landed, RevertAsked, RevertIntended
from mawep.core.events.outside import (
    CommandTaken,
    DependencyAdded,
    DependencyRefused,
    DependencyRemoved,
    IssueEdited,
    IssueNoticed,
    IssueUnclear,
    OutsideRead,
)
from mawep.core.events.pulls import (
    BranchUpdated,
    MergeDeferred,
    MergeIntended,
    PullRequestIntended,
    PullRequestMerged,
    PullRequestOpened,
    PullRequestQueued,
    PullRequestSeen,
    PullState,
    PullVerdict,
    UpdateIntended,
)
from mawep.core.events.reviews import ReviewFinished, ReviewIntended
from mawep.core.events.run import (
    DispatchPaused,
    DispatchUnpaused,
    Interrupted,
    IssueCancelled,
    IssueParked,
    IssueReopened,
    RetireIntended,
    RunEnded,
    RunResumed,
    RunStarted,
    RunStopped,
    TargetAdvanced,
    WorkspacesRetired,
)
from mawep.core.model import GateRecord

AnyEvent = (
    RunStarted
    | RunResumed
    | DispatchPaused
    | DispatchUnpaused
    | Interrupted
    | RunStopped
    | RunEnded
    | TargetAdvanced
    | AttemptAssigned
    | AttemptReclaimed
    | AttemptStarted
    | SessionOpened
    | QuestionAsked
    | QuestionAnswered
    | MessageSent
    | MessageDelivered
    | ClaimsTaken
    | FilesTouched
    | BreakingChangeAnnounced
    | BreaksSought
    | BreaksFound
    | LeasesExtended
    | TurnEnded
    | AttemptFailed
    | AttemptInterrupted
    | StopIntended
    | ProviderLimitHit
    | UsageSeen
    | BudgetWarned
    | IssueOverBudget
    | LimitLifted
    | AttemptContinued
    | ImportIntended
    | CandidateImported
    | ImportRefused
    | GateIntended
    | GateFinished
    | ReviewIntended
    | ReviewFinished
    | RepairIntended
    | CandidateQueued
    | CandidateReturned
    | CandidateSetApart
    | LandingSetAside
    | LandingOpened
    | LandingComposed
    | ProbeIntended
    | ProbeComposed
    | SealIntended
    | LandingSealed
    | MoveIntended
    | TargetMoved
    | MoveBlocked
    | MoveUnblocked
    | MoveLost
    | PullRequestIntended
    | PullRequestOpened
    | PullRequestSeen
    | UpdateIntended
    | BranchUpdated
    | MergeIntended
    | PullRequestQueued
    | MergeDeferred
    | PullRequestMerged
    | CandidateOffered
    | RevertAsked
    | RevertIntended
    | IssueParked
    | IssueReopened
    | IssueCancelled
    | RetireIntended
    | WorkspacesRetired
    | CommandTaken
    | DependencyAdded
    | DependencyRefused
    | DependencyRemoved
    | IssueEdited
    | IssueNoticed
    | IssueUnclear
    | OutsideRead
    | FarSeen
    | AgentsAllowed
)

Intent = (
    AttemptAssigned
    | AttemptReclaimed
    | AttemptContinued
    | MessageSent
    | StopIntended
    | ImportIntended
    | RevertIntended
    | GateIntended
    | ReviewIntended
    | RepairIntended
    | CandidateQueued
    | LandingOpened
    | ProbeIntended
    | SealIntended
    | MoveIntended
    | PullRequestIntended
    | UpdateIntended
    | MergeIntended
    | BreaksSought
    | RetireIntended
)

Command = (
    Intent
    | RunEnded
    | AttemptFailed
    | CandidateReturned
    | CandidateSetApart
    | LandingSetAside
    | IssueParked
    | IssueCancelled
    | LimitLifted
    | BudgetWarned
    | IssueOverBudget
    | IssueEdited
    | DependencyAdded
)


class Recorded(msgspec.Struct, frozen=True):
    """An event with its place in the journal: `seq` counts from 1, `at` is UTC."""

    seq: int
    at: datetime
    event: AnyEvent


def encode(event: AnyEvent) -> bytes:
    """The JSON form of an event, stable for the same event."""
    return msgspec.json.encode(event, order="deterministic")


def writable(event: AnyEvent) -> AnyEvent:
    """The event itself, or what can be written of it: names that are not UTF-8 get replacement characters.

    Git hands over paths as bytes, agents print what they like, and the journal is JSON.
    """
    try:
        encode(event)
    except UnicodeEncodeError:
        return msgspec.convert(_replaced(msgspec.to_builtins(event)), type(event))
    return event


def _replaced(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {key: _replaced(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_replaced(inner) for inner in value]
        case _:
            return value


def gate_digest(record: GateRecord) -> str:
    """The sha256 of a gate record's JSON form: what a landing commit's `Mawep-Gate` trailer names."""
    return hashlib.sha256(msgspec.json.encode(record, order="deterministic")).hexdigest()


_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def decode(data: bytes | str) -> AnyEvent:
    """The event that `encode` wrote.

    Raises:
        ValueError: the data is not an event this version knows (`msgspec.DecodeError` is a ValueError).
    """
    return _decoder.decode(data)


__all__ = [
    "AgentsAllowed",
    "AnyEvent",
    "AttemptAssigned",
    "AttemptContinued",
    "AttemptFailed",
    "AttemptInterrupted",
    "AttemptReclaimed",
    "AttemptStarted",
    "BranchUpdated",
    "BreakingChangeAnnounced",
    "BreaksFound",
    "BreaksSought",
    "Broken",
    "BudgetWarned",
    "CandidateImported",
    "CandidateOffered",
    "CandidateQueued",
    "CandidateReturned",
    "CandidateSetApart",
    "ClaimsTaken",
    "Command",
    "CommandTaken",
    "Consumed",
    "DependencyAdded",
    "DependencyRefused",
    "DependencyRemoved",
    "DispatchPaused",
    "DispatchUnpaused",
    "Event",
    "FarSeen",
    "FilesTouched",
    "GateFinished",
    "GateIntended",
    "ImportIntended",
    "ImportRefused",
    "Intent",
    "Interrupted",
    "IssueCancelled",
    "IssueEdited",
    "IssueNoticed",
    "IssueOverBudget",
    "IssueParked",
    "IssueReopened",
    "IssueUnclear",
    "Landed",
    "LandingComposed",
    "LandingOpened",
    "LandingSealed",
    "LandingSetAside",
    "LeasesExtended",
    "LimitLifted",
    "MergeConflict",
    "MergeDeferred",
    "MergeIntended",
    "MessageDelivered",
    "MessageSent",
    "MoveBlocked",
    "MoveIntended",
    "MoveLost",
    "MoveUnblocked",
    "OutsideRead",
    "ProbeComposed",
    "ProbeIntended",
    "ProviderLimitHit",
    "PullRequestIntended",
    "PullRequestMerged",
    "PullRequestOpened",
    "PullRequestQueued",
    "PullRequestSeen",
    "PullState",
    "PullVerdict",
    "QuestionAnswered",
    "QuestionAsked",
    "Recorded",
    "RepairIntended",
    "RetireIntended",
    "RevertAsked",
    "RevertIntended",
    "ReviewFinished",
    "ReviewIntended",
    "RunEnded",
    "RunResumed",
    "RunStarted",
    "RunStopped",
    "SealIntended",
    "SessionOpened",
    "Step",
    "StopIntended",
    "TargetAdvanced",
    "TargetMoved",
    "TurnEnded",
    "UpdateIntended",
    "UsageSeen",
    "WorkspacesRetired",
    "decode",
    "encode",
    "gate_digest",
    "writable",
]
