"""A forge's repository as a domain in memory: people, issues, pull requests, checks; heads in a real bare repository.

`World` is what people and machines beside MAWEP do, without waiting and without errors but those of the domain.
`tests.support.forge.FakeForge` is MAWEP's view of it, `tests.support.github_stub` shows it as GitHub does, over HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import msgspec

from mawep.clock import Clock, VirtualClock
from mawep.trackers.base import (
    Check,
    CheckState,
    Comment,
    Conflicted,
    ForgeIssue,
    Labelled,
    MergeRefused,
    NotThere,
    Permission,
    PullRequest,
    QueueEntry,
    Reference,
    Refused,
    Required,
    Review,
    ReviewComment,
)
from tests.support.repos import git

CLOSES = re.compile(r"(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)")


@dataclass
class Pull:
    """What a pull request is, beside what its branches say."""

    shown: PullRequest
    reviews: list[Review] = field(default_factory=list)
    remarks: list[ReviewComment] = field(default_factory=list)
    queue: str | None = None


@dataclass
class World:
    """One repository. `git` is the bare repository that heads and merges are in; without it use `push`.

    Time stands still unless `clock` moves; every change is one second later than the one before.
    """

    repository: str = "acme/shop"
    git: Path | None = None
    clock: Clock = field(default_factory=VirtualClock)
    login: str = "mawep-bot"
    default_branch: str = "main"
    people: dict[str, Permission] = field(default_factory=dict)
    issues: dict[int, ForgeIssue] = field(default_factory=dict)
    blocked_by: dict[int, list[int | Reference]] = field(default_factory=dict)
    children: dict[int, list[int]] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    checks: dict[str, list[Check]] = field(default_factory=dict)
    protected: dict[str, Required] = field(default_factory=dict)
    statuses: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    labelled: dict[int, list[Labelled]] = field(default_factory=dict)
    projects: dict[int, list[int]] = field(default_factory=dict)
    board_fields: dict[int, dict[str, str]] = field(default_factory=dict)
    foreign: dict[tuple[str, int], ForgeIssue] = field(default_factory=dict)
    edited: dict[int, datetime] = field(default_factory=dict)
    dependencies_supported: bool = True
    sub_issues_supported: bool = True
    field_values_supported: bool = True
    graphql: bool = True  # many issues in one query
    methods: tuple[str, ...] = ("merge", "squash", "rebase")
    heads: dict[str, str] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _ids: count[int] = field(default_factory=lambda: count(1001))
    _ticks: count[int] = field(default_factory=lambda: count(0))

    def __post_init__(self) -> None:
        self.people.setdefault(self.login, Permission.WRITE)

    # Seeding, and what people do

    def seed(
        self,
        title: str = "Something",
        body: str = "",
        *,
        number: int | None = None,
        author: str = "ann",
        association: str = "MEMBER",
        labels: Collection[str] = (),
        milestone: str | None = None,
        assignees: Collection[str] = (),
        fields: Mapping[str, str] = {},
        blocked_by: Collection[int] = (),
        parent: int | None = None,
    ) -> int:
        """Write an issue and give its number."""
        number = next(self._numbers) if number is None else number
        while number in self.issues or number in self.pulls:
            number = next(self._numbers)
        now = self.now()
        self.issues[number] = ForgeIssue(
            number=number,
            title=title,
            id=next(self._ids),
            node_id=f"I_{number}",
            body=body,
            author=author,
            association=association,
            labels=tuple(labels),
            milestone=milestone,
            assignees=tuple(assignees),
            fields=fields,
            created_at=now,
            updated_at=now,
            url=self.url("issues", number),
        )
        for on in blocked_by:
            self.block(number, on)
        if parent is not None:
            self.nest(parent, number)
        return number

    def edit(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        """Somebody edits an issue."""
        changes = {"title": title, "body": body}
        changed = {key: value for key, value in changes.items() if value is not None}
        self._touch(number, **changed)
        self.edited[number] = self.now()

    def label(self, number: int, names: Iterable[str], *, by: str | None = None) -> None:
        """Add labels."""
        names = [name for name in names if name not in self.thing(number).labels]
        who = by or self.login
        self.labelled.setdefault(number, []).extend(Labelled(name, who, self.now()) for name in names)
        self._touch(number, labels=tuple(dict.fromkeys((*self.thing(number).labels, *names))))

    def unlabel(self, number: int, name: str) -> None:
        """Take a label off; raises NotThere when it is not on."""
        labels = self.thing(number).labels
        if name not in labels:
            raise NotThere(f"#{number} has no label {name}")
        self._touch(number, labels=tuple(label for label in labels if label != name))

    def close(self, number: int, *, by: str | None = None, reason: str = "completed") -> None:
        """Close an issue."""
        self._touch(
            number,
            state="closed",
            state_reason=reason,
            closed_by=by or self.login,
            closed_at=self.now(),
        )

    def reopen(self, number: int) -> None:
        """Open it again."""
        self._touch(number, state="open", state_reason="reopened", closed_by=None, closed_at=None)

    def block(self, number: int, on: int | Reference) -> None:
        """Add a native dependency: `number` is blocked by `on`."""
        self.blocked_by.setdefault(number, []).append(on)
        self._touch(number)

    def nest(self, parent: int, child: int) -> None:
        """Make `child` a sub-issue of `parent`."""
        self.children.setdefault(parent, []).append(child)
        self._touch(parent)

    def say(
        self, number: int, body: str, *, author: str | None = None, association: str | None = None
    ) -> Comment:
        """Somebody comments on an issue or pull request."""
        if number not in self.issues and number not in self.pulls:
            raise NotThere(f"there is no #{number}")
        author = author or self.login
        now = self.now()
        comment = Comment(
            id=next(self._ids),
            issue=number,
            body=body,
            author=author,
            association=association or self.association(author),
            created_at=now,
            updated_at=now,
            url=self.url("issues", number),
        )
        self.comments[comment.id] = comment
        self._touch(number)
        return comment

    def reword(self, comment_id: int, body: str) -> Comment:
        """Edit a comment."""
        comment = self._comment(comment_id)
        comment = msgspec.structs.replace(comment, body=body, updated_at=self.now())
        self.comments[comment_id] = comment
        return comment

    def association(self, login: str) -> str:
        """How somebody belongs to the repository, in GitHub's words."""
        may = self.people.get(login, Permission.NONE)
        return {Permission.ADMIN: "OWNER"}.get(may, "COLLABORATOR" if may.may_write else "NONE")

    def protect(self, branch: str, required: Required) -> None:
        """Say what a branch demands."""
        self.protected[branch] = required

    def report(
        self,
        sha: str,
        name: str,
        state: CheckState,
        *,
        summary: str = "",
        excerpt: str = "",
        conclusion: str | None = None,
    ) -> None:
        """A check says something about a commit; the same name again replaces it."""
        words = {CheckState.PASSED: "success", CheckState.FAILED: "failure", CheckState.IGNORED: "skipped"}
        check = Check(
            name=name,
            state=state,
            conclusion=conclusion or words.get(state),
            summary=summary,
            excerpt=excerpt,
            url=f"https://ci.example/{name}",
            id=next(self._ids),
        )
        others = [other for other in self.checks.get(sha, ()) if other.name != name]
        self.checks[sha] = [*others, check]

    def review(self, number: int, state: str, body: str = "", *, author: str = "ann") -> Review:
        """Somebody reviews a pull request as it is now."""
        review = Review(
            id=next(self._ids),
            state=state,
            body=body,
            author=author,
            association=self.association(author),
            commit=self.pull(number).head_sha,
            submitted_at=self.now(),
            url=self.url("pull", number),
        )
        self._pull(number).reviews.append(review)
        return review

    def remark(
        self,
        number: int,
        body: str,
        *,
        path: str = "README.md",
        line: int | None = 1,
        author: str | None = None,
        answers: int | None = None,
        review: int | None = None,
    ) -> ReviewComment:
        """Somebody comments on a line of a pull request."""
        pull = self._pull(number)
        if answers is not None and answers not in {remark.id for remark in pull.remarks}:
            raise NotThere(f"there is no comment {answers} on #{number}")
        author = author or self.login
        now = self.now()
        remark = ReviewComment(
            id=next(self._ids),
            body=body,
            path=path,
            line=line,
            hunk="@@ -1 +1 @@",
            author=author,
            association=self.association(author),
            review=review,
            answers=answers,
            commit=self.pull(number).head_sha,
            created_at=now,
            updated_at=now,
            url=self.url("pull", number),
        )
        pull.remarks.append(remark)
        return remark

    def push(self, branch: str, sha: str) -> None:
        """Move a branch: in the bare repository, or in memory when there is none."""
        if self.git is None:
            self.heads[branch] = sha
        else:
            git(self.git, "update-ref", f"refs/heads/{branch}", sha)

    # Pull requests

    def open(
        self, *, title: str, body: str, head: str, base: str, draft: bool = False, author: str | None = None
    ) -> PullRequest:
        """Open a pull request as GitHub does: branches must exist, differ, and have no other open one."""
        for branch in (head, base):
            if self.head(branch) is None:
                raise Refused("the pull request is not opened", cause=f"branch {branch} is missing")
        if any(pull.shown.head == head and pull.shown.base == base for pull in self._open_pulls()):
            raise Conflicted("the pull request is not opened", cause="a pull request already exists")
        if self.contains(self.head(base) or "", self.head(head) or ""):
            raise Refused("the pull request is not opened", cause=f"No commits between {base} and {head}")
        number = next(self._numbers)
        while number in self.issues:
            number = next(self._numbers)
        now = self.now()
        self.pulls[number] = Pull(
            PullRequest(
                number=number,
                title=title,
                head=head,
                head_sha=self.head(head) or "",
                base=base,
                id=next(self._ids),
                node_id=f"PR_{number}",
                body=body,
                draft=draft,
                base_sha=self.head(base) or "",
                head_repository=self.repository,
                author=author or self.login,
                created_at=now,
                updated_at=now,
                url=self.url("pull", number),
            )
        )
        return self.pull(number)

    def pull(self, number: int) -> PullRequest:
        """A pull request as its branches are now."""
        pull = self._pull(number)
        if pull.shown.state == "closed":
            return pull.shown
        head = self.head(pull.shown.head) or pull.shown.head_sha
        base = self.head(pull.shown.base) or pull.shown.base_sha
        mergeable = self._merge_tree(base, head) is not None
        shown = msgspec.structs.replace(
            pull.shown, head_sha=head, base_sha=base, mergeable=mergeable, mergeable_state="clean"
        )
        state = "dirty" if not mergeable else self._standing(pull, shown)
        return msgspec.structs.replace(shown, mergeable_state=state)

    def rewrite(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        """Edit a pull request."""
        changes = {"title": title, "body": body}
        self._touch(number, **{key: value for key, value in changes.items() if value is not None})

    def close_pull(self, number: int, *, by: str = "ann") -> None:
        """Somebody closes a pull request without merging it."""
        self._pull(number).shown = msgspec.structs.replace(
            self.pull(number), state="closed", updated_at=self.now()
        )

    def merge(
        self, number: int, *, sha: str | None, method: str, title: str = "", body: str = "", by: str = ""
    ) -> str:
        """Merge for real, in the bare repository, and close the issues that the text says it closes."""
        pull = self._pull(number)
        shown = self.pull(number)
        what = f"pull request #{number} is not merged"
        if shown.state == "closed":
            raise MergeRefused(what, reason="Pull Request is not mergeable")
        if sha is not None and sha != shown.head_sha:
            raise Conflicted(what, cause="Head branch was modified. Review and try the merge again.")
        if method not in self.methods:
            raise MergeRefused(what, reason=f"{method} merges are not allowed on this repository.")
        reason = {
            "dirty": "Merge conflicts",
            "draft": "Pull Request is still a draft",
            "blocked": "Required status checks or reviews are missing",
            "behind": "Head branch is out of date",
        }.get(shown.mergeable_state)
        if reason or self._demands(pull).merge_queue:
            raise MergeRefused(what, reason=reason or "Changes must be made through the merge queue")
        return self._merge(pull, shown, method, title, body, by or self.login)

    def enqueue(self, number: int, sha: str) -> None:
        """Put a pull request into the merge queue; `run_queue` merges what is in it."""
        pull = self._pull(number)
        shown = self.pull(number)
        what = f"pull request #{number} is not queued"
        if sha != shown.head_sha:
            raise Conflicted(what, cause="Head sha didn't match expected sha.")
        if shown.state == "closed" or shown.mergeable_state in {"dirty", "draft"}:
            raise MergeRefused(what, reason=f"Pull request is {shown.mergeable_state}")
        if not self._demands(pull).merge_queue:
            raise MergeRefused(what, reason="The merge queue is not enabled for this branch")
        pull.queue = "QUEUED"

    def queued(self, number: int) -> QueueEntry | None:
        """Where it stands."""
        waiting = [n for n, pull in self.pulls.items() if pull.queue]
        pull = self._pull(number)
        return QueueEntry(pull.queue, waiting.index(number) + 1) if pull.queue else None

    def run_queue(self, *, fail: Collection[int] = ()) -> None:
        """The forge works off its merge queue; those in `fail` are thrown out of it."""
        for number, pull in self.pulls.items():
            if pull.queue is None:
                continue
            pull.queue = None
            shown = self.pull(number)
            if number not in fail and shown.mergeable:
                self._merge(pull, shown, "merge", "", "", "github-merge-queue[bot]")

    # Reading

    def thing(self, number: int) -> ForgeIssue:
        """An issue, counted up; raises NotThere when there is none."""
        issue = self.issues.get(number)
        if issue is None:
            raise NotThere(f"there is no issue #{number} in {self.repository}")
        parents = [parent for parent, children in self.children.items() if number in children]
        return msgspec.structs.replace(
            issue,
            comments=sum(comment.issue == number for comment in self.comments.values()),
            blocked_by_total=len(self.blocked_by.get(number, ())) if self.dependencies_supported else None,
            sub_issues_total=len(self.children.get(number, ())) if self.sub_issues_supported else None,
            parent=parents[0] if parents and self.sub_issues_supported else None,
        )

    def reference(self, on: int | Reference) -> Reference:
        """What stands at the other end of an edge."""
        if isinstance(on, Reference):
            return on
        issue = self.thing(on)
        return Reference(self.repository, on, issue.state, issue.state_reason, issue.title, issue.url)

    def head(self, branch: str) -> str | None:
        """The commit of a branch; None: there is no such branch."""
        if self.git is None:
            return self.heads.get(branch)
        return git(self.git, "rev-parse", "-q", "--verify", f"refs/heads/{branch}", check=False) or None

    def contains(self, commit: str, ancestor: str) -> bool:
        """True when `commit` is `ancestor` or comes after it; raises NotThere for unknown commits."""
        if self.git is None:
            return commit == ancestor
        for sha in (commit, ancestor):
            if not git(self.git, "rev-parse", "-q", "--verify", f"{sha}^{{commit}}", check=False):
                raise NotThere(f"no commit found for {sha}")
        return git(self.git, "merge-base", commit, ancestor, check=False) == ancestor

    def url(self, kind: str, number: int) -> str:
        """Where people see it."""
        return f"https://github.example/{self.repository}/{kind}/{number}"

    def now(self) -> datetime:
        """One second later at every call."""
        return self.clock.now() + timedelta(seconds=next(self._ticks))

    # Within

    def _pull(self, number: int) -> Pull:
        if number not in self.pulls:
            raise NotThere(f"there is no pull request #{number} in {self.repository}")
        return self.pulls[number]

    def _open_pulls(self) -> list[Pull]:
        return [pull for pull in self.pulls.values() if pull.shown.state == "open"]

    def _comment(self, comment_id: int) -> Comment:
        if comment_id not in self.comments:
            raise NotThere(f"there is no comment {comment_id}")
        return self.comments[comment_id]

    def _touch(self, number: int, **changes: object) -> None:
        if number in self.pulls:
            pull = self.pulls[number]
            changes.pop("labels", None)
            pull.shown = msgspec.structs.replace(pull.shown, updated_at=self.now(), **changes)
        else:
            self.thing(number)
            self.issues[number] = msgspec.structs.replace(
                self.issues[number], updated_at=self.now(), **changes
            )

    def _demands(self, pull: Pull) -> Required:
        return self.protected.get(pull.shown.base, Required())

    def _standing(self, pull: Pull, shown: PullRequest) -> str:
        if shown.draft:
            return "draft"
        demands = self._demands(pull)
        said = {check.name: check.state for check in self.checks.get(shown.head_sha, ())}
        fine = {CheckState.PASSED, CheckState.IGNORED}
        newest = {review.author: review.state for review in pull.reviews if review.state != "COMMENTED"}
        if (
            any(said.get(name) not in fine for name in demands.checks)
            or sum(state == "APPROVED" for state in newest.values()) < demands.approvals
            or (demands.approvals and "CHANGES_REQUESTED" in newest.values())
        ):
            return "blocked"
        if demands.strict and not self.contains(shown.head_sha, shown.base_sha):
            return "behind"
        return "unstable" if any(state not in fine for state in said.values()) else "clean"

    def _merge_tree(self, base: str, head: str) -> str | None:
        if self.git is None:
            return head
        merged = git(self.git, "merge-tree", "--write-tree", base, head, check=False).split("\n")
        conflicts = git(
            self.git, "merge-tree", "--write-tree", "--name-only", "--no-messages", base, head, check=False
        ).split("\n")
        return merged[0] if len(conflicts) == 1 and merged[0] else None

    def _merge(self, pull: Pull, shown: PullRequest, method: str, title: str, body: str, by: str) -> str:
        commit = self._commit(shown, method, f"{title or shown.title}\n\n{body}".strip())
        self.push(shown.base, commit)
        pull.queue = None
        now = self.now()
        pull.shown = msgspec.structs.replace(
            shown,
            state="closed",
            merged=True,
            merge_commit=commit,
            merged_by=by,
            merged_at=now,
            updated_at=now,
        )
        if shown.base == self.default_branch:
            for number in map(int, CLOSES.findall(f"{shown.body}\n{title}\n{body}")):
                if number in self.issues and self.issues[number].state == "open":
                    self.close(number, by=by)
        return commit

    def _commit(self, shown: PullRequest, method: str, message: str) -> str:
        if self.git is None:
            return f"{next(self._ids):040x}"
        tree = self._merge_tree(shown.base_sha, shown.head_sha)
        if tree is None:
            raise MergeRefused(f"pull request #{shown.number} is not merged", reason="Merge conflicts")
        if method != "rebase":
            parents = ["-p", shown.base_sha, *(["-p", shown.head_sha] if method == "merge" else [])]
            return git(self.git, "commit-tree", *parents, "-m", message, tree)
        if not self.contains(shown.head_sha, shown.base_sha):
            raise MergeRefused(
                f"pull request #{shown.number} is not merged", reason="This branch can't be rebased"
            )
        span = f"{shown.base_sha}..{shown.head_sha}"
        tip = shown.base_sha
        for sha in git(self.git, "rev-list", "--reverse", "--no-merges", span).split():
            words = git(self.git, "show", "-s", "--format=%B", sha)
            tip = git(self.git, "commit-tree", "-p", tip, "-m", words + "\n", f"{sha}^{{tree}}")
        return tip
