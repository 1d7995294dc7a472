"""Forgejo (and Gitea) as a `Forge`, experimental: driven against a stub only, never against a server.

It has dependencies but no sub-issues and no merge queue, and does not say what an author is to the repository: who
owns it is OWNER, who may push COLLABORATOR, anybody else NONE.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from urllib.parse import quote

import msgspec

from mawep.clock import Clock
from mawep.core.model import Number, Sha
from mawep.trackers import forgejo_decode as decode
from mawep.trackers.base import (
    About,
    AllowanceObserver,
    Check,
    CheckState,
    Comment,
    Conflicted,
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
    Reference,
    Refused,
    Required,
    Review,
    ReviewComment,
)
from mawep.trackers.json_values import Json, moment, number, text, thing, things, word
from mawep.trackers.plain import PlainForge, as_listed
from mawep.trackers.together import together

STATES = {
    "success": CheckState.PASSED,
    "warning": CheckState.PASSED,
    "error": CheckState.FAILED,
    "failure": CheckState.FAILED,
    "skipped": CheckState.IGNORED,
}
_PERMISSIONS = {
    "owner": Permission.ADMIN,
    "admin": Permission.ADMIN,
    "write": Permission.WRITE,
    "read": Permission.READ,
}
COLOUR = "#6e7781"


class ForgejoForge(PlainForge):
    """See `mawep.trackers.base.Forge`."""

    name = "forgejo"
    page_size = 50
    page_size_key = "limit"

    def __init__(
        self, settings: ForgeSettings, clock: Clock, observer: AllowanceObserver | None = None
    ) -> None:
        super().__init__(settings, clock, observer)
        self._path = f"/repos/{settings.repository}"
        self._permissions: dict[str, Permission] = {}

    async def whoami(self) -> str:
        return text(thing(await self._api.get("/user")).get("login"))

    async def about(self) -> About:
        data = thing(await self._api.get(self._path))
        may = thing(data.get("permissions"))
        ways = {"merge": "allow_merge_commits", "squash": "allow_squash_merge", "rebase": "allow_rebase"}
        return About(
            text(data.get("full_name")) or self.repository,
            text(data.get("default_branch")) or "main",
            Permission.ADMIN
            if may.get("admin")
            else Permission.WRITE
            if may.get("push")
            else Permission.READ
            if may.get("pull")
            else Permission.NONE,
            private=bool(data.get("private")),
            archived=bool(data.get("archived")),
            issues=data.get("has_issues") is not False,
            methods=tuple(way for way, key in ways.items() if data.get(key)),
            url=text(data.get("html_url")),
        )

    async def issue(self, number: Number, *, repository: str | None = None) -> ForgeIssue:
        found = await self._one(number, repository or self.repository)
        if found.is_pull:
            raise NotThere(f"#{number} is a pull request")
        return (await self._introduced([found]))[0] if repository in {None, self.repository} else found

    async def issues(self, wanted: Query) -> list[ForgeIssue]:
        if wanted.project is not None:
            raise Refused("Forgejo's API does not tell what is on a board")
        if wanted.numbers:
            return await self._numbered(wanted)
        params: dict[str, str | int] = {"type": "issues", "state": wanted.state}
        if wanted.milestone is not None:
            found = [
                one
                async for one in self._api.pages(f"{self._path}/milestones", {"state": "all"})
                if text(one.get("title")) == wanted.milestone
            ]
            if not found:
                raise NotThere(f"there is no milestone `{wanted.milestone}` in {self.repository}")
            params["milestones"] = wanted.milestone
        if wanted.labels:
            params["labels"] = ",".join(wanted.labels)
        if wanted.query is not None:
            params["q"] = wanted.query
        if wanted.since is not None:
            params["since"] = wanted.since.isoformat()
        listed = [decode.issue(one) async for one in self._api.pages(f"{self._path}/issues", params)]
        # An issue with one of the labels is listed, one with all of them is wanted.
        fit = [one for one in listed if not one.is_pull and set(wanted.labels) <= set(one.labels)]
        return await self._introduced(sorted(fit, key=lambda one: one.number))

    async def labelled(self, number: Number) -> list[Labelled]:
        return [
            Labelled(
                text(thing(one.get("label")).get("name")), decode.login(one), moment(one.get("created_at"))
            )
            for one in await self._timeline(number)
            if one.get("type") == "label" and text(one.get("body")) == "1"
        ]

    async def edited(self, number: Number) -> datetime | None:
        """Of titles only: Forgejo's API does not tell when a text was edited."""
        changes = [one for one in await self._timeline(number) if one.get("type") == "change_title"]
        told = (moment(one.get("created_at")) for one in changes)
        return max((at for at in told if at is not None), default=None)

    async def comments(self, number: Number, *, since: datetime | None = None) -> list[Comment]:
        params = {} if since is None else {"since": since.isoformat()}
        found = things(await self._api.get(f"{self._path}/issues/{number}/comments", **params))
        return await self._introduced([decode.comment(one, number) for one in found])

    async def recent_comments(self, since: datetime) -> list[Comment]:
        path = f"{self._path}/issues/comments"
        found = [decode.comment(one) async for one in self._api.pages(path, {"since": since.isoformat()})]
        return await self._introduced(sorted(found, key=lambda one: str(one.updated_at)))

    async def comment(self, number: Number, body: str) -> Comment:
        path = f"{self._path}/issues/{number}/comments"
        made = decode.comment(thing(await self._api.send("POST", path, {"body": body})), number)
        return (await self._introduced([made]))[0]

    async def edit_comment(self, comment_id: int, body: str) -> None:
        await self._api.send("PATCH", f"{self._path}/issues/comments/{comment_id}", {"body": body})

    async def add_labels(self, number: Number, names: Collection[str]) -> None:
        known = {text(one.get("name")): one async for one in self._api.pages(f"{self._path}/labels")}
        for name in names:
            if name not in known:
                made = await self._api.send("POST", f"{self._path}/labels", {"name": name, "color": COLOUR})
                known[name] = thing(made)
        ids = [decode.number_of(known[name]) for name in names]
        await self._api.send("POST", f"{self._path}/issues/{number}/labels", {"labels": ids})

    async def remove_label(self, number: Number, name: str) -> None:
        path = f"{self._path}/issues/{number}/labels"
        for one in things(await self._api.get(path)):
            if text(one.get("name")) == name:
                await self._api.send("DELETE", f"{path}/{decode.number_of(one)}")

    async def close_issue(self, number: Number) -> ForgeIssue | None:
        if (await self.issue(number)).state == "closed":
            return None
        shown = await self._api.send("PATCH", f"{self._path}/issues/{number}", {"state": "closed"})
        return decode.issue(thing(shown))

    async def reopen_issue(self, number: Number) -> None:
        if (await self.issue(number)).state == "closed":
            await self._api.send("PATCH", f"{self._path}/issues/{number}", {"state": "open"})

    async def permission(self, login: str) -> Permission:
        if login not in self._permissions:
            try:
                path = f"{self._path}/collaborators/{quote(login, safe='')}/permission"
                found = text(thing(await self._api.get(path)).get("permission"))
            except (NotThere, NotAllowed, Refused):  # only who administers a repository may ask
                found = ""
            self._permissions[login] = _PERMISSIONS.get(found, Permission.NONE)
        return self._permissions[login]

    async def pulls(self, *, head: str | None = None, state: str = "open") -> list[PullRequest]:
        found = [decode.pull(one) async for one in self._api.pages(f"{self._path}/pulls", {"state": state})]
        return as_listed([one for one in found if head in {None, one.head}])

    async def pull(self, number: Number) -> PullRequest:
        return decode.pull(thing(await self._api.get(f"{self._path}/pulls/{number}")))

    async def open_pull(
        self, *, title: str, body: str, head: str, base: str, draft: bool = False
    ) -> PullRequest:
        title = f"WIP: {title}" if draft else title
        try:
            made = await self._api.send(
                "POST", f"{self._path}/pulls", {"title": title, "body": body, "head": head, "base": base}
            )
        except NotThere as error:
            raise Refused("the pull request is not opened", cause=error.cause) from error
        return decode.pull(thing(made))

    async def edit_pull(self, number: Number, *, title: str | None = None, body: str | None = None) -> None:
        changes = {key: value for key, value in (("title", title), ("body", body)) if value is not None}
        await self._api.send("PATCH", f"{self._path}/pulls/{number}", changes)

    async def checks(self, sha: Sha) -> list[Check]:
        newest: dict[str, Json] = {}
        async for one in self._api.pages(f"{self._path}/commits/{sha}/statuses", {"sort": "leastindex"}):
            name = text(one.get("context"))
            newest[name] = max(newest.get(name, one), one, key=decode.number_of)
        return [
            Check(
                name=name,
                state=STATES.get(text(one.get("status")), CheckState.PENDING),
                conclusion=word(one.get("status")),
                summary=text(one.get("description")),
                excerpt=text(one.get("description"))
                if text(one.get("status")) in {"error", "failure"}
                else "",
                url=text(one.get("target_url")),
                id=decode.number_of(one),
            )
            for name, one in sorted(newest.items())
        ]

    async def required(self, branch: str) -> Required:
        try:
            found = thing(await self._api.get(f"{self._path}/branch_protections/{quote(branch, safe='')}"))
        except NotThere:
            return Required()
        except NotAllowed:
            return Required(known=False)
        contexts = found.get("status_check_contexts") if found.get("enable_status_check") else None
        return Required(
            checks=tuple(one for one in contexts or () if isinstance(one, str)),
            approvals=number(found.get("required_approvals")),
            strict=bool(found.get("block_on_outdated_branch")),
        )

    async def reviews(self, number: Number) -> list[Review]:
        path = f"{self._path}/pulls/{number}/reviews"
        return [decode.review(one) async for one in self._api.pages(path)]

    async def review_comments(self, number: Number) -> list[ReviewComment]:
        path = f"{self._path}/pulls/{number}/reviews"
        listed = [decode.number_of(one) async for one in self._api.pages(path)]

        async def of(review: int) -> list[ReviewComment]:
            return [
                decode.remark(one, review) for one in things(await self._api.get(f"{path}/{review}/comments"))
            ]

        return sorted((one for found in await together(of, listed) for one in found), key=lambda one: one.id)

    async def reply(self, number: Number, comment_id: int, body: str) -> ReviewComment:
        """Another remark on the same line: that is how Forgejo makes conversations."""
        asked = next((one for one in await self.review_comments(number) if one.id == comment_id), None)
        if asked is None:
            raise NotThere(f"there is no comment {comment_id} on #{number}")
        path = f"{self._path}/pulls/{number}/reviews"
        line = {"path": asked.path, "body": body, "new_position": asked.line or 1}
        made = decode.number_of(
            thing(await self._api.send("POST", path, {"event": "COMMENT", "comments": [line]}))
        )
        found = things(await self._api.get(f"{path}/{made}/comments"))
        return msgspec.structs.replace(decode.remark(found[-1] if found else {}, made), answers=comment_id)

    async def merge(self, number: Number, *, sha: Sha, method: str, title: str, body: str) -> Merged:
        before = await self.pull(number)
        if before.head_sha != sha:
            raise Conflicted(f"#{number} is not merged", cause=f"its head is {before.head_sha}")
        order = {"Do": method, "MergeTitleField": title, "MergeMessageField": body, "head_commit_id": sha}
        try:
            await self._api.send("POST", f"{self._path}/pulls/{number}/merge", order)
        except Refused as error:
            raise MergeRefused(f"#{number} is not merged", reason=error.cause) from error
        merged = (await self.pull(number)).merge_commit
        if merged is None:
            raise MergeRefused(f"#{number} is not merged", reason="Forgejo says nothing of a merge")
        return Merged(merged)

    async def reachable(self, commit: Sha, branch: str) -> bool:
        name = quote(branch, safe="")
        await self._api.get(f"{self._path}/branches/{name}")
        try:
            found = thing(await self._api.get(f"{self._path}/compare/{name}...{commit}"))
        except NotThere:
            return False
        return number(found.get("total_commits")) == 0

    async def clone_url(self) -> str:
        return text(thing(await self._api.get(self._path)).get("clone_url"))

    async def git_credentials(self) -> GitCredentials | None:
        return GitCredentials(await self.whoami(), self._token) if self._token else None

    async def _one(self, number: Number, repository: str) -> ForgeIssue:
        return decode.issue(thing(await self._api.get(f"/repos/{repository}/issues/{number}")))

    async def _numbered(self, wanted: Query) -> list[ForgeIssue]:
        async def look(number: Number) -> ForgeIssue | None:
            try:
                return await self._one(number, self.repository)
            except NotThere:
                return None

        found = [one for one in await together(look, sorted(set(wanted.numbers))) if one is not None]
        fit = [
            one
            for one in found
            if set(wanted.labels) <= set(one.labels) and wanted.milestone in {None, one.milestone}
        ]
        return await self._introduced(fit)

    async def _timeline(self, number: Number) -> list[Json]:
        return [one async for one in self._api.pages(f"{self._path}/issues/{number}/timeline")]

    async def _associations(self, logins: Collection[str]) -> dict[str, str]:
        known = sorted(logins)
        return dict(zip(known, await together(self._association, known), strict=True))

    async def _association(self, login: str) -> str:
        if login.casefold() == self.repository.partition("/")[0].casefold():
            return "OWNER"
        may = await self.permission(login)
        return "OWNER" if may is Permission.ADMIN else "COLLABORATOR" if may.may_write else "NONE"

    async def _blockers(self, number: Number) -> tuple[Reference, ...] | None:
        path = f"{self._path}/issues/{number}/dependencies"
        try:
            return tuple([self._reference(one) async for one in self._api.pages(path)])
        except NotThere:
            await self._one(number, self.repository)  # raises when it is the issue that is gone
            return None

    def _reference(self, data: Json) -> Reference:
        return Reference(
            repository=text(thing(data.get("repository")).get("full_name")) or self.repository,
            number=number(data.get("number")),
            state=text(data.get("state")) or "open",
            title=text(data.get("title")),
            url=text(data.get("html_url")),
        )
