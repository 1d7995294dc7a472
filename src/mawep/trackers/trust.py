"""Whose words reach agents: by what the forge says of the author, or by the approval of somebody who may push.

An approval is a comment `/mawep approve`, in a line of its own, or the label `mawep: approved`, both by somebody with
write permission. It covers what was written until then, by whomever: a text that is edited later needs another one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from mawep.trackers.forge_values import Comment, ForgeIssue, Labelled, Permission
from mawep.trackers.markdown import Markdown

APPROVE = "/mawep approve"
APPROVED = "mawep: approved"
"""The label; who put it on decides whether it counts."""
OUR_MARK = "<!-- mawep:"
"""Begins the mark in everything that MAWEP posts itself."""

_APPROVAL = re.compile(r"[ \t]*/mawep[ \t]+approve[ \t]*", re.IGNORECASE)
_COMMAND = re.compile(r"[ \t]*/mawep\b.*", re.IGNORECASE)


@dataclass(frozen=True)
class Approval:
    """Somebody with write permission has read what was there at `at`."""

    login: str
    at: datetime


def trusted(association: str, trust: Collection[str]) -> bool:
    """True when what the forge says of an author is enough."""
    return association.upper() in trust


def approves(comment: Comment) -> bool:
    """True when a comment is an approval, if its author may give one. What is quoted or in code is none."""
    if OUR_MARK in comment.body or "/mawep" not in comment.body.lower():
        return False
    return any(_APPROVAL.fullmatch(line) for line in Markdown(comment.body.replace("\r\n", "\n")).visible)


def is_command(comment: Comment) -> bool:
    """True when a comment says something to MAWEP and nothing else."""
    lines = [line for line in comment.body.splitlines() if line.strip()]
    return bool(lines) and all(_COMMAND.fullmatch(line) for line in lines)


def newest_approval(
    comments: Sequence[Comment], labelled: Sequence[Labelled], permissions: dict[str, Permission]
) -> Approval | None:
    """The last approval by somebody with write permission; an edited comment counts from when it was written."""
    given = [(one.author, one.created_at) for one in comments if approves(one)]
    given += [(one.by, one.at) for one in labelled if one.label == APPROVED][
        -1:
    ]  # who put it on as it is now
    found = [
        Approval(login, at)
        for login, at in given
        if login and at and permissions.get(login, Permission.NONE).may_write
    ]
    return max(found, key=lambda approval: approval.at, default=None)


def refusal(
    issue: ForgeIssue, trust: Sequence[str], approval: Approval | None, edited: datetime | None = None
) -> str | None:
    """Why an issue is not worked on, as the end of a sentence about it; None when it may be.

    `edited` is when its title or text changed last, where the forge tells.
    """
    if trusted(issue.association, trust):
        return None
    who = f"is by {issue.author or 'nobody known'} ({issue.association})"
    how = f"somebody with write permission approves it by the comment `{APPROVE}` or the label `{APPROVED}`"
    if approval is None:
        return f"{who}, not among `issues.trust` ({', '.join(trust)}): {how}"
    if edited is not None and edited > approval.at:
        return f"{who} and was edited after {approval.login} had approved it: {how} anew"
    return None


def covered(comment: Comment, trust: Collection[str], approval: Approval | None) -> bool:
    """True when an agent may be shown a comment."""
    if trusted(comment.association, trust):
        return True
    changed = comment.updated_at or comment.created_at
    return approval is not None and changed is not None and changed <= approval.at
