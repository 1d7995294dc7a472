"""What GitLab's API answers, as the values of forges. Nothing that is missing is an error."""

from __future__ import annotations

from mawep.core.model import Number
from mawep.trackers.forge_values import Comment, ForgeIssue, Permission, PullRequest, ReviewComment
from mawep.trackers.json_values import Json, moment, number, text, thing, things, word

_STATES = {"opened": "open"}
_NOTE_BITS = 40
"""A note's own number; above it stands that of its issue, without which GitLab does not find it."""
_MERGEABLE = {
    "mergeable": (True, "clean"),
    "conflict": (False, "dirty"),
    "need_rebase": (True, "behind"),
    "draft_status": (True, "draft"),
    "checking": (None, "unknown"),
    "unchecked": (None, "unknown"),
    "preparing": (None, "unknown"),
    "not_open": (None, "unknown"),
}


def state(data: Json) -> str:
    """`open` or `closed`."""
    return _STATES.get(text(data.get("state")), "closed")


def login(value: object) -> str | None:
    """Somebody."""
    return word(thing(value).get("username"))


def permission(level: int) -> Permission:
    """What a level of access lets somebody do."""
    steps = (
        (50, Permission.ADMIN),
        (40, Permission.MAINTAIN),
        (30, Permission.WRITE),
        (15, Permission.TRIAGE),
    )
    found = next((may for least, may in steps if level >= least), Permission.READ)
    return found if level >= 10 else Permission.NONE


def association(level: int) -> str:
    """What somebody with a level of access is to the project, in GitHub's words."""
    return "OWNER" if level >= 50 else "MEMBER" if level >= 30 else "COLLABORATOR" if level >= 20 else "NONE"


def home(data: Json, otherwise: str) -> str:
    """The project of an issue, by its full name or its address."""
    full = text(thing(data.get("references")).get("full")).partition("#")[0]
    if full:
        return full
    path = text(data.get("web_url")).partition("://")[2].partition("/-/")[0]
    return path.partition("/")[2] or otherwise


def issue(data: Json) -> ForgeIssue:
    """An issue."""
    return ForgeIssue(
        number=number(data.get("iid")),
        title=text(data.get("title")),
        id=number(data.get("id")),
        body=text(data.get("description")),
        state=state(data),
        author=login(data.get("author")),
        labels=tuple(one for one in data.get("labels") or () if isinstance(one, str)),
        assignees=tuple(text(one.get("username")) for one in things(data.get("assignees"))),
        milestone=word(thing(data.get("milestone")).get("title")),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        closed_at=moment(data.get("closed_at")),
        closed_by=login(data.get("closed_by")),
        url=text(data.get("web_url")),
        comments=number(data.get("user_notes_count")),
        sub_issues_total=0,
        fields=_estimated(thing(data.get("time_stats"))),
    )


def _estimated(times: Json) -> dict[str, str]:
    """What was said by `/estimate`, in seconds."""
    seconds = number(times.get("time_estimate"))
    return {"Estimate": f"{seconds / 3600:g}h"} if seconds else {}


def comment(data: Json, on: Number) -> Comment:
    """A note on an issue."""
    return Comment(
        id=on << _NOTE_BITS | number(data.get("id")),
        issue=on,
        body=text(data.get("body")),
        author=login(data.get("author")),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
    )


def place(comment_id: int) -> tuple[Number, int]:
    """The issue and the number of a note there."""
    return comment_id >> _NOTE_BITS, comment_id & ((1 << _NOTE_BITS) - 1)


def pull(data: Json) -> PullRequest:
    """A merge request."""
    mergeable, how = _MERGEABLE.get(text(data.get("detailed_merge_status")), (True, "blocked"))
    merged = text(data.get("state")) == "merged"
    ours = data.get("source_project_id") == data.get("target_project_id")
    return PullRequest(
        number=number(data.get("iid")),
        title=text(data.get("title")),
        head=text(data.get("source_branch")),
        head_sha=text(data.get("sha")),
        base=text(data.get("target_branch")),
        id=number(data.get("id")),
        body=text(data.get("description")),
        state=state(data),
        draft=bool(data.get("draft")),
        merged=merged,
        merge_commit=merge_commit(data) if merged else None,
        merged_by=login(data.get("merge_user") or data.get("merged_by")),
        merged_at=moment(data.get("merged_at")),
        mergeable=mergeable,
        mergeable_state=how,
        base_sha=text(thing(data.get("diff_refs")).get("start_sha")),
        head_repository=home(data, "").partition("!")[0] or None if ours else None,
        author=login(data.get("author")),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        url=text(data.get("web_url")),
    )


def merge_commit(data: Json) -> str | None:
    """What the branch got: by a merge, by a squash alone, or the head itself where it went forward."""
    return next(
        filter(None, map(word, map(data.get, ("merge_commit_sha", "squash_commit_sha", "sha")))), None
    )


def remark(data: Json, answers: int | None) -> ReviewComment:
    """A note on a line."""
    position = thing(data.get("position"))
    return ReviewComment(
        id=number(data.get("id")),
        body=text(data.get("body")),
        path=text(position.get("new_path")),
        line=number(position.get("new_line")) or None,
        author=login(data.get("author")),
        answers=answers,
        commit=word(position.get("head_sha")),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
    )
