"""What reports are made of, as plain values. Texts in them are as agents and trackers wrote them."""

from __future__ import annotations

from dataclasses import dataclass

from mawep.core.model import GateRecord, IssueState, Number, PlanEntry
from mawep.core.state import TakenBack
from mawep.core.verdict import ReviewRecord


@dataclass(frozen=True)
class Neighbour:
    """An issue that another one depends on."""

    number: Number
    title: str
    state: IssueState


@dataclass(frozen=True)
class Pull:
    """A pull request."""

    number: Number
    url: str = ""


@dataclass(frozen=True)
class Standing:
    """Where an issue stands. None is unknown or not yet; `eta` is in seconds.

    `stage` says more exactly what `state` means now; `reason` is why it failed; `waiting_for` why it is not running or
    landing yet; `blockers` what its agent says keeps it; `on_remote` whether the remote's target has what landed, or
    what took it back; `taken_back` says what of it was reverted, `open_again` whether its issue is open since;
    `left_behind`: its run has stopped and can be resumed; `exact` is False when the tree on the target was not gated;
    `estimated`: time left is nobody's word; `late_edges` are issues that it does not wait for though the forge says
    so, and why; `transcript` is a path below the git directory of the clone.
    """

    number: Number
    title: str
    state: IssueState
    stage: str
    target: str
    run: str
    reason: str | None = None
    detail: str = ""
    percent: float | None = None
    claimed: bool = False
    eta: float | None = None
    estimated: bool = False
    activity: str = ""
    plan: tuple[PlanEntry, ...] = ()
    blockers: tuple[str, ...] = ()
    waiting_for: tuple[str, ...] = ()
    late_edges: tuple[tuple[Number, str], ...] = ()
    question: str | None = None
    options: tuple[str, ...] = ()
    depends_on: tuple[Neighbour, ...] = ()
    agent: str | None = None
    runtime: str | None = None
    attempts: int = 0
    repairs: int = 0
    tokens: int | None = None
    cost_usd: float | None = None
    branch: str | None = None
    pull: Pull | None = None
    commit: str | None = None
    landed_as: str | None = None
    on_remote: bool | None = None
    exact: bool | None = None
    taken_back: TakenBack | None = None
    open_again: bool | None = None
    reviews: tuple[ReviewRecord, ...] = ()
    left_behind: bool = False
    salvage: str | None = None
    transcript: str | None = None


@dataclass(frozen=True)
class Landing:
    """What landed and on what evidence. `exact`: the very tree that was gated is what the target holds."""

    commit: str
    target: str
    tree: str = ""
    journal: str = ""
    exact: bool = True


@dataclass(frozen=True)
class Proposal:
    """What a pull request says of itself. `summary` is the agent's own; `gate` is the newest verdict on its commit.

    `closes`: its issue is on the same forge; elsewhere its number is that of something else.
    """

    number: Number
    title: str
    target: str
    commit: str
    run: str
    summary: str = ""
    plan: tuple[PlanEntry, ...] = ()
    files: tuple[str, ...] = ()
    gate: GateRecord | None = None
    reviews: tuple[ReviewRecord, ...] = ()
    landing: Landing | None = None
    agent: str | None = None
    runtime: str | None = None
    attempts: int = 1
    repairs: int = 0
    tokens: int | None = None
    cost_usd: float | None = None
    transcript: str | None = None
    closes: bool = True


@dataclass(frozen=True)
class Outcome:
    """What became of a run. `seconds` is how long it took."""

    run: str
    outcome: str
    target: str
    before: str
    after: str
    issues: tuple[Standing, ...]
    seconds: float | None = None
    tokens: int | None = None
    cost_usd: float | None = None
