"""From GitHub's JSON to our values. Whatever is missing, null or of another kind gets its default: never an error."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mawep.trackers.base import (
    About,
    Comment,
    ForgeIssue,
    Permission,
    PullRequest,
    Reference,
    Review,
    ReviewComment,
)
from mawep.trackers.json_values import Json, moment, number, text, thing, things, whole, word

PERMISSIONS = (
    ("admin", Permission.ADMIN),
    ("maintain", Permission.MAINTAIN),
    ("push", Permission.WRITE),
    ("triage", Permission.TRIAGE),
    ("pull", Permission.READ),
)
METHODS = ("merge", "squash", "rebase")
_TAIL = re.compile(r"/(\d+)/?$")
_REPOSITORY = re.compile(r"/repos/([^/]+/[^/]+)")


def login(value: Any) -> str | None:
    """Who somebody is; None: the account is gone."""
    return word(thing(value).get("login"))


def issue(data: Json, repository: str) -> ForgeIssue:
    """An issue as REST shows it."""
    return ForgeIssue(
        number=number(data.get("number")),
        title=text(data.get("title")),
        id=number(data.get("id")),
        node_id=text(data.get("node_id")),
        body=text(data.get("body")),
        state=_state(data),
        state_reason=word(data.get("state_reason")),
        author=login(data.get("user")),
        association=word(data.get("author_association")) or "NONE",
        labels=_labels(data.get("labels")),
        assignees=tuple(name for one in things(data.get("assignees")) if (name := login(one))),
        milestone=word(thing(data.get("milestone")).get("title")),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        closed_at=moment(data.get("closed_at")),
        closed_by=login(data.get("closed_by")),
        url=text(data.get("html_url")),
        comments=number(data.get("comments")),
        parent=_parent(data.get("parent_issue_url"), repository),
        blocked_by_total=_total(data.get("issue_dependencies_summary"), "total_blocked_by", "blocked_by"),
        sub_issues_total=_total(data.get("sub_issues_summary"), "total"),
        is_pull=bool(data.get("pull_request")),
        fields=named(map(_field, things(data.get("issue_field_values")))),
    )


def _field(data: Json) -> tuple[str, Any]:
    """A field that the owner of the repository made for issues."""
    chosen = word(thing(data.get("single_select_option")).get("name"))
    return text(data.get("issue_field_name")), chosen or data.get("value")


def reference(data: Json, repository: str) -> Reference:
    """An issue at the end of an edge, as REST shows it; it belongs to `repository` unless it says otherwise."""
    named = _REPOSITORY.search(text(data.get("repository_url")))
    full = word(thing(data.get("repository")).get("full_name"))
    return Reference(
        repository=full or (named[1] if named else repository),
        number=number(data.get("number")),
        state=_state(data),
        state_reason=word(data.get("state_reason")),
        title=text(data.get("title")),
        url=text(data.get("html_url")),
    )


def comment(data: Json, issue_number: int = 0) -> Comment:
    """A comment; `issue_number` is where it was asked for."""
    return Comment(
        id=number(data.get("id")),
        issue=tail(data.get("issue_url")) or issue_number,
        body=text(data.get("body")),
        author=login(data.get("user")),
        association=word(data.get("author_association")) or "NONE",
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        url=text(data.get("html_url")),
    )


def pull(data: Json) -> PullRequest:
    """A pull request, from a list or by itself."""
    head, base = thing(data.get("head")), thing(data.get("base"))
    merged = data.get("merged") is True or bool(data.get("merged_at"))
    mergeable = data.get("mergeable")
    return PullRequest(
        number=number(data.get("number")),
        title=text(data.get("title")),
        head=text(head.get("ref")),
        head_sha=text(head.get("sha")),
        base=text(base.get("ref")),
        id=number(data.get("id")),
        node_id=text(data.get("node_id")),
        body=text(data.get("body")),
        state=_state(data),
        draft=data.get("draft") is True,
        merged=merged,
        # Before the merge this is a trial that GitHub made for itself.
        merge_commit=word(data.get("merge_commit_sha")) if merged else None,
        merged_by=login(data.get("merged_by")),
        merged_at=moment(data.get("merged_at")),
        mergeable=mergeable if isinstance(mergeable, bool) else None,
        mergeable_state=(word(data.get("mergeable_state")) or "unknown").lower(),
        base_sha=text(base.get("sha")),
        head_repository=word(thing(head.get("repo")).get("full_name")),
        author=login(data.get("user")),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        url=text(data.get("html_url")),
    )


def review(data: Json) -> Review:
    """A review."""
    return Review(
        id=number(data.get("id")),
        state=text(data.get("state")).upper(),
        body=text(data.get("body")),
        author=login(data.get("user")),
        association=word(data.get("author_association")) or "NONE",
        commit=word(data.get("commit_id")),
        submitted_at=moment(data.get("submitted_at")),
        url=text(data.get("html_url")),
    )


def review_comment(data: Json) -> ReviewComment:
    """A comment on a line; one whose line is gone has its old one."""
    return ReviewComment(
        id=number(data.get("id")),
        body=text(data.get("body")),
        path=text(data.get("path")),
        line=whole(data.get("line")) or whole(data.get("original_line")),
        hunk=text(data.get("diff_hunk")),
        author=login(data.get("user")),
        association=word(data.get("author_association")) or "NONE",
        review=whole(data.get("pull_request_review_id")),
        answers=whole(data.get("in_reply_to_id")),
        commit=word(data.get("commit_id")),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        url=text(data.get("html_url")),
    )


def about(data: Json, repository: str) -> About:
    """The repository; where it does not say how it may be merged into, nothing is excluded."""
    may = thing(data.get("permissions"))
    permission = next((level for key, level in PERMISSIONS if may.get(key) is True), Permission.NONE)
    names = {"merge": "allow_merge_commit", "squash": "allow_squash_merge", "rebase": "allow_rebase_merge"}
    return About(
        repository=word(data.get("full_name")) or repository,
        default_branch=word(data.get("default_branch")) or "main",
        permission=permission,
        private=data.get("private") is True,
        archived=data.get("archived") is True,
        issues=data.get("has_issues") is not False,
        methods=tuple(method for method in METHODS if data.get(names[method]) is not False),
        url=text(data.get("html_url")),
    )


def permission(data: Json) -> Permission:
    """What somebody may do; a role of the company's own counts as what it is made from."""
    known = {str(level): level for level in Permission}
    return (
        known.get(text(data.get("role_name"))) or known.get(text(data.get("permission"))) or Permission.NONE
    )


def named(fields: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Fields with a name and a value, which is a text or a number, as people see it."""
    return {name: str(value) for name, value in fields if name and isinstance(value, str | int | float)}


def tail(value: Any) -> int | None:
    """The number at the end of an address."""
    found = _TAIL.search(text(value))
    return int(found[1]) if found else None


def _state(data: Json) -> str:
    return "closed" if text(data.get("state")).lower() in {"closed", "merged"} else "open"


def _labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    names = (one if isinstance(one, str) else word(thing(one).get("name")) for one in value)
    return tuple(name for name in names if name)


def _parent(value: Any, repository: str) -> int | None:
    found = _REPOSITORY.search(text(value))
    return tail(value) if found and found[1].lower() == repository.lower() else None


def _total(value: Any, *names: str) -> int | None:
    return next((count for name in names if (count := whole(thing(value).get(name))) is not None), None)
