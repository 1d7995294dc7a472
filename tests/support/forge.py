"""A forge in memory that keeps every promise of `mawep.trackers.base.Forge`, and can be made to fail.

It passes the contract suite that the GitHub client passes (`tests/contract/test_forge.py`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection
from datetime import datetime
from typing import TypeVar

import msgspec

from mawep.core.model import Number, Sha
from mawep.trackers.base import (
    About,
    Allowance,
    Ambiguous,
    Check,
    Comment,
    Edges,
    Forge,
    ForgeError,
    ForgeIssue,
    GitCredentials,
    Labelled,
    Merged,
    NotThere,
    Permission,
    PullRequest,
    Query,
    QueueEntry,
    RateLimited,
    Required,
    Review,
    ReviewComment,
    SignedIn,
    Unreachable,
)
from tests.support.forge_world import Pull, World

T = TypeVar("T")

WRITES = frozenset(
    {
        "comment",
        "edit_comment",
        "add_labels",
        "remove_label",
        "close_issue",
        "reopen_issue",
        "open_pull",
        "edit_pull",
        "reply",
        "merge",
        "enqueue",
    }
)


class FakeForge:
    """MAWEP's view of a `World`.

    `calls` counts every call by its method's name, refused ones too, and `writes` those that were carried out.
    Faults: `fail_before` (nothing was done), `fail_after` (done, but the answer is lost: Ambiguous), `delay` (the
    answer is lost, and it is done only at `settle()`), `unreachable` and `limited_until` (every call, while set).
    """

    name = "github"

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.repository = self.world.repository
        self.calls: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.unreachable = False
        self.limited_until: datetime | None = None
        self._before: dict[str, deque[ForgeError]] = {}
        self._after: Counter[str] = Counter()
        self._late: Counter[str] = Counter()
        self._held: list[tuple[str, Callable[[], object]]] = []

    # Faults

    def fail_before(self, method: str, error: ForgeError | None = None) -> None:
        """The next call of `method` fails with nothing done."""
        self._before.setdefault(method, deque()).append(error or Unreachable("the forge does not answer"))

    def fail_after(self, method: str) -> None:
        """The next call of `method` is carried out, and its answer lost."""
        self._after[method] += 1

    def delay(self, method: str) -> None:
        """The answer to the next call of `method` is lost, and it is carried out only by `settle`."""
        self._late[method] += 1

    def settle(self) -> None:
        """Carry out what was delayed."""
        held, self._held = self._held, []
        for method, act in held:
            act()
            self.writes[method] += method in WRITES

    # Forge

    async def whoami(self) -> str:
        return self._do("whoami", lambda: self.world.login)

    async def about(self) -> About:
        world = self.world
        return self._do(
            "about",
            lambda: About(
                world.repository,
                world.default_branch,
                world.people[world.login],
                methods=world.methods,
                url=f"https://github.example/{world.repository}",
            ),
        )

    async def signed_in(self) -> SignedIn:
        allowance = Allowance("core", 5000, 5000)
        return self._do("signed_in", lambda: SignedIn(self.world.login, ("repo",), (allowance,)))

    async def issue(self, number: Number, *, repository: str | None = None) -> ForgeIssue:
        def look() -> ForgeIssue:
            if repository in (None, self.repository):
                return self.world.thing(number)
            found = self.world.foreign.get((repository or "", number))
            if found is None:
                raise NotThere(f"there is no issue {repository}#{number}")
            return found

        return self._do("issue", look)

    async def issues(self, wanted: Query) -> list[ForgeIssue]:
        return self._do("issues", lambda: sorted(self.wanted(wanted), key=lambda issue: issue.number))

    async def edges(self, numbers: Collection[Number]) -> Edges:
        world = self.world

        def look() -> Edges:
            blocked, children, parents = {}, {}, {}
            for number in numbers:
                issue = world.thing(number)
                if issue.blocked_by_total:
                    blocked[number] = tuple(map(world.reference, world.blocked_by[number]))
                if issue.sub_issues_total:
                    children[number] = tuple(map(world.reference, world.children[number]))
                if issue.parent is not None:
                    parents[number] = world.reference(issue.parent)
            return Edges(blocked, children, parents, world.dependencies_supported, world.sub_issues_supported)

        return self._do("edges", look)

    async def labelled(self, number: Number) -> list[Labelled]:
        return self._do("labelled", lambda: list(self.world.labelled.get(number, ())))

    async def edited(self, number: Number) -> datetime | None:
        return self._do("edited", lambda: self.world.edited.get(number))

    async def comments(self, number: Number, *, since: datetime | None = None) -> list[Comment]:
        def look() -> list[Comment]:
            if number not in self.world.pulls:
                self.world.thing(number)
            return [c for c in self.world.comments.values() if c.issue == number and _since(c, since)]

        return self._do("comments", look)

    async def recent_comments(self, since: datetime) -> list[Comment]:
        return self._do(
            "recent_comments",
            lambda: sorted(
                (c for c in self.world.comments.values() if _since(c, since)),
                key=lambda c: (c.updated_at is not None, c.updated_at),
            ),
        )

    async def comment(self, number: Number, body: str) -> Comment:
        return self._do("comment", lambda: self.world.say(number, body))

    async def edit_comment(self, comment_id: int, body: str) -> None:
        self._do("edit_comment", lambda: self.world.reword(comment_id, body))

    async def add_labels(self, number: Number, names: Collection[str]) -> None:
        self._do("add_labels", lambda: self.world.label(number, names))

    async def remove_label(self, number: Number, name: str) -> None:
        def remove() -> None:
            if name in self.world.thing(number).labels:
                self.world.unlabel(number, name)

        self._do("remove_label", remove)

    async def close_issue(self, number: Number) -> ForgeIssue | None:
        def close() -> ForgeIssue | None:
            if self.world.thing(number).state == "closed":
                return None
            self.world.close(number)
            return self.world.thing(number)

        return self._do("close_issue", close)

    async def reopen_issue(self, number: Number) -> None:
        def reopen() -> None:
            if self.world.thing(number).state == "closed":
                self.world.reopen(number)

        self._do("reopen_issue", reopen)

    async def permission(self, login: str) -> Permission:
        return self._do("permission", lambda: self.world.people.get(login, Permission.NONE))

    async def pulls(self, *, head: str | None = None, state: str = "open") -> list[PullRequest]:
        def look() -> list[PullRequest]:
            found = (self.world.pull(number) for number in sorted(self.world.pulls))
            return [
                msgspec.structs.replace(pull, mergeable=None, mergeable_state="unknown")
                for pull in found
                if head in (None, pull.head) and state in ("all", pull.state)
            ]

        return self._do("pulls", look)

    async def pull(self, number: Number) -> PullRequest:
        return self._do("pull", lambda: self.world.pull(number))

    async def open_pull(
        self, *, title: str, body: str, head: str, base: str, draft: bool = False
    ) -> PullRequest:
        return self._do(
            "open_pull",
            lambda: self.world.open(title=title, body=body, head=head, base=base, draft=draft),
        )

    async def edit_pull(self, number: Number, *, title: str | None = None, body: str | None = None) -> None:
        self._do("edit_pull", lambda: self.world.rewrite(number, title=title, body=body))

    async def checks(self, sha: Sha) -> list[Check]:
        return self._do(
            "checks", lambda: sorted(self.world.checks.get(sha, ()), key=lambda check: check.name)
        )

    async def required(self, branch: str) -> Required:
        return self._do("required", lambda: self.world.protected.get(branch, Required()))

    async def reviews(self, number: Number) -> list[Review]:
        return self._do("reviews", lambda: list(self._pull(number).reviews))

    async def review_comments(self, number: Number) -> list[ReviewComment]:
        return self._do("review_comments", lambda: list(self._pull(number).remarks))

    async def reply(self, number: Number, comment_id: int, body: str) -> ReviewComment:
        return self._do("reply", lambda: self.world.remark(number, body, answers=comment_id))

    async def merge(self, number: Number, *, sha: Sha, method: str, title: str, body: str) -> Merged:
        return self._do(
            "merge",
            lambda: Merged(self.world.merge(number, sha=sha, method=method, title=title, body=body)),
        )

    async def enqueue(self, number: Number, *, sha: Sha) -> None:
        self._do("enqueue", lambda: self.world.enqueue(number, sha))

    async def queued(self, number: Number) -> QueueEntry | None:
        return self._do("queued", lambda: self.world.queued(number))

    async def reachable(self, commit: Sha, branch: str) -> bool:
        def look() -> bool:
            head = self.world.head(branch)
            if head is None:
                raise NotThere(f"there is no branch {branch} in {self.repository}")
            try:
                return self.world.contains(head, commit)
            except NotThere:
                return False

        return self._do("reachable", look)

    async def clone_url(self) -> str:
        if self.world.git is not None:
            return self._do("clone_url", self.world.git.as_uri)
        return self._do("clone_url", lambda: f"https://github.example/{self.repository}.git")

    async def git_credentials(self) -> GitCredentials | None:
        return None if self.world.git else GitCredentials("x-access-token", "fake-token")

    async def close(self) -> None:
        """Nothing is held."""

    # Within

    def _do(self, method: str, act: Callable[[], T]) -> T:
        self.calls[method] += 1
        if self.unreachable:
            raise Unreachable("the forge does not answer", cause="no route to it")
        if self.limited_until is not None:
            if self.world.clock.now() < self.limited_until:
                raise RateLimited("the forge has had enough of us", until=self.limited_until)
            self.limited_until = None
        if errors := self._before.get(method):
            raise errors.popleft()
        if self._late[method]:
            self._late[method] -= 1
            self._held.append((method, act))
            raise Ambiguous(f"no answer to {method}", cause="the connection was lost")
        result = act()
        if method in WRITES:
            self.writes[method] += 1
        if self._after[method]:
            self._after[method] -= 1
            raise Ambiguous(f"no answer to {method}", cause="the connection was lost")
        return result

    def _pull(self, number: Number) -> Pull:
        self.world.pull(number)
        return self.world.pulls[number]

    def wanted(self, wanted: Query) -> list[ForgeIssue]:
        """The issues that a query chooses."""
        world = self.world
        numbers = [*world.issues]
        if wanted.numbers:
            numbers = [number for number in sorted(set(wanted.numbers)) if number in world.issues]
        if wanted.project is not None:
            if wanted.project not in world.projects:
                raise NotThere(f"there is no project {wanted.project}")
            numbers = [number for number in numbers if number in world.projects[wanted.project]]
        found = [world.thing(number) for number in numbers]
        if wanted.milestone is not None:
            if all(issue.milestone != wanted.milestone for issue in world.issues.values()):
                raise NotThere(f"there is no milestone {wanted.milestone}")
            found = [issue for issue in found if issue.milestone == wanted.milestone]
        if wanted.query is not None:
            words = [word.lower() for word in wanted.query.split() if ":" not in word]
            found = [i for i in found if all(word in f"{i.title} {i.body}".lower() for word in words)]
        only_numbers = bool(wanted.numbers) and msgspec.structs.replace(wanted, numbers=()) == Query()
        if only_numbers:
            shown = (self.world.pull(number) for number in wanted.numbers if number in world.pulls)
            found += [
                ForgeIssue(number=pull.number, title=pull.title, state=pull.state, is_pull=True)
                for pull in shown
            ]
        return [
            issue
            for issue in found
            if (wanted.state in ("all", issue.state) or only_numbers)
            and set(wanted.labels) <= set(issue.labels)
            and _since(issue, wanted.since)
        ]


def _since(thing: Comment | ForgeIssue, since: datetime | None) -> bool:

    return since is None or thing.updated_at is None or thing.updated_at >= since


def fake(world: World | None = None) -> Forge:
    """The fake as the protocol: what a type checker proves of it."""
    return FakeForge(world)
