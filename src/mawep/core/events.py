"""What happened in a run: one closed union, each event named after the transition it records.

The intents (see `INTENTS`) are what `decide` asks for. They are journalled before their effect runs; the
effect answers with its done event. The fence of a turn is the sequence number of the intent that began it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from mawep.core.model import (
    FailureReason,
    GateRecord,
    Issue,
    Number,
    Question,
    Rules,
    Session,
    Sha,
    Usage,
)


class Event(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """Base of all events; its JSON form carries the class name as `type`."""


class RunStarted(Event, frozen=True, tag=True):
    """A run began. `suffixed` lists issues whose plain branch or worktree name is taken already.

    `settings` is the public configuration as JSON, `digests` the sha256 of templates; `branches` are plain branch
    names by issue number (JSON has only text for keys).
    """

    run: str
    trace: str
    target_branch: str
    target: Sha
    issues: tuple[Issue, ...]
    rules: Rules
    settings: str = "{}"
    digests: dict[str, str] = {}
    suffixed: tuple[Number, ...] = ()
    branches: dict[str, str] = {}


class RunResumed(Event, frozen=True, tag=True):
    """Another process took the run over. `rerun`: the person consents to run lost attempts again."""

    owner: str
    rerun: bool = True


class DispatchPaused(Event, frozen=True, tag=True):
    """A person stopped the start of new attempts."""

    by: str


class DispatchUnpaused(Event, frozen=True, tag=True):
    """A person let new attempts start again."""

    by: str


class Interrupted(Event, frozen=True, tag=True):
    """Ctrl-C. Level 1: nothing new starts, what runs may end its turn. Level 2: turns are stopped."""

    level: int


class RunStopped(Event, frozen=True, tag=True):
    """Infrastructure failed; the run can be resumed."""

    what: str


class RunEnded(Event, frozen=True, tag=True):
    """Every issue is in a terminal state. `outcome` is landed, partial or failed."""

    outcome: str


class TargetAdvanced(Event, frozen=True, tag=True):
    """Somebody else moved the target forward to `sha`, which contains all that landed."""

    sha: Sha


class AttemptAssigned(Event, frozen=True, tag=True):
    """Intent: an agent slot takes the issue.

    `name` is the directory name of its worktree, `claims` the patterns that it holds.
    """

    issue: Number
    attempt: int
    slot: int
    branch: str
    name: str
    base: Sha
    claims: tuple[str, ...]
    lease_until: datetime


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
    """Intent: a person's message goes to the agent on an issue."""

    issue: Number
    message: str
    text: str
    by: str


class MessageDelivered(Event, frozen=True, tag=True):
    """The worker has taken the message for its agent."""

    issue: Number
    message: str


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


class ImportIntended(Event, frozen=True, tag=True):
    """Intent: check what the attempt made and hold it by a ref of ours."""

    issue: Number
    attempt: int
    head: Sha
    base: Sha


class CandidateImported(Event, frozen=True, tag=True):
    """The attempt's commits passed the import checks."""

    issue: Number
    attempt: int
    commit: Sha
    tree: Sha
    files: tuple[str, ...]


class ImportRefused(Event, frozen=True, tag=True):
    """The attempt's commits did not pass. `repairable`: its agent may be asked to undo it."""

    issue: Number
    attempt: int
    reason: FailureReason
    detail: str
    repairable: bool = False


class GateIntended(Event, frozen=True, tag=True):
    """Intent: run the gate on `tree`, which is the tree of `commit`. `why` is shown to people."""

    tree: Sha
    commit: Sha
    why: str


class GateFinished(Event, frozen=True, tag=True):
    """A gate run ended."""

    record: GateRecord


class RepairIntended(Event, frozen=True, tag=True):
    """Intent: the same attempt's agent is told what is wrong and goes on."""

    issue: Number
    attempt: int
    round: int
    feedback: str
    lease_until: datetime


class CandidateQueued(Event, frozen=True, tag=True):
    """Intent: the candidate waits to land; its agent's session is closed and its slot is free."""

    issue: Number


class Step(msgspec.Struct, frozen=True):
    """One merge in a composition: `issue` on top of all before it."""

    issue: Number
    commit: Sha
    tree: Sha


