"""What Forgejo's API answers, as the values of forges, where it differs from GitHub's. Nothing missing is an error."""

from __future__ import annotations

import msgspec

from mawep.core.model import Number
from mawep.trackers.forge_values import Comment, ForgeIssue, PullRequest, Review, ReviewComment
from mawep.trackers.github import decode
from mawep.trackers.json_values import Json, number, text

_REVIEWS = {"REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


def number_of(data: Json) -> int:
    """The id of anything."""
    return number(data.get("id"))


def login(data: Json) -> str | None:
    """Who wrote it."""
    return decode.login(data.get("user"))


def issue(data: Json) -> ForgeIssue:
    """An issue; pull requests are shown as issues too."""
    return msgspec.structs.replace(
        decode.issue(data, ""), sub_issues_total=0, is_pull=data.get("pull_request") is not None
    )


def comment(data: Json, on: Number = 0) -> Comment:
    """A comment; what it is on stands in its address."""
    address = text(data.get("issue_url")) or text(data.get("pull_request_url"))
    return decode.comment({**data, "issue_url": address}, on)


def pull(data: Json) -> PullRequest:
    """A pull request."""
    mergeable = data.get("mergeable")
    state = "draft" if data.get("draft") else "clean" if mergeable else "dirty"
    known = isinstance(mergeable, bool)
    return decode.pull({**data, "mergeable_state": state if known else None})


def review(data: Json) -> Review:
    """A review."""
    state = text(data.get("state"))
    named = "DISMISSED" if data.get("dismissed") else _REVIEWS.get(state, state)
    return decode.review({**data, "state": named})


def remark(data: Json, review: int) -> ReviewComment:
    """A comment on a line."""
    return decode.review_comment(
        {**data, "line": number(data.get("position")) or None, "pull_request_review_id": review}
    )
