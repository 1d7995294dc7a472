"""Events about the run as a whole, and what people ask for."""

from __future__ import annotations

import msgspec

from mawep.core.events.base import Event
from mawep.core.model import (
    Budget,
    Issue,
    Number,
    Routed,
    Rules,
    Sha,
)


class RunStarted(Event, frozen=True, tag=True):
    """A run began. `suffixed` lists issues whose plain branch or worktree name is taken already.

    `settings` is the public configuration as JSON, `digests` the sha256 of templates; `branches` are plain branch
    names by issue number (JSON has only text for keys). `runtime` names the way in which agents are driven, `routed`
    says by issue number where it is another. `gate` names what the gate runs.
    """

    run: str
    trace: str
    target_branch: str
    target: Sha
    issues: tuple[Issue, ...]
    rules: Rules
    settings: str = "{}"
    digests: dict[str, str] = msgspec.field(default_factory=dict)
    suffixed: tuple[Number, ...] = ()
    branches: dict[str, str] = msgspec.field(default_factory=dict)
    runtime: str = ""
    routed: dict[str, Routed] = msgspec.field(default_factory=dict)
    gate: str = ""


class RunResumed(Event, frozen=True, tag=True):
    """Another process took the run over. `rerun`: the person consents to run lost attempts again.

    `budget` is what may be spent from now on; None: as before. `gate` names what the gate runs from now on; empty: as
    before. Another gate believes no verdict of the one before. `lanes` are the scopes among which the configuration
    allows lanes; None: as before.
    """

    owner: str
    rerun: bool = True
    budget: Budget | None = None
    gate: str = ""
    lanes: tuple[str, ...] | None = None


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
