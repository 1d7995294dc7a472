"""What agents may have said and read on a forge. They have no token: it is done for them, within bounds."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import structlog

from mawep.agents.prompt import Quote, quoted
from mawep.coordination import payloads as wire
from mawep.core.model import Number
from mawep.errors import MawepError
from mawep.orchestrator.reporter import Reporter
from mawep.reports import sentences
from mawep.trackers.base import Comment, Forge, ForgeIssue, NotThere
from mawep.trackers.trust import APPROVED, Approval, approves, covered, is_command, newest_approval, refusal

log = structlog.get_logger("mawep.errands")

MOST_COMMENTS = 20
"""Comments that the agents on one issue may make in a run, all attempts together."""
MOST_READ = 20
"""Comments of an issue that an agent is shown, the newest."""
BODY_LIMIT, COMMENT_LIMIT = 20_000, 2_000
"""Characters of a text, and of a comment, that an agent is shown."""


class Errands:
    """Goes to the forge for agents. `trust` are the associations whose words may reach them."""

    def __init__(self, forge: Forge, reporter: Reporter, trust: Sequence[str]) -> None:
        self._forge = forge
        self._reporter = reporter
        self._trust = trust

    async def run(self, request: wire.ForgeRequest, agent: str) -> wire.ForgeAnswer:
        """Do what an agent asks for; what goes wrong is its answer."""
        log.info("an agent is on the forge", issue=request.issue, agent=agent, reads=request.number)
        try:
            if request.text is not None:
                return await self._comment(request, request.text, agent)
            if request.number is not None:
                return await self._read(request, request.number)
            return answered(request, "nothing was asked for", ok=False)
        except NotThere:
            return answered(request, f"there is no issue {request.number} in this repository", ok=False)
        except MawepError as error:
            log.warning("an errand failed", issue=request.issue, error=error.what, cause=error.cause)
            return answered(request, f"that cannot be done now: {error.what}", ok=False)

    async def _comment(self, request: wire.ForgeRequest, text: str, agent: str) -> wire.ForgeAnswer:
        mine = f"agent/{request.issue}/"
        said = self._reporter.remarks(mine)
        if said >= MOST_COMMENTS:
            return answered(
                request, f"there are {said} comments by agents already, which is the most", ok=False
            )
        key = f"{mine}a{request.attempt}/{request.request_id}"
        await self._reporter.say(request.issue, key, *sentences.remark(agent, text))
        return answered(request, "it is posted as soon as the forge takes it; nobody answers it")

    async def _read(self, request: wire.ForgeRequest, number: Number) -> wire.ForgeAnswer:
        issue = await self._forge.issue(number)
        comments = await self._forge.comments(number) if issue.comments else []
        approval = await self._approval(issue, comments)
        edited = await self._forge.edited(number) if approval else None
        why = refusal(issue, self._trust, approval, edited)
        if why is not None:
            log.warning("an agent may not read an issue", issue=request.issue, wanted=number, cause=why)
            return answered(request, f"#{number} {why}", ok=False)
        ours = await self._forge.whoami()
        fit = [
            one
            for one in comments
            if one.author != ours and not is_command(one) and covered(one, self._trust, approval)
        ]
        return answered(request, _told(issue, fit[-MOST_READ:]))

    async def _approval(self, issue: ForgeIssue, comments: Sequence[Comment]) -> Approval | None:
        labelled = await self._forge.labelled(issue.number) if APPROVED in issue.labels else []
        logins = {one.author for one in comments if approves(one)} | {one.by for one in labelled}
        allowed = {login: await self._forge.permission(login) for login in sorted(filter(None, logins))}
        return newest_approval(comments, labelled, allowed)


def answered(request: wire.ForgeRequest, text: str, *, ok: bool = True) -> wire.ForgeAnswer:
    """What an agent is told that asked."""
    return wire.ForgeAnswer(
        issue=request.issue, attempt=request.attempt, request_id=request.request_id, ok=ok, text=text
    )


def _told(issue: ForgeIssue, comments: Sequence[Comment]) -> str:
    """The issue for a model: everything that others wrote is fenced, with whose words it is."""
    token = secrets.token_hex(8)
    text = f"# {issue.title}\nLabels: {', '.join(issue.labels) or 'none'}\n\n{issue.body}"[:BODY_LIMIT]
    parts = [quoted(token, f"Issue #{issue.number} is {issue.state}.", Quote(_by(issue), text))]
    parts += [quoted(token, "A comment.", Quote(_by(one), one.body[:COMMENT_LIMIT])) for one in comments]
    return "\n\n".join(parts)


def _by(text: ForgeIssue | Comment) -> str:
    return f"{text.author or 'somebody unknown'} ({text.association})"
