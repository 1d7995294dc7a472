"""What every tracker and every forge can do, and how they fail. The values they speak in are shown here too."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mawep.core.model import Issue, Number, Sha
from mawep.errors import MawepError
from mawep.trackers.forge_values import (
    About,
    Allowance,
    Check,
    CheckState,
    Comment,
    Edges,
    ForgeIssue,
    Labelled,
    Merged,
    Permission,
    PullRequest,
    Query,
    QueueEntry,
    Reference,
    Required,
    Review,
    ReviewComment,
    SignedIn,
)
from mawep.trackers.found import Found, Outside, Wanted

__all__ = [
    "About",
    "Allowance",
    "AllowanceObserver",
    "Ambiguous",
    "App",
    "Check",
    "CheckState",
    "Comment",
    "Conflicted",
    "Edges",
    "Forge",
    "ForgeError",
    "ForgeIssue",
    "ForgeSettings",
    "Found",
    "GitCredentials",
    "Labelled",
    "MergeRefused",
    "Merged",
    "NotAllowed",
    "NotThere",
    "Outside",
    "Permission",
    "PullRequest",
    "Query",
    "QueueEntry",
    "RateLimited",
    "Reference",
    "Refused",
    "Required",
    "Review",
    "ReviewComment",
    "SignedIn",
    "Tracker",
    "Unreachable",
    "Wanted",
]


class Tracker(Protocol):
    """Where issues come from."""

    name: str

    async def find(self, wanted: Wanted, *, with_dependencies: bool = False) -> Found:
        """What is wanted, with all that it takes to judge what it waits for.

        Sub-issues of what is found are read too, and so are open dependencies, if asked for.

        Raises:
            ProblemsError: everything that cannot be read, at once.
            UsageError: there is no such tracker, or it does not know what is asked.
        """
        ...

    async def with_remarks(self, issues: Sequence[Issue]) -> list[Issue]:
        """The same issues with what agents may be shown of their conversations."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class ForgeError(MawepError):
    """The forge did not do what it was asked to."""


class Unreachable(ForgeError):
    """No answer, or one that says the forge itself is in trouble (5xx): shown, never an issue's failure."""


class RateLimited(ForgeError):
    """The forge has had enough of us until `until`, which is further away than we wait by ourselves."""

    def __init__(self, what: str, *, until: datetime, cause: str = "", next_step: str = "") -> None:
        self.until = until
        super().__init__(what, cause=cause, next_step=next_step)


class NotThere(ForgeError):
    """There is no such thing, or it is not shown to us."""


class NotAllowed(ForgeError):
    """Our credential is not accepted, or it may not do this."""


class Refused(ForgeError):
    """The forge understood the request and does not accept it."""


class Conflicted(Refused):
    """Something moved: what the request was based on is no longer so."""


class MergeRefused(Refused):
    """A pull request is not merged; `reason` is the forge's own sentence."""

    def __init__(self, what: str, *, reason: str, next_step: str = "") -> None:
        self.reason = reason
        super().__init__(what, cause=reason, next_step=next_step)


class Ambiguous(ForgeError):
    """A write whose answer never came: it may have happened, or may yet happen."""


AllowanceObserver = Callable[[Allowance], None]
"""Is told of every change; must neither wait nor fail."""


