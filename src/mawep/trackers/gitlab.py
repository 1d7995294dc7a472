"""GitLab as a `Forge`, experimental: driven against a stub only, never against a server.

Merge requests are numbered apart from issues. Its sub-issues and boards are not in this API, its merge trains are not
used. What an author is to the project is told by the level of access: from reporter on COLLABORATOR, from developer
on, who may push, MEMBER.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from mawep.clock import Clock
from mawep.core.model import Number, Sha
from mawep.trackers import gitlab_decode as decode
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
from mawep.trackers.json_values import Json, moment, text, thing, things, word
from mawep.trackers.json_values import number as whole
from mawep.trackers.plain import PlainForge, as_listed
from mawep.trackers.rest import Params
from mawep.trackers.together import together

AT_ONCE = 50
"""Issues asked for by number in one request."""
CHECKS = {
    "success": CheckState.PASSED,
    "failed": CheckState.FAILED,
    "canceled": CheckState.FAILED,
    "skipped": CheckState.IGNORED,
}
REVIEWS = {"approved": "APPROVED", "requested_changes": "CHANGES_REQUESTED", "reviewed": "COMMENTED"}
STATES = {"open": "opened", "closed": "closed", "all": "all"}
EDITS = ("changed the description", "changed title")


class GitLabForge(PlainForge):
    """See `mawep.trackers.base.Forge`. `repository` may lie in groups within groups."""

    name = "gitlab"
    page_size = 100
    page_size_key = "per_page"

    def __init__(
        self, settings: ForgeSettings, clock: Clock, observer: AllowanceObserver | None = None
    ) -> None:
        super().__init__(settings, clock, observer)
        self._path = f"/projects/{quote(settings.repository, safe='')}"
        self._levels: dict[str, int] | None = None

    async def whoami(self) -> str:
        return text(thing(await self._api.get("/user")).get("username"))

    async def about(self) -> About:
        data = thing(await self._api.get(self._path))
        access = thing(data.get("permissions")).values()
        level = max((whole(thing(one).get("access_level")) for one in access), default=0)
        linear = text(data.get("merge_method")) in {"ff", "rebase_merge"}
        squash = () if text(data.get("squash_option")) == "never" else ("squash",)
        return About(
            text(data.get("path_with_namespace")) or self.repository,
            text(data.get("default_branch")) or "main",
            decode.permission(level),
            private=text(data.get("visibility")) != "public",
            archived=bool(data.get("archived")),
            issues=data.get("issues_enabled") is not False,
            methods=(*(("rebase",) if linear else ("merge",)), *squash),
            url=text(data.get("web_url")),
        )

    async def issue(self, number: Number, *, repository: str | None = None) -> ForgeIssue:
        path = self._path if repository is None else f"/projects/{quote(repository, safe='')}"
        found = decode.issue(thing(await self._api.get(f"{path}/issues/{number}")))
        return (await self._introduced([found]))[0] if path == self._path else found

    async def issues(self, wanted: Query) -> list[ForgeIssue]:
        if wanted.project is not None:
            raise Refused("GitLab's boards are lists of labels: choose by `--label`")
        params: dict[str, str | int | tuple[int, ...]] = {"state": STATES[wanted.state], "scope": "all"}
        if wanted.numbers:
            params["state"] = "all"
        if wanted.milestone is not None:
            found = things(await self._api.get(f"{self._path}/milestones", title=wanted.milestone))
            if not found:
                raise NotThere(f"there is no milestone `{wanted.milestone}` in {self.repository}")
            params["milestone"] = wanted.milestone
        if wanted.labels:
            params["labels"] = ",".join(wanted.labels)
        if wanted.query is not None:
            params["search"] = wanted.query
        if wanted.since is not None:
            params["updated_after"] = wanted.since.isoformat()
        listed = [one for some in _batches(wanted.numbers) for one in await self._listed(params, some)]
        return await self._introduced(sorted(listed, key=lambda one: one.number))

    async def labelled(self, number: Number) -> list[Labelled]:
        path = f"{self._path}/issues/{number}/resource_label_events"
        return [
            Labelled(
                text(thing(one.get("label")).get("name")),
                decode.login(one.get("user")),
                moment(one.get("created_at")),
            )
            async for one in self._api.pages(path)
            if text(one.get("action")) == "add"
        ]

    async def edited(self, number: Number) -> datetime | None:
        notes = [one for one in await self._notes(number) if one.get("system")]
        told = [moment(one.get("created_at")) for one in notes if text(one.get("body")).startswith(EDITS)]
        return max((at for at in told if at is not None), default=None)

    async def comments(self, number: Number, *, since: datetime | None = None) -> list[Comment]:
        notes = [one for one in await self._notes(number) if not one.get("system")]
        found = [decode.comment(one, number) for one in notes]
        fit = [one for one in found if since is None or (one.updated_at and one.updated_at >= since)]
        return await self._introduced(fit)

    async def recent_comments(self, since: datetime) -> list[Comment]:
        changed = await self.issues(Query(since=since, state="all"))

        async def of(issue: ForgeIssue) -> list[Comment]:
            return await self.comments(issue.number, since=since) if issue.comments else []

        found = [one for some in await together(of, changed) for one in some]
        return sorted(found, key=lambda one: str(one.updated_at))

    async def comment(self, number: Number, body: str) -> Comment:
        made = await self._api.send("POST", f"{self._path}/issues/{number}/notes", {"body": body})
        return (await self._introduced([decode.comment(thing(made), number)]))[0]

    async def edit_comment(self, comment_id: int, body: str) -> None:
        issue, note = decode.place(comment_id)
        await self._api.send("PUT", f"{self._path}/issues/{issue}/notes/{note}", {"body": body})

    async def add_labels(self, number: Number, names: Collection[str]) -> None:
        await self._change(number, add_labels=",".join(names))

    async def remove_label(self, number: Number, name: str) -> None:
        await self._change(number, remove_labels=name)

    async def close_issue(self, number: Number) -> ForgeIssue | None:
        if (await self.issue(number)).state == "closed":
            return None
        return decode.issue(thing(await self._change(number, state_event="close")))

    async def reopen_issue(self, number: Number) -> None:
        if (await self.issue(number)).state == "closed":
            await self._change(number, state_event="reopen")

    async def permission(self, login: str) -> Permission:
        return decode.permission((await self._access()).get(login, 0))

    async def pulls(self, *, head: str | None = None, state: str = "open") -> list[PullRequest]:
        # What GitLab calls closed does not include what it calls merged.
        params: dict[str, str | int | tuple[int, ...]] = {"state": "opened" if state == "open" else "all"}
        if head is not None:
            params["source_branch"] = head
        found = [decode.pull(one) async for one in self._api.pages(f"{self._path}/merge_requests", params)]
        return as_listed([one for one in found if state in {"all", one.state}])

    async def pull(self, number: Number) -> PullRequest:
        return decode.pull(thing(await self._api.get(f"{self._path}/merge_requests/{number}")))

    async def open_pull(
        self, *, title: str, body: str, head: str, base: str, draft: bool = False
    ) -> PullRequest:
        order = {
            "title": f"Draft: {title}" if draft else title,
            "description": body,
            "source_branch": head,
            "target_branch": base,
        }
        return decode.pull(thing(await self._api.send("POST", f"{self._path}/merge_requests", order)))

    async def edit_pull(self, number: Number, *, title: str | None = None, body: str | None = None) -> None:
        changes = {"title": title, "description": body}
        told = {key: value for key, value in changes.items() if value is not None}
        await self._api.send("PUT", f"{self._path}/merge_requests/{number}", told)

    async def checks(self, sha: Sha) -> list[Check]:
        newest: dict[str, Json] = {}
        async for one in self._api.pages(f"{self._path}/repository/commits/{sha}/statuses"):
            name = text(one.get("name"))
            newest[name] = max(newest.get(name, one), one, key=lambda status: whole(status.get("id")))
        return [_check(name, one) for name, one in sorted(newest.items())]

    async def required(self, branch: str) -> Required:
        """What GitLab demands is said by project: a pipeline as a whole, not checks by name."""
        data = thing(await self._api.get(self._path))
        try:
            approvals = thing(await self._api.get(f"{self._path}/approvals"))
        except (NotThere, NotAllowed):  # a matter of paid plans
            approvals = {}
        return Required(
            approvals=whole(approvals.get("approvals_before_merge")),
            strict=text(data.get("merge_method")) in {"ff", "rebase_merge"},
        )

    async def reviews(self, number: Number) -> list[Review]:
        pull = await self.pull(number)
        found = things(await self._api.get(f"{self._path}/merge_requests/{number}/reviewers"))
        return [
            Review(
                id=whole(thing(one.get("user")).get("id")),
                state=REVIEWS[text(one.get("state"))],
                author=decode.login(one.get("user")),
                commit=pull.head_sha,
                submitted_at=moment(one.get("updated_at") or one.get("created_at")),
            )
            for one in found
            if text(one.get("state")) in REVIEWS
        ]

    async def review_comments(self, number: Number) -> list[ReviewComment]:
        found = [one for _, notes in await self._discussions(number) for one in notes]
        return sorted(found, key=lambda one: one.id)

    async def reply(self, number: Number, comment_id: int, body: str) -> ReviewComment:
        for discussion, notes in await self._discussions(number):
            if any(one.id == comment_id for one in notes):
                path = f"{self._path}/merge_requests/{number}/discussions/{discussion}/notes"
                return decode.remark(thing(await self._api.send("POST", path, {"body": body})), comment_id)
        raise NotThere(f"there is no comment {comment_id} on !{number}")

    async def merge(self, number: Number, *, sha: Sha, method: str, title: str, body: str) -> Merged:
        message = f"{title}\n\n{body}".rstrip()
        squash = method == "squash"
        order = {
            "sha": sha,
            "squash": squash,
            "squash_commit_message" if squash else "merge_commit_message": message,
        }
        try:
            merged = await self._api.send("PUT", f"{self._path}/merge_requests/{number}/merge", order)
        except Conflicted:
            raise
        except (Refused, NotAllowed) as error:
            raise MergeRefused(f"!{number} is not merged", reason=error.cause) from error
        commit = decode.merge_commit(thing(merged))
        if text(thing(merged).get("state")) != "merged" or commit is None:
            raise MergeRefused(f"!{number} is not merged", reason="GitLab does not say that it is")
        return Merged(commit)

    async def reachable(self, commit: Sha, branch: str) -> bool:
        await self._api.get(f"{self._path}/repository/branches/{quote(branch, safe='')}")
        path = f"{self._path}/repository/commits/{commit}/refs"
        try:
            return any(
                [text(one.get("name")) == branch async for one in self._api.pages(path, {"type": "branch"})]
            )
        except NotThere:
            return False

    async def clone_url(self) -> str:
        return text(thing(await self._api.get(self._path)).get("http_url_to_repo"))

    async def git_credentials(self) -> GitCredentials | None:
        return GitCredentials("oauth2", self._token) if self._token else None

    async def _listed(self, params: Params, numbers: Sequence[Number]) -> list[ForgeIssue]:
        asked = {**params, "iids[]": tuple(numbers)} if numbers else params
        return [decode.issue(one) async for one in self._api.pages(f"{self._path}/issues", asked)]

    async def _change(self, number: Number, **changes: str) -> Any:
        return await self._api.send("PUT", f"{self._path}/issues/{number}", changes)

    async def _notes(self, number: Number) -> list[Json]:
        params: Params = {"sort": "asc", "order_by": "created_at"}
        return [one async for one in self._api.pages(f"{self._path}/issues/{number}/notes", params)]

    async def _discussions(self, number: Number) -> list[tuple[str, list[ReviewComment]]]:
        """The conversations on lines, by id, each with its notes."""
        found: list[tuple[str, list[ReviewComment]]] = []
        async for one in self._api.pages(f"{self._path}/merge_requests/{number}/discussions"):
            notes = [note for note in things(one.get("notes")) if text(note.get("type")) == "DiffNote"]
            first = whole(notes[0].get("id")) if notes else None
            remarks = [decode.remark(note, None if at == 0 else first) for at, note in enumerate(notes)]
            found.append((text(one.get("id")), remarks))
        return found

    async def _access(self) -> dict[str, int]:
        """The level of access of everybody who has one, asked for once."""
        if self._levels is None:
            members = self._api.pages(f"{self._path}/members/all")
            self._levels = {
                text(one.get("username")): whole(one.get("access_level")) async for one in members
            }
        return self._levels

    async def _associations(self, logins: Collection[str]) -> dict[str, str]:
        levels = await self._access()
        return {login: decode.association(levels.get(login, 0)) for login in logins}

    async def _blockers(self, number: Number) -> tuple[Reference, ...] | None:
        path = f"{self._path}/issues/{number}"
        try:
            links = things(await self._api.get(f"{path}/links"))
        except NotThere:
            await self._api.get(path)  # raises when it is the issue that is gone
            return None
        return tuple(self._reference(one) for one in links if text(one.get("link_type")) == "is_blocked_by")

    def _reference(self, data: Json) -> Reference:
        return Reference(
            repository=decode.home(data, self.repository),
            number=whole(data.get("iid")),
            state=decode.state(data),
            title=text(data.get("title")),
            url=text(data.get("web_url")),
        )


def _check(name: str, data: Json) -> Check:
    state = CHECKS.get(text(data.get("status")), CheckState.PENDING)
    said = text(data.get("description"))
    return Check(
        name=name,
        state=state,
        conclusion=word(data.get("status")),
        summary=said,
        excerpt=said if state is CheckState.FAILED else "",
        url=text(data.get("target_url")),
        id=whole(data.get("id")),
    )


def _batches(numbers: Sequence[Number]) -> list[Sequence[Number]]:
    """So many as fit an address; one batch of none when all are meant."""
    wanted = sorted(set(numbers))
    return [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)] or [()]
