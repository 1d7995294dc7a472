"""The issues of a forge: what is asked for, what that waits for, and whose words may be taken."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from mawep.core.model import Issue, Number, Remark
from mawep.errors import UsageError
from mawep.trackers.base import Forge, NotThere, Refused
from mawep.trackers.forge_reading import ForgeReading, outside_of
from mawep.trackers.forge_values import Comment, ForgeIssue, Permission, Query
from mawep.trackers.found import Found, Outside, Wanted
from mawep.trackers.issue_text import moment
from mawep.trackers.together import together
from mawep.trackers.trust import (
    APPROVED,
    OUR_MARK,
    Approval,
    approves,
    covered,
    is_command,
    newest_approval,
    refusal,
    trusted,
)

MOST_STRANGERS = 50
"""Issues by strangers whose comments are looked through for an approval when nobody asked for them by number."""
MOST_SAID = 40_000
"""Characters of a conversation that an agent is shown: of a longer one the newest."""


class ForgeTracker:
    """Issues of the repository that `forge` sees, by those whose association is in `trust`, or approved.

    `near` are the repositories, in lower case, that take part in the run with this one.
    """

    def __init__(self, forge: Forge, trust: Sequence[str], near: Collection[str] = ()) -> None:
        self.name = forge.name
        self._near = near
        self._forge = forge
        self._trust = tuple(trust)
        self._seen: dict[Number, ForgeIssue] = {}
        self._permissions: dict[str, Permission] = {}
        self._comments: dict[Number, list[Comment]] = {}

    async def find(self, wanted: Wanted, *, with_dependencies: bool = False) -> Found:
        reading = ForgeReading(self._forge, self._near)
        roots = await self._roots(wanted, reading)
        refused: dict[Number, str] = {}
        ahead, by_number = roots, bool(wanted.numbers)
        while ahead:
            refused |= await self._refused(ahead, every_one=by_number)
            for issue in ahead:
                reading.take(issue)
            ahead = await reading.follow(
                (issue for issue in ahead if issue.number not in refused), with_dependencies=with_dependencies
            )
            ahead, by_number = [issue for issue in ahead if issue.number not in refused], True
        self._seen |= reading.seen
        return Found(
            reading.issues(),
            matching=None if wanted.numbers else frozenset(issue.number for issue in roots),
            outside=reading.beyond(),
            problems=reading.problems(),
            refused=refused,
            parents=reading.parents(),
            absent=_absent(wanted.numbers, reading),
            notes=tuple(reading.notes),
        )

    async def with_remarks(self, issues: Sequence[Issue]) -> list[Issue]:
        return await together(self._with_remarks, issues)

    async def close(self) -> None:
        await self._forge.close()

    async def _roots(self, wanted: Wanted, reading: ForgeReading) -> list[ForgeIssue]:
        """The open issues that are asked for."""
        if wanted.numbers:
            await reading.look(wanted.numbers)
            found = [reading.seen[number] for number in wanted.numbers if number in reading.seen]
            return [issue for issue in found if issue.state == "open"]
        labels = () if wanted.label is None else (wanted.label,)
        query = Query((), labels, wanted.milestone, wanted.query, wanted.project)
        try:
            found = await self._forge.issues(query)
        except (NotThere, Refused) as error:
            raise UsageError(error.what, cause=error.cause, next_step=error.next_step) from error
        found = [issue for issue in found if issue.state == "open" and not issue.is_pull]
        reading.seen |= {issue.number: issue for issue in found}
        return found

    async def _refused(self, issues: Sequence[ForgeIssue], *, every_one: bool) -> dict[Number, str]:
        """Why issues may not be worked on, by number."""
        strangers = [issue for issue in issues if not trusted(issue.association, self._trust)]
        spoken_of = sorted(
            (issue for issue in strangers if issue.comments or APPROVED in issue.labels),
            key=lambda one: str(one.updated_at),
            reverse=True,
        )
        looked = spoken_of if every_one else spoken_of[:MOST_STRANGERS]
        numbers = [issue.number for issue in looked]
        approvals = dict(zip(numbers, await together(self._approval, looked), strict=True))
        approved = [number for number in numbers if approvals[number]]
        edited = dict(zip(approved, await together(self._forge.edited, approved), strict=True))
        sentences = {
            one.number: refusal(one, self._trust, approvals.get(one.number), edited.get(one.number))
            for one in strangers
        }
        return {number: sentence for number, sentence in sentences.items() if sentence is not None}

    async def _approval(self, issue: ForgeIssue) -> Approval | None:
        comments = await self._conversation(issue.number) if issue.comments else []
        labelled = await self._forge.labelled(issue.number) if APPROVED in issue.labels else []
        logins = {one.author for one in comments if approves(one)}
        logins |= {one.by for one in labelled if one.label == APPROVED}
        for login in logins:
            if login and login not in self._permissions:
                self._permissions[login] = await self._forge.permission(login)
        return newest_approval(comments, labelled, self._permissions)

    async def _conversation(self, number: Number) -> list[Comment]:
        if number not in self._comments:
            self._comments[number] = await self._forge.comments(number)
        return self._comments[number]

    async def _with_remarks(self, issue: Issue) -> Issue:
        seen = self._seen.get(issue.number)
        if seen is None or not seen.comments:
            return issue
        said = [one for one in await self._conversation(issue.number) if not await self._is_ours(one)]
        approval = await self._approval(seen)
        fit = [one for one in said if covered(one, self._trust, approval)]
        return msgspec.structs.replace(issue, remarks=_newest(fit))

    async def _is_ours(self, comment: Comment) -> bool:
        """What MAWEP wrote itself, and what was written to it alone, is no news to an agent."""
        if is_command(comment):
            return True
        return OUR_MARK in comment.body and comment.author == await self._forge.whoami()


def _newest(comments: Sequence[Comment]) -> tuple[Remark, ...]:
    """The end of a conversation, oldest first."""
    kept: list[Remark] = []
    left = MOST_SAID
    for one in reversed(comments):
        left -= len(one.body)
        if left < 0:
            break
        kept.append(Remark(one.author, one.body, one.association, moment(one.created_at)))
    return tuple(reversed(kept))


def _absent(numbers: Sequence[Number], reading: ForgeReading) -> dict[Number, str]:
    """Why some of the numbers asked for are nothing to work on."""
    found: dict[Number, str] = {}
    for number in numbers:
        if number in reading.outside:
            found[number] = "is a pull request, not an issue"
        elif number in reading.seen and reading.seen[number].state != "open":
            state = outside_of("closed", reading.seen[number].state_reason)
            found[number] = "is closed" if state is Outside.DONE else f"is {state}"
    return found