class MergeConflict(msgspec.Struct, frozen=True, rename={"with_": "with"}):
    """A candidate that does not merge cleanly. `with_` empty: with the target itself."""

    issue: Number
    files: tuple[str, ...]
    hunks: str
    with_: tuple[Number, ...] = ()


class LandingOpened(Event, frozen=True, tag=True):
    """Intent: compose these candidates on `base`."""

    base: Sha
    members: tuple[Number, ...]


class LandingComposed(Event, frozen=True, tag=True):
    """The composition stands, held by a ref; conflicting candidates were left out."""

    base: Sha
    steps: tuple[Step, ...]
    conflicts: tuple[MergeConflict, ...] = ()


class ProbeIntended(Event, frozen=True, tag=True):
    """Intent: compose a part of the batch to find who makes it red."""

    base: Sha
    members: tuple[Number, ...]


class ProbeComposed(Event, frozen=True, tag=True):
    """A part of the batch is composed; `steps` is empty when that part does not merge by itself."""

    base: Sha
    members: tuple[Number, ...]
    steps: tuple[Step, ...]


class SealIntended(Event, frozen=True, tag=True):
    """Intent: make the final merge commits, with trailers naming the gate record and the journal's head.

    `suspect` is the candidate that made the rest of the batch red, if that is known.
    """

    base: Sha
    steps: tuple[Step, ...]
    gate: str
    date: datetime
    suspect: Number | None = None


class LandingSealed(Event, frozen=True, tag=True):
    """The final merge commits exist, held by a ref. Their trees are the gated ones."""

    base: Sha
    steps: tuple[Step, ...]


class MoveIntended(Event, frozen=True, tag=True):
    """Intent: the target goes from `old` to `new` by compare-and-swap."""

    old: Sha
    new: Sha
    steps: tuple[Step, ...]


class TargetMoved(Event, frozen=True, tag=True):
    """The target is at `new`; every candidate in `steps` has landed."""

    old: Sha
    new: Sha
    steps: tuple[Step, ...]


class MoveBlocked(Event, frozen=True, tag=True):
    """The target's checkout is not clean; landing waits. `files` names what is in the way."""

    files: tuple[str, ...]
    where: str


class MoveUnblocked(Event, frozen=True, tag=True):
    """The target's checkout is clean again."""


class MoveLost(Event, frozen=True, tag=True):
    """The target was moved by somebody else in the meantime; the batch is composed again on `actual`."""

    actual: Sha


class IssueParked(Event, frozen=True, tag=True):
    """The candidate cannot land as it is; branch and hunks are kept."""

    issue: Number
    why: str
    hunks: str = ""
    files: tuple[str, ...] = ()


class IssueReopened(Event, frozen=True, tag=True):
    """A person wants the issue tried again."""

    issue: Number
    by: str


class IssueCancelled(Event, frozen=True, tag=True):
    """A person does not want the issue any more."""

    issue: Number
    by: str


class RetireIntended(Event, frozen=True, tag=True):
    """Intent: give back the worktrees, branches and refs of landed attempts."""

    issues: tuple[Number, ...]


class WorkspacesRetired(Event, frozen=True, tag=True):
    """They are given back."""

    issues: tuple[Number, ...]


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
    | LeasesExtended
    | TurnEnded
    | AttemptFailed
    | AttemptInterrupted
    | StopIntended
    | ImportIntended
    | CandidateImported
    | ImportRefused
    | GateIntended
    | GateFinished
    | RepairIntended
    | CandidateQueued
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
    | IssueParked
    | IssueReopened
    | IssueCancelled
    | RetireIntended
    | WorkspacesRetired
)

Intent = (
    AttemptAssigned
    | AttemptReclaimed
    | MessageSent
    | StopIntended
    | ImportIntended
    | GateIntended
    | RepairIntended
    | CandidateQueued
    | LandingOpened
    | ProbeIntended
    | SealIntended
    | MoveIntended
    | RetireIntended
)

Command = Intent | RunEnded | AttemptFailed | IssueParked


class Recorded(msgspec.Struct, frozen=True):
    """An event with its place in the journal: `seq` counts from 1, `at` is UTC."""

    seq: int
    at: datetime
    event: AnyEvent


def encode(event: AnyEvent) -> bytes:
    """The JSON form of an event, stable for the same event."""
    return msgspec.json.encode(event, order="deterministic")


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
