"""What Forgejo's API answers, as the values of forges. Nothing that is missing is an error."""

from __future__ import annotations

from mawep.core.model import Number
from mawep.trackers.forge_values import Comment, ForgeIssue, PullRequest, Review, ReviewComment
from mawep.trackers.github.decode import Json, moment, number, text, thing, things, word

_REVIEWS = {"REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


def number_of(data: Json) -> int:
    """The id of anything."""
    return number(data.get("id"))


def login(data: Json) -> str | None:
    """Who wrote it."""
    return word(thing(data.get("user")).get("login"))


def issue(data: Json) -> ForgeIssue:
    """An issue; pull requests are shown as issues too."""
    return ForgeIssue(
        number=number(data.get("number")),
        title=text(data.get("title")),
        id=number_of(data),
        body=text(data.get("body")),
        state=text(data.get("state")) or "open",
        author=login(data),
        labels=tuple(text(one.get("name")) for one in things(data.get("labels"))),
        assignees=tuple(text(one.get("login")) for one in things(data.get("assignees"))),
        milestone=word(thing(data.get("milestone")).get("title")),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        closed_at=moment(data.get("closed_at")),
        url=text(data.get("html_url")),
        comments=number(data.get("comments")),
        sub_issues_total=0,
        is_pull=data.get("pull_request") is not None,
    )


def comment(data: Json, on: Number | None = None) -> Comment:
    """A comment; what it is on stands in its address where it is not known."""
    address = text(data.get("issue_url")) or text(data.get("pull_request_url"))
    last = address.rstrip("/").rpartition("/")[2]
    return Comment(
        id=number_of(data),
        issue=on if on is not None else int(last) if last.isdecimal() else 0,
        body=text(data.get("body")),
        author=login(data),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        url=text(data.get("html_url")),
    )


def pull(data: Json) -> PullRequest:
    """A pull request."""
    head, base = thing(data.get("head")), thing(data.get("base"))
    mergeable = data.get("mergeable")
    draft = bool(data.get("draft"))
    state = "draft" if draft else "clean" if mergeable else "dirty"
    return PullRequest(
        number=number(data.get("number")),
        title=text(data.get("title")),
        head=text(head.get("ref")),
        head_sha=text(head.get("sha")),
        base=text(base.get("ref")),
        id=number_of(data),
        body=text(data.get("body")),
        state=text(data.get("state")) or "open",
        draft=draft,
        merged=bool(data.get("merged")),
        merge_commit=word(data.get("merge_commit_sha")) if data.get("merged") else None,
        merged_by=word(thing(data.get("merged_by")).get("login")),
        mergeable=mergeable if isinstance(mergeable, bool) else None,
        mergeable_state=state if isinstance(mergeable, bool) else "unknown",
        base_sha=text(base.get("sha")),
        head_repository=word(thing(head.get("repo")).get("full_name")),
        author=login(data),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        url=text(data.get("html_url")),
    )


def review(data: Json) -> Review:
    """A review."""
    state = text(data.get("state"))
    return Review(
        id=number_of(data),
        state="DISMISSED" if data.get("dismissed") else _REVIEWS.get(state, state),
        body=text(data.get("body")),
        author=login(data),
        commit=word(data.get("commit_id")),
        submitted_at=moment(data.get("submitted_at")),
        url=text(data.get("html_url")),
    )


def remark(data: Json, review: int) -> ReviewComment:
    """A comment on a line."""
    return ReviewComment(
        id=number_of(data),
        body=text(data.get("body")),
        path=text(data.get("path")),
        line=number(data.get("position")) or None,
        hunk=text(data.get("diff_hunk")),
        author=login(data),
        review=review,
        commit=word(data.get("commit_id")),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        url=text(data.get("html_url")),
    )