@dataclass(frozen=True)
class GitCredentials:
    """What git signs in with over https. The password is shown to nobody and never part of an argument list."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class App:
    """A GitHub App that acts through an installation of it; `private_key` is PEM text."""

    id: int
    installation: int
    private_key: str = field(repr=False)


@dataclass(frozen=True)
class ForgeSettings:
    """Which repository of which forge, and as whom. With neither `token` nor `app` only public things are seen.

    At most `max_requests_per_hour` are sent; a request is held for `longest_wait` seconds at most. `learned` is told of
    every secret that is made from these.
    """

    repository: str
    api_url: str
    token: str | None = field(default=None, repr=False)
    app: App | None = None
    max_requests_per_hour: int = 2000
    longest_wait: float = 3900
    learned: Callable[[str], None] = field(default=lambda secret: None, repr=False)


class Forge(Protocol):
    """One repository on a forge, seen through one credential.

    Every method may raise any ForgeError. A read raises Unreachable when no answer came, a write Ambiguous once it
    may have left us; neither is tried again by the forge. Rate limits are waited out within bounds.
    Text that comes from it is not to be trusted.
    """

    name: str
    repository: str

    async def whoami(self) -> str:
        """Our own login."""
        ...

    async def about(self) -> About:
        """The repository itself."""
        ...

    async def signed_in(self) -> SignedIn:
        """As whom we speak, and what is left of the forge's limits."""
        ...

    async def issue(self, number: Number, *, repository: str | None = None) -> ForgeIssue:
        """One issue, closed or not, of this repository or of another that we may read.

        Raises:
            NotThere: there is none, or it is a pull request.
        """
        ...

    async def issues(self, wanted: Query) -> list[ForgeIssue]:
        """The issues that are wanted, by number.

        Raises:
            NotThere: the milestone or the project does not exist.
        """
        ...

    async def edges(self, numbers: Collection[Number]) -> Edges:
        """The forge's own dependencies and sub-issues of these issues."""
        ...

    async def labelled(self, number: Number) -> list[Labelled]:
        """Who labelled an issue, oldest first."""
        ...

    async def edited(self, number: Number) -> datetime | None:
        """When the title or the text of an issue changed last; None: never, or the forge does not say."""
        ...

    async def comments(self, number: Number, *, since: datetime | None = None) -> list[Comment]:
        """The conversation of an issue or pull request, oldest first; `since` goes by `updated_at`."""
        ...

    async def recent_comments(self, since: datetime) -> list[Comment]:
        """Every comment of the repository written or edited at or after `since`, oldest change first."""
        ...

    async def comment(self, number: Number, body: str) -> Comment:
        """Write one more comment."""
        ...

    async def edit_comment(self, comment_id: int, body: str) -> None:
        """Replace the text of a comment of ours."""
        ...

    async def add_labels(self, number: Number, names: Collection[str]) -> None:
        """Add labels, which are made where they do not exist."""
        ...

    async def remove_label(self, number: Number, name: str) -> None:
        """Take a label off; one that is not there is no error."""
        ...

    async def close_issue(self, number: Number) -> ForgeIssue | None:
        """Close it as completed, and how it stands then; None: it was closed before, and stays as it is."""
        ...

    async def reopen_issue(self, number: Number) -> None:
        """Open it again; one that is open stays as it is."""
        ...

    async def permission(self, login: str) -> Permission:
        """What `login` may do in this repository; NONE for somebody unknown."""
        ...

    async def pulls(self, *, head: str | None = None, state: str = "open") -> list[PullRequest]:
        """Pull requests, from the branch `head` of this repository where given; what only `pull` says is unset."""
        ...

    async def pull(self, number: Number) -> PullRequest:
        """One pull request, whole."""
        ...

    async def open_pull(
        self, *, title: str, body: str, head: str, base: str, draft: bool = False
    ) -> PullRequest:
        """Ask for `head` to be merged into `base`.

        Raises:
            Conflicted: there is an open one for that pair already.
            Refused: a branch is missing, or there is nothing to merge.
        """
        ...

    async def edit_pull(self, number: Number, *, title: str | None = None, body: str | None = None) -> None:
        """Replace title, text or both."""
        ...

    async def checks(self, sha: Sha) -> list[Check]:
        """The newest of each check run and commit status of a commit, by name; `required` is left unknown."""
        ...

    async def required(self, branch: str) -> Required:
        """What has to be true before something is merged into `branch`."""
        ...

    async def reviews(self, number: Number) -> list[Review]:
        """The reviews of a pull request, oldest first."""
        ...

    async def review_comments(self, number: Number) -> list[ReviewComment]:
        """The comments on lines of a pull request, oldest first."""
        ...

    async def reply(self, number: Number, comment_id: int, body: str) -> ReviewComment:
        """Answer a comment on a line."""
        ...

    async def merge(self, number: Number, *, sha: Sha, method: str, title: str, body: str) -> Merged:
        """Merge a pull request whose head is `sha`; `method` is merge, squash or rebase.

        Raises:
            MergeRefused: it cannot be merged as it is.
            Conflicted: its head is another commit.
        """
        ...

    async def enqueue(self, number: Number, *, sha: Sha) -> None:
        """Put a pull request whose head is `sha` into the forge's merge queue.

        Raises:
            MergeRefused: the queue does not take it.
        """
        ...

    async def queued(self, number: Number) -> QueueEntry | None:
        """Where a pull request stands in the merge queue; None: it is not in it."""
        ...

    async def reachable(self, commit: Sha, branch: str) -> bool:
        """True when the branch on the forge contains the commit."""
        ...

    async def clone_url(self) -> str:
        """Where git fetches and pushes, over https, without credentials in it."""
        ...

    async def git_credentials(self) -> GitCredentials | None:
        """What git signs in with at that address, good for some minutes at least; None: nothing is needed."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
