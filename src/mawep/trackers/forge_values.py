"""The values that forges and those who use them speak in: frozen, and tolerant of what a forge leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from mawep.core.model import Number, Sha, Value


class Permission(StrEnum):
    """What a login may do in the repository."""

    ADMIN = "admin"
    MAINTAIN = "maintain"
    WRITE = "write"
    TRIAGE = "triage"
    READ = "read"
    NONE = "none"

    @property
    def may_write(self) -> bool:
        """True for who may push, and so may give orders."""
        return self in {Permission.ADMIN, Permission.MAINTAIN, Permission.WRITE}


class Query(Value, frozen=True):
    """Which issues: each part that is given narrows the choice.

    `numbers` alone takes closed ones and pull requests (`is_pull`) too; those that do not exist are left out.
    `query` is in the forge's own language; `project` is the number of a board of the repository's owner;
    `since` takes what was updated at or after it; `state` is `open`, `closed` or `all`.
    """

    numbers: tuple[Number, ...] = ()
    labels: tuple[str, ...] = ()
    milestone: str | None = None
    query: str | None = None
    project: int | None = None
    since: datetime | None = None
    state: str = "open"


class ForgeIssue(Value, frozen=True):
    """An issue as the forge shows it. `state` is `open` or `closed`.

    `association` is the author's to the repository, in GitHub's words (`OWNER`, `MEMBER`, `NONE` …).
    `blocked_by_total` and `sub_issues_total` count closed ones too; None: the forge did not say. `fields` are what
    the forge, or the board that was asked for, says besides, by name: a priority, an estimate.
    """

    number: Number
    title: str
    id: int = 0
    node_id: str = ""
    body: str = ""
    state: str = "open"
    state_reason: str | None = None
    author: str | None = None
    association: str = "NONE"
    labels: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    milestone: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    url: str = ""
    comments: int = 0
    parent: Number | None = None
    blocked_by_total: int | None = None
    sub_issues_total: int | None = None
    is_pull: bool = False
    fields: Mapping[str, str] = {}


class Reference(Value, frozen=True):
    """An issue that another one names, in whichever repository; `state` is `open` or `closed`."""

    repository: str
    number: Number
    state: str = "open"
    state_reason: str | None = None
    title: str = ""
    url: str = ""


class Edges(Value, frozen=True):
    """What the forge itself knows of how issues hang together, by the number of the issue asked for.

    An issue with none has no entry. Where the forge lacks the feature, `dependencies_supported` or
    `sub_issues_supported` is False, which is not the same as no edges.
    """

    blocked_by: Mapping[Number, tuple[Reference, ...]] = {}
    sub_issues: Mapping[Number, tuple[Reference, ...]] = {}
    parents: Mapping[Number, Reference] = {}
    dependencies_supported: bool = True
    sub_issues_supported: bool = True


class Labelled(Value, frozen=True):
    """Who put a label on an issue, and when; it may have been taken off since."""

    label: str
    by: str | None = None
    at: datetime | None = None


class Comment(Value, frozen=True):
    """A comment in the conversation of the issue or pull request `issue`."""

    id: int
    issue: Number
    body: str
    author: str | None = None
    association: str = "NONE"
    created_at: datetime | None = None
    updated_at: datetime | None = None
    url: str = ""


class PullRequest(Value, frozen=True):
    """A pull request. `mergeable` None: the forge is still working it out.

    `head` and `base` are branches; `head_repository` is `owner/name`, None when it is gone. `mergeable_state` is
    in GitHub's words: clean, dirty, behind, blocked, unstable, draft, unknown.
    """

    number: Number
    title: str
    head: str
    head_sha: Sha
    base: str
    id: int = 0
    node_id: str = ""
    body: str = ""
    state: str = "open"
    draft: bool = False
    merged: bool = False
    merge_commit: Sha | None = None
    merged_by: str | None = None
    merged_at: datetime | None = None
    mergeable: bool | None = None
    mergeable_state: str = "unknown"
    base_sha: Sha = ""
    head_repository: str | None = None
    author: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    url: str = ""


class QueueEntry(Value, frozen=True):
    """A pull request's place in the forge's own merge queue; `state` in GitHub's words, such as QUEUED."""

    state: str
    position: int | None = None


class CheckState(StrEnum):
    """What a check says."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"
    IGNORED = "ignored"


class Check(Value, frozen=True):
    """What something outside says about a commit: a check run or a commit status.

    `conclusion` is in the forge's words; `excerpt` holds the failing part of its output, bounded; `required` None:
    unknown. IGNORED is neutral or skipped, which satisfies a requirement.
    """

    name: str
    state: CheckState
    conclusion: str | None = None
    required: bool | None = None
    summary: str = ""
    excerpt: str = ""
    url: str = ""
    id: int = 0


class Required(Value, frozen=True):
    """What a branch demands of a pull request. `known` False: we may not read it, nothing is known.

    `strict`: the head has to contain the branch. `methods`: how it may be merged; empty: nothing is said.
    """

    checks: tuple[str, ...] = ()
    approvals: int = 0
    merge_queue: bool = False
    strict: bool = False
    methods: tuple[str, ...] = ()
    known: bool = True


class Review(Value, frozen=True):
    """A review. `state` is APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED or PENDING."""

    id: int
    state: str
    body: str = ""
    author: str | None = None
    association: str = "NONE"
    commit: Sha | None = None
    submitted_at: datetime | None = None
    url: str = ""


class ReviewComment(Value, frozen=True):
    """A comment on a line of a pull request; `answers` is the comment that it replies to."""

    id: int
    body: str
    path: str = ""
    line: int | None = None
    hunk: str = ""
    author: str | None = None
    association: str = "NONE"
    review: int | None = None
    answers: int | None = None
    commit: Sha | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    url: str = ""


class Merged(Value, frozen=True):
    """A merge that was done: the commit that the branch got."""

    commit: Sha


class About(Value, frozen=True):
    """The repository itself, and what we may do in it."""

    repository: str
    default_branch: str = "main"
    permission: Permission = Permission.NONE
    private: bool = False
    archived: bool = False
    issues: bool = True
    methods: tuple[str, ...] = ()
    url: str = ""


class Allowance(Value, frozen=True):
    """What is left of a budget: of the forge's, by its own word, or of ours (resource `own`), an hour's worth.

    `waiting_until` is set while we wait for more.
    """

    resource: str
    left: int
    limit: int
    resets_at: datetime | None = None
    waiting_until: datetime | None = None


class SignedIn(Value, frozen=True):
    """As whom we speak. `scopes` None: this kind of credential has none, or does not say."""

    login: str
    scopes: tuple[str, ...] | None = None
    allowances: tuple[Allowance, ...] = ()
