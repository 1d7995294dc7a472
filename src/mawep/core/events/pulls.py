"""Events about pull requests: a candidate is proposed on a forge, looked at there, brought up to date, merged."""

from __future__ import annotations

from enum import StrEnum

from mawep.core.events.base import Event
from mawep.core.model import Number, Sha


class PullState(StrEnum):
    """What has become of a pull request."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class PullVerdict(StrEnum):
    """What required checks and reviews say together."""

    WAITING = "waiting"
    CHANGES = "changes"
    READY = "ready"


class PullRequestIntended(Event, frozen=True, tag=True):
    """Intent: the branch on the forge is at `head`, and one pull request of the attempt is open for it."""

    issue: Number
    attempt: int
    head: Sha


class PullRequestOpened(Event, frozen=True, tag=True):
    """The pull request `number` is open, with `head`."""

    issue: Number
    number: int
    url: str
    head: Sha


class PullRequestSeen(Event, frozen=True, tag=True):
    """What the forge says of a pull request now.

    `target` is where the branch is that it goes into. `behind`: its head does not contain that; `conflicting`: nor can
    the two be merged there. `queue`: the forge merges in its own order; `queued`: it is about to. `waits_for` is for
    people. `items` name what `feedback` is made of, each known by the same name for ever. `by` closed or merged it.
    """

    issue: Number
    number: int
    head: Sha
    target: Sha
    state: PullState = PullState.OPEN
    verdict: PullVerdict = PullVerdict.WAITING
    behind: bool = False
    conflicting: bool = False
    queue: bool = False
    queued: bool = False
    waits_for: str = ""
    feedback: str = ""
    items: tuple[str, ...] = ()
    by: str = ""


class UpdateIntended(Event, frozen=True, tag=True):
    """Intent: what others pushed to the branch (`head`) is checked, and `target` merged into it."""

    issue: Number
    attempt: int
    head: Sha
    target: Sha


class BranchUpdated(Event, frozen=True, tag=True):
    """What the branch should be now. `theirs`: somebody else has pushed to it.

    `scopes` is what it affects, compared with the target; None: everything.
    """

    issue: Number
    head: Sha
    commit: Sha
    tree: Sha
    theirs: bool = False
    scopes: tuple[str, ...] | None = None


class MergeIntended(Event, frozen=True, tag=True):
    """Intent: the pull request is merged, or queued to be, with exactly this head; or it is seen that it was."""

    issue: Number
    attempt: int
    number: int
    head: Sha
    queue: bool = False


class PullRequestQueued(Event, frozen=True, tag=True):
    """The forge will merge it in its own order."""

    issue: Number


class MergeDeferred(Event, frozen=True, tag=True):
    """It was not merged as it is. `refused`: the forge did not want to, and says why; else something had moved."""

    issue: Number
    why: str
    refused: bool = True


class PullRequestMerged(Event, frozen=True, tag=True):
    """The target contains it, as `commit`, and is at `target`. `exact`: its tree there is the one that was gated."""

    issue: Number
    commit: Sha
    target: Sha
    exact: bool = True
