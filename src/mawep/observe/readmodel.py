"""The values that a status of a run consists of. Their JSON form always has every key.

Texts in them are as agents and trackers wrote them; whoever shows them makes them fit for the place.
`docs/status.md` documents the JSON form.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from mawep.core.model import IssueState, Number
from mawep.core.predict.overlap import Shared
from mawep.observe.live import Blocker, BreakingChange, ForgeBudget


class Phase(StrEnum):
    """How a run goes on. INTERRUPTED: it can be resumed; STOPPED: infrastructure failed, it can be resumed."""

    RUNNING = "running"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"
    ENDED = "ended"


class LandingPhase(StrEnum):
    """What is done with the batch that lands."""

    COMPOSING = "composing"
    GATING = "gating"
    SEARCHING = "searching"  # it is red; who makes it so?
    SEALING = "sealing"
    MOVING = "moving"
    BLOCKED = "blocked"  # the target's checkout is in the way


class Shown(msgspec.Struct, frozen=True):
    """Base of what a status consists of; its JSON form always has every key."""


class Why(Shown, frozen=True):
    """One reason why an issue is not running or landing yet."""

    kind: str
    detail: str


class PlanLine(Shown, frozen=True):
    """One line of an agent's own plan."""

    content: str
    status: str


class Asked(Shown, frozen=True):
    """What an agent waits for a person to answer."""

    id: str
    text: str
    options: tuple[str, ...]
    asked_at: datetime | None


class ReviewStatus(Shown, frozen=True):
    """A review that is over. `verdict` is approve, request_changes or none."""

    number: int
    attempt: int
    runtime: str
    verdict: str
    summary: str
    tokens: int | None
    cost_usd: float | None


class PullStatus(Shown, frozen=True):
    """A pull request. `state` is open, merged or closed; `head` is None while its branch is to be another.

    `rounds` counts repairs that it asked for, `queued`: the forge is about to merge it. `exact` says whether the tree
    on the target is the one that was gated; None: it is not merged.
    """

    number: int
    url: str
    state: str
    head: str | None
    rounds: int
    queued: bool
    waits_for: str | None
    exact: bool | None


class FarStatus(Shown, frozen=True):
    """An issue of another repository (`owner/name#number`) that is waited for; `state` None: not known yet.

    `why` says more of its state: why it failed, or that its run is over.
    """

    issue: str
    state: IssueState | None
    why: str
    source: str


class IssueStatus(Shown, frozen=True):
    """One issue. `commit` is the candidate, `stage` what is done with it now; None is unknown or not yet.

    `eta_by` says by whose word `eta_s` is: the `agent`'s own, or the `estimate`'s, by the pace of past runs.
    """

    number: Number
    title: str
    state: IssueState
    stage: str
    reason: str | None
    detail: str
    waiting_for: tuple[Why, ...]
    depends_on: tuple[Number, ...]
    depends_on_far: tuple[FarStatus, ...]
    blocked_by: Number | str | None
    attempts: int
    repairs: int
    agent: str | None
    runtime: str | None
    branch: str | None
    worktree: str | None
    percent: float | None
    percent_claimed: bool
    eta_s: float | None
    eta_by: str | None
    activity: str
    plan: tuple[PlanLine, ...]
    question: Asked | None
    claims: tuple[str, ...]
    files: tuple[str, ...]
    commit: str | None
    landed_as: str | None
    reverted_as: str | None
    salvage: str | None
    started_at: datetime | None
    landed_at: datetime | None
    ended_at: datetime | None
    tokens: int | None
    cost_usd: float | None
    reviews: tuple[ReviewStatus, ...]
    pull_request: PullStatus | None
    context_used: int | None
    context_size: int | None


class AgentStatus(Shown, frozen=True):
    """One agent slot; everything but its name is None while it is free."""

    name: str
    issue: Number | None = None
    state: IssueState | None = None
    since: datetime | None = None
    pid: int | None = None
    rss_mb: float | None = None
    cpu_percent: float | None = None
    idle_s: float | None = None


class ClaimStatus(Shown, frozen=True):
    """A path that is claimed for an issue; `until` None: until it lands or ends."""

    issue: Number
    path: str
    until: datetime | None


class LandingStatus(Shown, frozen=True):
    """Who waits to land, in order, the batch that is landing now, and those that wait for a gate beside it."""

    queue: tuple[Number, ...]
    batch: tuple[Number, ...]
    aside: tuple[tuple[Number, ...], ...]
    phase: LandingPhase | None
    in_the_way: tuple[str, ...]


class GateStatus(Shown, frozen=True):
    """A gate run that goes on."""

    tree: str
    why: str
    since: datetime | None


class LimitStatus(Shown, frozen=True):
    """A provider takes nothing more before `until`; `stated`: its own word, else a pause of ours."""

    runtime: str
    until: datetime
    stated: bool
    why: str


class EventLine(Shown, frozen=True):
    """An event in words."""

    seq: int
    at: datetime
    type: str
    issue: Number | None
    text: str


class TargetStatus(Shown, frozen=True):
    """The branch that everything lands on, before the run and now."""

    branch: str
    before: str
    after: str


class Status(Shown, frozen=True):
    """A run as it is now. `issues` are in plan order, `events` oldest first.

    `at`: when this was so; `alive`: a mawep process conducts it. Times in seconds count only while one does; `eta_s` is
    an estimate, by the pace of past runs.
    """

    at: datetime
    run: str
    phase: Phase
    alive: bool
    outcome: str | None
    why: str | None
    target: TargetStatus
    started_at: datetime | None
    ended_at: datetime | None
    elapsed_s: float
    eta_s: float | None
    max_agents: int
    agents_allowed: int
    counts: dict[str, int]
    issues: tuple[IssueStatus, ...]
    agents: tuple[AgentStatus, ...]
    claims: tuple[ClaimStatus, ...]
    likely_overlaps: tuple[Shared, ...]
    landing: LandingStatus
    limits: tuple[LimitStatus, ...]
    forge_budgets: tuple[ForgeBudget, ...]
    gates: tuple[GateStatus, ...]
    tokens: int | None
    cost_usd: float | None
    blockers: tuple[Blocker, ...]
    breaking_changes: tuple[BreakingChange, ...]
    warnings: tuple[str, ...]
    events: tuple[EventLine, ...]
