"""What is known about a run: a value, folded from its events and from nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import msgspec
from immutables import Map

from mawep.core import graph
from mawep.core.claims import ClaimTable
from mawep.core.events import (
    Broken,
    CandidateReturned,
    Landed,
    MergeConflict,
    MoveBlocked,
    PullRequestSeen,
    Recorded,
    Step,
)
from mawep.core.far import FarRecord
from mawep.core.limits import Limit
from mawep.core.model import (
    Change,
    FailureReason,
    Far,
    GateRecord,
    GateResult,
    IssueState,
    Number,
    Question,
    Routed,
    Rules,
    Session,
    Sha,
    Usage,
    gate_name,
)
from mawep.core.outside import Outside
from mawep.core.verdict import ReviewRecord

Changed = TypeVar("Changed", bound=msgspec.Struct)


class Progress(StrEnum):
    """How far the current turn of an attempt has come."""

    RUNNING = "running"  # the worker has it
    ORPHANED = "orphaned"  # its worker died with the last process; nobody has looked yet
    ENDED = "ended"  # the agent says it has finished
    IMPORTING = "importing"
    LIMITED = "limited"  # its provider takes nothing more for now; it goes on later
    REFUSED = "refused"  # the import checks said no
    IMPORTED = "imported"
    STOPPING = "stopping"  # the worker was told to end it
    QUEUED = "queued"


class Spent(msgspec.Struct, frozen=True):
    """What was spent; `usd` and `tokens` are what is known of it. `since` are the moments since which agents work."""

    usd: float = 0.0
    tokens: int = 0
    turns: int = 0
    worked: timedelta = timedelta()
    since: tuple[datetime, ...] = ()

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.usd + other.usd,
            self.tokens + other.tokens,
            self.turns + other.turns,
            self.worked + other.worked,
            (*self.since, *other.since),
        )

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            self.usd - other.usd,
            self.tokens - other.tokens,
            self.turns - other.turns,
            self.worked - other.worked,
            self.since,
        )

    def of(self, kind: str, now: datetime) -> float:
        """How much of a kind: `usd`, `tokens`, `turns` or `minutes`."""
        if kind == "minutes":
            time = self.worked + sum((now - since for since in self.since), timedelta())
            return time / timedelta(minutes=1)
        return float(getattr(self, kind))


class Attempt(msgspec.Struct, frozen=True):
    """One agent on one issue. `fence` is that of its current turn; `number` counts from 1.

    `repairs` counts the rounds in which it was told what is wrong, `review_rounds` those of them that a reviewer asked
    for, `merge_rounds` those in which it was to merge the target. `evidence` is what its agent was last told to repair.
    `reclaimed`: its turn died with an earlier MAWEP process and has not started again yet; that turn's fence is
    `previous_fence`. `asked` are the paths that its agent claimed at run time, `touched` the files that it was seen to
    change. `scopes` is what its candidate affects; None: everything; `reads` is the digest of what those read, where
    lanes are allowed. `seen` is the newest target that was compared with its work; empty: its base. `offered_by`: its
    candidate is not an agent's, but what this person has offered. `reverts`: it takes these landings back. `resolved`
    says what its agent made of conflicts with the target.
    """

    number: int
    slot: int
    fence: int
    name: str
    branch: str
    base: Sha
    lease_until: datetime
    assigned_at: datetime
    progress: Progress = Progress.RUNNING
    worktree: str = ""
    pid: int | None = None
    started_at: datetime | None = None
    session: Session | None = None
    head: Sha | None = None
    commit: Sha | None = None
    tree: Sha | None = None
    files: tuple[str, ...] = ()
    repairs: int = 0
    review_rounds: int = 0
    merge_rounds: int = 0
    refusal: tuple[FailureReason, str, bool] | None = None
    evidence: str = ""
    usage: Usage = Usage()
    worked: timedelta = timedelta()
    works_since: datetime | None = None
    transcript: str = ""
    stop: str = ""
    reclaimed: bool = False
    previous_fence: int | None = None
    runtime: str = ""
    asked: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    reads: str | None = None
    resolved: tuple[str, ...] = ()
    seen: Sha = ""
    offered_by: str = ""
    reverts: tuple[Landed, ...] = ()

    @property
    def aware_of(self) -> Sha:
        """The target of which it is known what it changes for this attempt."""
        return self.seen or self.base

    @property
    def gate(self) -> str:
        """What the verdict on its candidate is known by."""
        return gate_name(self.tree or "", self.scopes, self.reads)

    @property
    def turns(self) -> int:
        """How often an agent was at work since it was begun, or a person took it up."""
        return 0 if self.offered_by else 1 + self.repairs


class Pull(msgspec.Struct, frozen=True):
    """The pull request of an attempt. `head` (with its `tree`) is what its branch is, or, not `published`, is to be.

    `rounds` counts repairs that it asked for, `answered` names what they were about, `refusals` counts merges of this
    head that the forge did not do. `theirs`: somebody else pushed to it. `seen` is what the forge said last of it.
    """

    head: Sha
    tree: Sha
    scopes: tuple[str, ...] | None = None
    published: bool = False
    number: int = 0
    url: str = ""
    rounds: int = 0
    answered: frozenset[str] = frozenset()
    refusals: int = 0
    refused: str = ""
    theirs: bool = False
    queued: bool = False
    exact: bool | None = None
    seen: PullRequestSeen | None = None

    @property
    def gate(self) -> str:
        """What the verdict on its tree is known by."""
        return gate_name(self.tree, self.scopes)


class TakenBack(msgspec.Struct, frozen=True):
    """What an issue had `landed_as` is not on the target any more: `commit` took it back, as `by` had asked."""

    landed_as: Sha
    commit: Sha
    by: str


class IssueRecord(msgspec.Struct, frozen=True):
    """One issue in this run. `spent`, `turns` and `worked` are those of its earlier attempts, of which it had `runs`.

    `spent` has what reviews of it consumed, too. `granted` is what had been spent on it when a person reopened it.
    `forgiven` counts attempts that ended through no fault of their own (lost with MAWEP, interrupted,
    reopened by a person): they do not count as retries. `reassigned`: one of them was lost with its worker. `returned`
    says why its agent has to merge the target, from when that is known until it has another candidate;
    `suspected`, with whom it made a batch red. `taken_back` says what of it was reverted last, until it lands again.
    """

    number: Number
    state: IssueState
    runs: int = 0
    forgiven: int = 0
    reassigned: bool = False
    attempt: Attempt | None = None
    reason: FailureReason | None = None
    detail: str = ""
    blocked_by: Number | Far | None = None
    cancelled_by: str | None = None
    question: Question | None = None
    salvage: str | None = None
    hunks: str = ""
    files: tuple[str, ...] = ()
    landed_as: Sha | None = None
    taken_back: TakenBack | None = None
    pull: Pull | None = None
    returned: CandidateReturned | None = None
    suspected: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    spent: Usage = Usage()
    turns: int = 0
    worked: timedelta = timedelta()
    granted: Spent = Spent()
    reviews: tuple[ReviewRecord, ...] = ()

    @property
    def active(self) -> bool:
        """True from its assignment until it lands or ends otherwise."""
        return self.state.holds_slot or self.state in (IssueState.QUEUED, IssueState.LANDING)

    @property
    def offered(self) -> bool:
        """True when no agent has anything to do with what becomes of it: a person has offered its candidate."""
        return self.attempt is not None and self.attempt.offered_by != ""

    @property
    def reverted_as(self) -> Sha | None:
        """The commit that took back what it brought, unless it is under way anew."""
        return self.taken_back.commit if self.taken_back and self.state is IssueState.REVERTED else None

    @property
    def reverts(self) -> bool:
        """True when it has landed, and its attempt is to take that back."""
        return self.landed_as is not None and self.attempt is not None and bool(self.attempt.reverts)

    @property
    def proposed(self) -> bool:
        """True while it waits for what a forge says of its pull request."""
        return self.pull is not None and self.state is IssueState.QUEUED and not self.sent_back

    @property
    def sent_back(self) -> bool:
        """True while it waits for a slot in which its agent merges the target."""
        return self.returned is not None and self.state is IssueState.QUEUED

    @property
    def limited(self) -> bool:
        """True while its attempt waits for its provider."""
        return self.attempt is not None and self.attempt.progress is Progress.LIMITED


class Landing(msgspec.Struct, frozen=True):
    """The batch that is being landed on `base`. `parts` holds composed parts; None: asked for.

    `conflict` is that of a candidate that is alone in it, `ways` are those to merge it all the same, the best first.
    """

    base: Sha
    members: tuple[Number, ...]
    steps: tuple[Step, ...] | None = None
    parts: Map[tuple[Number, ...], tuple[Step, ...] | None] = Map()
    conflict: MergeConflict | None = None
    ways: tuple[Step, ...] = ()
    chosen: tuple[Step, ...] | None = None
    sealed: tuple[Step, ...] | None = None
    moving: bool = False


class Aside(msgspec.Struct, frozen=True):
    """A batch that waits for `gates` while another lane lands; `members` are in the queue meanwhile."""

    members: tuple[Number, ...]
    gates: tuple[str, ...]


class State(msgspec.Struct, frozen=True):
    """A run. `ready` holds ranks, ascending; `active` issues between assignment and landing, oldest first.

    `limits` are those of providers, by runtime. `effects` are the intents whose done event has not come yet, by kind
    and key: the outbox. `gates` are verdicts by what they are known by (`gate_name`), `gating` says why more are under
    way. `spent` is what attempts that are over and reviews consumed. `paused` names who stopped the start of new
    attempts. `changes` are open breaking changes, `to_tell` of which one (by its number) which issue's agent has to be
    told yet. `far` is what is known of issues of other repositories, `allowed` how many agents those leave to this run.
    `broken` is what targets break of whose work, and has not been told.
    """

    seq: int = 0
    run: str = ""
    trace: str = ""
    target_branch: str = ""
    target: Sha = ""
    first_target: Sha = ""
    rules: Rules = Rules()
    settings: str = "{}"
    gate: str = ""
    digests: Map[str, str] = Map()
    branches: Map[Number, str] = Map()
    suffixed: frozenset[Number] = frozenset()
    runtime: str = ""
    routed: Map[Number, Routed] = Map()
    graph: graph.Graph = graph.build(())
    issues: Map[Number, IssueRecord] = Map()
    unmet: Map[Number, int] = Map()
    ready: tuple[int, ...] = ()
    active: tuple[Number, ...] = ()
    slots: Map[int, Number] = Map()
    claims: ClaimTable = ClaimTable()
    changes: tuple[Change, ...] = ()
    landed_changes: tuple[Change, ...] = ()
    to_tell: tuple[tuple[int, Number], ...] = ()
    broken: tuple[tuple[Sha, Broken], ...] = ()
    outside: Outside = Outside()
    far: Map[Far, FarRecord] = Map()
    allowed: int = 0
    queue: tuple[Number, ...] = ()
    suspects: tuple[Number, ...] = ()
    landing: Landing | None = None
    aside: tuple[Aside, ...] = ()
    gates: Map[str, GateRecord] = Map()
    gating: Map[str, str] = Map()
    limits: Map[str, Limit] = Map()
    spent: Spent = Spent()
    warned: frozenset[str] = frozenset()
    effects: Map[str, Recorded] = Map()
    to_retire: tuple[Number, ...] = ()
    terminal: int = 0
    landed: int = 0
    reverted: int = 0
    late: int = 0
    paused: str | None = None
    interrupted: int = 0
    halted: bool = False
    stopped: str | None = None
    ended: str | None = None
    move_blocked: MoveBlocked | None = None
    rerun: bool = True
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def runtime_of(self, number: Number) -> str:
        """The way in which the agent on this issue is driven."""
        routed = self.routed.get(number)
        return routed.runtime if routed else self.runtime

    @property
    def agents(self) -> int:
        """How many agents may be at work at once."""
        most = self.rules.max_agents
        return min(most, self.allowed) if self.rules.shared else most

    @property
    def running(self) -> bool:
        """True between the start of the run and its end or stop."""
        return bool(self.run) and self.ended is None and self.stopped is None

    @property
    def dispatching(self) -> bool:
        """True while new attempts may start."""
        return self.running and not (self.paused or self.halted or self.interrupted)

    @property
    def resting(self) -> bool:
        """True when nothing is under way but attempts that can wait: what an interrupted run ends in."""
        waiting = all(map(self.can_wait, self.active))
        # Messages are for those, later; a review that is broken off is begun again by the next process.
        left = all(key.startswith(("message:", "review:")) for key in self.effects)
        return waiting and left and self.landing is None

    def can_wait(self, number: Number) -> bool:
        """True while an attempt waits for its provider, a slot or a forge or, interrupted twice, for a reviewer."""
        record = self.issues[number]
        if record.limited or record.proposed or record.sent_back:
            return True
        return self.in_review(number) and (self.interrupted > 1 or self._lacks_reviewer(record))

    def _lacks_reviewer(self, record: IssueRecord) -> bool:
        """True while its review has not begun, and its reviewer's provider takes nothing more."""
        if record.attempt is None or f"review:{record.number}" in self.effects:
            return False
        limit = self.limits.get(self.reviewer_of(record.attempt))
        return limit is not None and not limit.lifted

    def reviewer_of(self, attempt: Attempt) -> str:
        """The way in which the reviewer of an attempt is driven; empty where nobody reviews."""
        known = self.rules.reviewers
        return known.get(attempt.runtime) or next(iter(known.values()), "")

    def in_review(self, number: Number) -> bool:
        """True while a candidate that has passed the gate is, or is to be, looked at by a reviewer."""
        attempt = self.issues[number].attempt
        if not self.rules.reviewers or attempt is None or attempt.progress is not Progress.IMPORTED:
            return False
        record = self.gates.get(attempt.gate)
        return record is not None and record.result is GateResult.GREEN

    @property
    def quiet(self) -> bool:
        """True when nothing is under way: no attempt, no landing, no effect."""
        return not (self.active or self.landing or self.effects)


def replace(value: Changed, **changes: object) -> Changed:
    """`value` with some fields changed."""
    return msgspec.structs.replace(value, **changes)
