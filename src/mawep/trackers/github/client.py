"""GitHub as a `Forge`: one repository through one credential."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from mawep.clock import Clock
from mawep.core.model import Number, Sha
from mawep.trackers.base import (
    About,
    Allowance,
    AllowanceObserver,
    Check,
    Comment,
    Conflicted,
    Edges,
    ForgeIssue,
    ForgeSettings,
    GitCredentials,
    Labelled,
    Merged,
    MergeRefused,
    NotAllowed,
    NotThere,
    Permission,
    PullRequest,
    Query,
    QueueEntry,
    Refused,
    Required,
    Review,
    ReviewComment,
    SignedIn,
)
from mawep.trackers.github import decode
from mawep.trackers.github.api import Api, GraphQLError
from mawep.trackers.github.auth import Given, Installation
from mawep.trackers.github.checks import CheckReader
from mawep.trackers.github.choice import Chooser, stamp
from mawep.trackers.github.demands import demands
from mawep.trackers.github.edges import EdgeReader
from mawep.trackers.json_values import moment, text, thing, things, whole, word
from mawep.trackers.json_values import number as whole_number
from mawep.trackers.limiter import Limiter

ENQUEUE = """
mutation($pull: ID!, $sha: GitObjectID!) {
  enqueuePullRequest(input: {pullRequestId: $pull, expectedHeadOid: $sha}) { mergeQueueEntry { state } }
}
"""
EDITED = """
query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { issue(number: $number) {
    lastEditedAt
    timelineItems(last: 1, itemTypes: [RENAMED_TITLE_EVENT]) { nodes { ... on RenamedTitleEvent { createdAt } } }
  } }
}
"""
VIEWER = "query { viewer { login } }"
QUEUED = """
query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) { mergeQueueEntry { state position } } }
}
"""


class GitHubForge:
    """See `mawep.trackers.base.Forge`."""

    name = "github"

    def __init__(
        self, settings: ForgeSettings, clock: Clock, observer: AllowanceObserver | None = None
    ) -> None:
        self.repository = settings.repository
        self._owner, _, self._name = settings.repository.partition("/")
        self._path = f"/repos/{settings.repository}"
        self._api_url = settings.api_url
        signer = (
            Given(settings.token)
            if settings.app is None
            else Installation(settings.app, clock, settings.learned)
        )
        limiter = Limiter(
            clock,
            settings.max_requests_per_hour,
            observer=observer,
            longest_wait=settings.longest_wait,
        )
        self._api = Api(settings.api_url, signer, limiter)
        self._edges = EdgeReader(self._api, settings.repository)
        self._chooser = Chooser(self._api, settings.repository)
        self._checks = CheckReader(self._api, settings.repository)
        self._login: str | None = None
        self._clone_url: str | None = None

    # Who and what

    async def whoami(self) -> str:
        if self._login is None:
            self._login = await self._api.login() or await self._user()
        if self._login is None:
            raise NotAllowed("the forge does not say who we are", next_step="check `github.token`")
        return self._login

    async def _user(self) -> str | None:
        """A token that an App or a workflow was given for a while is no user, but GraphQL knows it."""
        try:
            return decode.login(await self._api.get("/user"))
        except NotAllowed as error:
            try:
                return decode.login((await self._api.graphql(VIEWER)).get("viewer"))
            except (GraphQLError, NotAllowed, NotThere, Refused):
                refusal = error
        raise refusal

    async def about(self) -> About:
        data = thing(await self._api.get(self._path))
        self._clone_url = _without_user(text(data.get("clone_url"))) or None
        return decode.about(data, self.repository)

    async def signed_in(self) -> SignedIn:
        """As whom, with which scopes where they are said, and what is left of the forge's limits."""
        login = await self.whoami()
        reply = await self._api.reply("/rate_limit")
        scopes = reply.headers.get("x-oauth-scopes")
        resources = thing(thing(reply.data).get("resources"))
        return SignedIn(
            login=login,
            scopes=None if scopes is None else tuple(filter(None, scopes.replace(" ", "").split(","))),
            allowances=tuple(
                Allowance(name, whole_number(left.get("remaining")), whole_number(left.get("limit")))
                for name in ("core", "graphql", "search")
                if (left := thing(resources.get(name)))
            ),
        )

    # Issues

    async def issue(self, number: Number, *, repository: str | None = None) -> ForgeIssue:
        home = repository or self.repository
        found = decode.issue(thing(await self._api.get(f"/repos/{home}/issues/{number}")), home)
        if found.is_pull:
            raise NotThere(f"{home}#{number} is a pull request")
        return found

    async def issues(self, wanted: Query) -> list[ForgeIssue]:
        return await self._chooser.choose(wanted)

    async def edges(self, numbers: Collection[Number]) -> Edges:
        return await self._edges.edges(numbers)

    async def labelled(self, number: Number) -> list[Labelled]:
        return [
            Labelled(
                text(thing(data.get("label")).get("name")),
                decode.login(data.get("actor")),
                moment(data.get("created_at")),
            )
            async for data in self._api.pages(f"{self._path}/issues/{number}/events")
            if data.get("event") == "labeled"
        ]

    async def edited(self, number: Number) -> datetime | None:
        try:
            answer = await self._api.graphql(EDITED, owner=self._owner, name=self._name, number=number)
        except (GraphQLError, NotThere, Refused):
            return None  # this server does not say
        issue = thing(thing(answer.get("repository")).get("issue"))
        renamed = things(thing(issue.get("timelineItems")).get("nodes"))
        told = [issue.get("lastEditedAt"), *(node.get("createdAt") for node in renamed)]
        return max((at for at in map(moment, told) if at is not None), default=None)

    async def comments(self, number: Number, *, since: datetime | None = None) -> list[Comment]:
        params: dict[str, Any] = {} if since is None else {"since": stamp(since)}
        return [
            decode.comment(data, number)
            async for data in self._api.pages(f"{self._path}/issues/{number}/comments", **params)
        ]

    async def recent_comments(self, since: datetime) -> list[Comment]:
        pages = self._api.pages(
            f"{self._path}/issues/comments", since=stamp(since), sort="updated", direction="asc"
        )
        return [decode.comment(data) async for data in pages]

    async def comment(self, number: Number, body: str) -> Comment:
        made = await self._api.send("POST", f"{self._path}/issues/{number}/comments", {"body": body})
        return decode.comment(thing(made), number)

    async def edit_comment(self, comment_id: int, body: str) -> None:
        await self._api.send("PATCH", f"{self._path}/issues/comments/{comment_id}", {"body": body})

    async def add_labels(self, number: Number, names: Collection[str]) -> None:
        await self._api.send("POST", f"{self._path}/issues/{number}/labels", {"labels": list(names)})

    async def remove_label(self, number: Number, name: str) -> None:
        try:
            await self._api.send("DELETE", f"{self._path}/issues/{number}/labels/{quote(name, safe='')}")
        except NotThere:
            return

    async def close_issue(self, number: Number) -> ForgeIssue | None:
        if (await self.issue(number)).state == "closed":
            return None
        body = {"state": "closed", "state_reason": "completed"}
        shown = await self._api.send("PATCH", f"{self._path}/issues/{number}", body)
        return decode.issue(thing(shown), self.repository)

    async def reopen_issue(self, number: Number) -> None:
        if (await self.issue(number)).state == "closed":
            body = {"state": "open", "state_reason": "reopened"}
            await self._api.send("PATCH", f"{self._path}/issues/{number}", body)

    async def permission(self, login: str) -> Permission:
        try:
            found = await self._api.get(f"{self._path}/collaborators/{quote(login, safe='')}/permission")
        except NotThere:
            return Permission.NONE
        return decode.permission(thing(found))

    # Pull requests

    async def pulls(self, *, head: str | None = None, state: str = "open") -> list[PullRequest]:
        params: dict[str, Any] = {"state": state, "sort": "created", "direction": "asc"}
        if head is not None:
            params["head"] = f"{self._owner}:{head}"
        found = [decode.pull(data) async for data in self._api.pages(f"{self._path}/pulls", **params)]
        # Some servers do not know the parameter.
        return [pull for pull in found if head in (None, pull.head)]

    async def pull(self, number: Number) -> PullRequest:
        return decode.pull(thing(await self._api.get(f"{self._path}/pulls/{number}")))

    async def open_pull(
        self, *, title: str, body: str, head: str, base: str, draft: bool = False
    ) -> PullRequest:
        asked = {"title": title, "body": body, "head": head, "base": base, "draft": draft}
        try:
            made = await self._api.send("POST", f"{self._path}/pulls", asked)
        except Refused as error:
            if "already exists" in error.cause and not isinstance(error, Conflicted):
                raise Conflicted(error.what, cause=error.cause) from None
            raise
        return decode.pull(thing(made))

    async def edit_pull(self, number: Number, *, title: str | None = None, body: str | None = None) -> None:
        changes = {key: value for key, value in {"title": title, "body": body}.items() if value is not None}
        await self._api.send("PATCH", f"{self._path}/pulls/{number}", changes)

    async def checks(self, sha: Sha) -> list[Check]:
        return await self._checks.checks(sha)

    async def required(self, branch: str) -> Required:
        return await demands(self._api, self.repository, branch)

    async def reviews(self, number: Number) -> list[Review]:
        path = f"{self._path}/pulls/{number}/reviews"
        return [decode.review(data) async for data in self._api.pages(path)]

    async def review_comments(self, number: Number) -> list[ReviewComment]:
        path = f"{self._path}/pulls/{number}/comments"
        return [decode.review_comment(data) async for data in self._api.pages(path)]

    async def reply(self, number: Number, comment_id: int, body: str) -> ReviewComment:
        path = f"{self._path}/pulls/{number}/comments/{comment_id}/replies"
        return decode.review_comment(thing(await self._api.send("POST", path, {"body": body})))

    async def merge(self, number: Number, *, sha: Sha, method: str, title: str, body: str) -> Merged:
        asked = {"sha": sha, "merge_method": method}
        if method != "rebase":
            asked |= {"commit_title": title, "commit_message": body}
        try:
            done = thing(await self._api.send("PUT", f"{self._path}/pulls/{number}/merge", asked))
        except Conflicted:
            raise
        except Refused as error:  # 405, or 422 for rules
            what = f"pull request #{number} is not merged"
            raise MergeRefused(what, reason=error.cause) from None
        return Merged(text(done.get("sha")))

    async def enqueue(self, number: Number, *, sha: Sha) -> None:
        pull = await self.pull(number)
        what = f"pull request #{number} is not queued"
        if pull.head_sha != sha:
            raise Conflicted(what, cause=f"its head is {pull.head_sha}")
        try:
            await self._api.graphql(ENQUEUE, write=True, pull=pull.node_id, sha=sha)
        except GraphQLError as error:
            if "head" in error.message.lower() and "match" in error.message.lower():
                raise Conflicted(what, cause=error.message) from None
            raise MergeRefused(what, reason=error.message) from None

    async def queued(self, number: Number) -> QueueEntry | None:
        try:
            data = await self._api.graphql(QUEUED, owner=self._owner, name=self._name, number=number)
        except GraphQLError as error:
            if error.unsupported:
                return None
            raise
        entry = thing(thing(thing(data.get("repository")).get("pullRequest")).get("mergeQueueEntry"))
        state = word(entry.get("state"))
        return None if state is None else QueueEntry(state, whole(entry.get("position")))

    # Git

    async def reachable(self, commit: Sha, branch: str) -> bool:
        span = f"{quote(branch, safe='')}...{quote(commit, safe='')}"
        try:
            found = thing(await self._api.get(f"{self._path}/compare/{span}", per_page=1))
        except NotThere:
            await self._api.get(f"{self._path}/branches/{quote(branch, safe='')}")
            return False
        return found.get("status") in ("behind", "identical")

    async def clone_url(self) -> str:
        if self._clone_url is None:
            await self.about()
        if self._clone_url is None:
            parts = urlsplit(self._api_url)
            host = "github.com" if parts.netloc == "api.github.com" else parts.netloc
            self._clone_url = f"{parts.scheme}://{host}/{self.repository}.git"
        return self._clone_url

    async def git_credentials(self) -> GitCredentials | None:
        token = await self._api.token()
        return None if token is None else GitCredentials("x-access-token", token)

    async def close(self) -> None:
        await self._api.close()


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
