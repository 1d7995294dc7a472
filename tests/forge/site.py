"""What the overlay knows of one repository that the stateful server does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.forge.bare import Bare
from tests.forge.mirror import Mirror

Json = dict[str, Any]

MAY = ("read", "triage", "write", "maintain", "admin")


@dataclass
class Verdict:
    """What a check says about a commit."""

    name: str
    conclusion: str = "success"
    summary: str = ""
    text: str = ""


@dataclass
class Protection:
    """What a branch demands: by a ruleset, which everybody may read, or by a `classic` protection."""

    checks: tuple[str, ...] = ()
    approvals: int = 0
    strict: bool = False
    queue: bool = False
    classic: bool = False


Pushed = Callable[[str, str], Sequence[Verdict]]
"""What continuous integration says at once about a commit that was pushed to a branch: `(branch, sha)`."""


@dataclass
class Pull:
    """What git and the overlay add to a pull request."""

    looks: int = 0
    seen: tuple[str | None, str | None] = (None, None)
    head_sha: str | None = None
    base_sha: str | None = None
    merge_commit: str | None = None
    merged_by: str | None = None


@dataclass
class Site:
    """One repository."""

    name: str
    bare: Bare
    mirror: Mirror
    owner: str
    roles: dict[str, str] = field(default_factory=dict)
    associations: dict[str, str] = field(default_factory=dict)
    blocked_by: dict[int, list[int]] = field(default_factory=dict)
    children: dict[int, list[int]] = field(default_factory=dict)
    statuses: dict[str, list[Json]] = field(default_factory=dict)
    authors: dict[int, str] = field(default_factory=dict)
    protections: dict[str, Protection] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    queue: list[int] = field(default_factory=list)
    queue_runs: bool = True
    has_dependencies: bool = True
    has_sub_issues: bool = True
    looks_until_mergeable: int = 1
    on_push: Pushed | None = None
    version: int = 0
    cached: tuple[int, list[Json]] | None = None

    def role(self, login: str) -> str:
        """What a person may do: one of `MAY`, and at least read, since the repository is public."""
        return "admin" if login == self.owner else self.roles.get(login, "read")

    def may(self, login: str, role: str) -> bool:
        """True when a person may do what `role` may."""
        return MAY.index(self.role(login)) >= MAY.index(role)

    def association(self, login: str) -> str:
        """What a person is to the repository, in GitHub's words."""
        if login == self.owner:
            return "OWNER"
        return self.associations.get(login, "COLLABORATOR" if login in self.roles else "NONE")

    def parent(self, number: int) -> int | None:
        """The issue that has `number` among its sub-issues."""
        return next((parent for parent, kids in self.children.items() if number in kids), None)

    def blocking(self, number: int) -> list[int]:
        """The issues that `number` blocks."""
        return [blocked for blocked, on in self.blocked_by.items() if number in on]

    def pull(self, number: int) -> Pull:
        """What is kept about a pull request."""
        return self.pulls.setdefault(number, Pull())

    def changed(self) -> None:
        """Something about issues or pull requests is no longer what was cached."""
        self.version += 1
