"""GitHub's graph, as far as MAWEP can ask: issues with their edges, pull requests and the merge queue."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from tests.forge.issues import Issues, chosen_by
from tests.forge.overlay import Asked, Overlay, Reply, not_found
from tests.forge.pulls import Pulls
from tests.forge.queries import Answering, Document, Refusal, Resolver, Schema
from tests.forge.site import Json, Protection, Site

Arguments = Mapping[str, Any]
At = tuple[Site, Json]
"""An issue or pull request, and where it is."""

PAGE_INFO = ("hasNextPage", "endCursor", "hasPreviousPage", "startCursor")
STATES = {
    "completed": "COMPLETED",
    "not_planned": "NOT_PLANNED",
    "reopened": "REOPENED",
    "duplicate": "DUPLICATE",
}


class Graph:
    """Answers `/graphql`."""

    def __init__(self, overlay: Overlay, issues: Issues, pulls: Pulls) -> None:
        self._overlay = overlay
        self._issues = issues
        self._pulls = pulls
        self.there = True
        overlay.answers("POST", "/graphql", self._answer)

    async def _answer(self, asked: Asked) -> Reply:
        if not self.there:
            raise not_found()
        answering = Answering(
            self._schema(asked), Document(asked.body["query"]), asked.body.get("variables") or {}
        )
        answer = await answering.answer(None)
        return Reply(200, answer)

    def _schema(self, asked: Asked) -> Schema:
        """The schema as this person sees it."""
        login = asked.login
        return {
            "Query": {
                "viewer": ("Actor", lambda _, a: {"login": login}),
                "rateLimit": ("RateLimit", lambda _, a: self._overlay.limits[login]),
                "repository": ("Repository", self._repository),
                "repositoryOwner": ("Owner", lambda _, a: a["login"]),
                "node": ("*", self._node),
                "nodes": ("*", self._nodes),
                "search": ("Search", self._search),
            },
            "Mutation": {
                "enqueuePullRequest": ("Enqueued", lambda _, a: self._enqueue(a["input"], login)),
                "dequeuePullRequest": ("Dequeued", lambda _, a: self._dequeue(a["input"])),
            },
            "Enqueued": {
                "mergeQueueEntry": ("MergeQueueEntry", self._entry),
                "clientMutationId": (None, lambda at, a: None),
            },
            "Dequeued": {
                "mergeQueueEntry": ("MergeQueueEntry", lambda at, a: None),
                "clientMutationId": (None, lambda at, a: None),
            },
            "RateLimit": {
                "limit": (None, lambda limits, a: 5000),
                "cost": (None, lambda limits, a: 1),
                "remaining": (None, lambda limits, a: limits.left["graphql"]),
                "used": (None, lambda limits, a: 5000 - limits.left["graphql"]),
                "resetAt": (None, lambda limits, a: "2030-01-01T00:00:00Z"),
            },
            "Repository": self._repository_fields(),
            "MergeQueue": {"id": (None, lambda name, a: name)},
            "Owner": {"login": (None, lambda name, a: name), "projectV2": ("Project", lambda name, a: None)},
            "Ref": {
                "name": (None, lambda ref, a: ref[1]),
                "target": ("Commit", lambda ref, a: ref[0].bare.head(ref[1])),
            },
            "Commit": {"oid": (None, lambda sha, a: sha)},
            "Search": {
                "issueCount": (None, lambda found, a: len(found[0])),
                **_connection("*"),
                "nodes": ("*", lambda found, a: [("Issue", at) for at in found[1]]),
            },
            "Issue": self._issue_fields(),
            "PullRequest": self._pull_fields(),
            "MergeQueueEntry": {
                "id": (None, lambda entry, a: f"MQE_{entry['position']}"),
                "state": (None, lambda entry, a: entry["state"]),
                "position": (None, lambda entry, a: entry["position"]),
                "enqueuedAt": (None, lambda entry, a: "2026-01-01T00:00:00Z"),
            },
            **{f"{kind}Connection": _connection(kind) for kind in ("Issue", "Label", "Actor", "PullRequest")},
            "FieldValues": {"nodes": ("*", lambda of_nobody, a: [])},
            "CommentConnection": {"totalCount": (None, lambda count, a: count)},
            "PageInfo": {name: (None, _key(name)) for name in PAGE_INFO},
            "Label": {name: (None, _key(name)) for name in ("name", "color", "description")},
            "Actor": {"login": (None, _key("login"))},
            "Milestone": {name: (None, _key(name)) for name in ("title", "number", "state", "description")},
            "Dependencies": {
                "blockedBy": (None, _key("blocked_by")),
                "blocking": (None, _key("blocking")),
                "totalBlockedBy": (None, _key("total_blocked_by")),
                "totalBlocking": (None, _key("total_blocking")),
            },
            "SubIssues": {
                "total": (None, _key("total")),
                "completed": (None, _key("completed")),
                "percentCompleted": (None, _key("percent_completed")),
            },
        }  # fmt: skip

    def _repository_fields(self) -> Mapping[str, tuple[str | None, Resolver]]:
        return {
            "id": (None, lambda site, a: f"R_{site.name}"),
            "name": (None, lambda site, a: site.name.partition("/")[2]),
            "nameWithOwner": (None, lambda site, a: site.name),
            "owner": ("Actor", lambda site, a: {"login": site.owner}),
            "url": (None, lambda site, a: f"{self._overlay.url}/{site.name}"),
            "issue": ("Issue", lambda site, a: self._numbered(site, a["number"], pulls=False)),
            "pullRequest": ("PullRequest", self._pull),
            "issueOrPullRequest": ("*", self._either),
            "issues": ("IssueConnection", self._listed),
            "defaultBranchRef": ("Ref", lambda site, a: (site, "main")),
            "ref": ("Ref", lambda site, a: (site, a["qualifiedName"].removeprefix("refs/heads/"))),
            "mergeQueue": ("MergeQueue", lambda site, a: self._queue(site, a["branch"])),
        }

    def _issue_fields(self) -> Mapping[str, tuple[str | None, Resolver]]:
        def plain(name: str) -> Resolver:
            return lambda at, a: at[1][name]

        fields: dict[str, tuple[str | None, Resolver]] = {
            "id": (None, plain("node_id")),
            "databaseId": (None, plain("id")),
            "fullDatabaseId": (None, lambda at, a: str(at[1]["id"])),
            "number": (None, plain("number")),
            "title": (None, plain("title")),
            "body": (None, lambda at, a: at[1]["body"] or ""),
            "state": (None, lambda at, a: at[1]["state"].upper()),
            "stateReason": (None, lambda at, a: STATES.get(at[1]["state_reason"])),
            "url": (None, plain("html_url")),
            "createdAt": (None, plain("created_at")),
            "updatedAt": (None, plain("updated_at")),
            "closedAt": (None, plain("closed_at")),
            "author": ("Actor", plain("user")),
            "authorAssociation": (None, plain("author_association")),
            "milestone": ("Milestone", plain("milestone")),
            "repository": ("Repository", lambda at, a: at[0]),
            "comments": ("CommentConnection", plain("comments")),
            "labels": ("LabelConnection", lambda at, a: _page(at[1]["labels"], a)),
            "assignees": ("ActorConnection", lambda at, a: _page(at[1]["assignees"], a)),
            "issueFieldValues": ("FieldValues", lambda at, a: ()),
        }
        if not all(site.has_dependencies for site in self._overlay.sites.values()):
            return fields
        fields |= {
            "blockedBy": ("IssueConnection", self._blocked_by),
            "blocking": ("IssueConnection", lambda at, a: self._edges(at, at[0].blocking(at[1]["number"]), a)),
            "issueDependenciesSummary": ("Dependencies", plain("issue_dependencies_summary")),
        }  # fmt: skip
        if not all(site.has_sub_issues for site in self._overlay.sites.values()):
            return fields
        return fields | {
            "subIssues": ("IssueConnection", self._children),
            "subIssuesSummary": ("SubIssues", plain("sub_issues_summary")),
            "parent": ("Issue", self._parent),
        }  # fmt: skip

    def _pull_fields(self) -> Mapping[str, tuple[str | None, Resolver]]:
        def plain(name: str) -> Resolver:
            return lambda at, a: at[1][name]

        return {
            "id": (None, plain("node_id")),
            "databaseId": (None, plain("id")),
            "number": (None, plain("number")),
            "title": (None, plain("title")),
            "body": (None, lambda at, a: at[1]["body"] or ""),
            "url": (None, plain("html_url")),
            "state": (None, lambda at, a: "MERGED" if at[1]["merged"] else at[1]["state"].upper()),
            "merged": (None, plain("merged")),
            "isDraft": (None, plain("draft")),
            "headRefName": (None, lambda at, a: at[1]["head"]["ref"]),
            "headRefOid": (None, lambda at, a: at[1]["head"]["sha"]),
            "baseRefName": (None, lambda at, a: at[1]["base"]["ref"]),
            "baseRefOid": (None, lambda at, a: at[1]["base"]["sha"]),
            "isInMergeQueue": (None, lambda at, a: at[1]["number"] in at[0].queue),
            "mergeQueueEntry": ("MergeQueueEntry", self._entry),
            "repository": ("Repository", lambda at, a: at[0]),
            "author": ("Actor", plain("user")),
        }

    def _site(self, owner: str, name: str) -> Site:
        if site := self._overlay.sites.get(f"{owner}/{name}"):
            return site
        raise Refusal("NOT_FOUND", f"Could not resolve to a Repository with the name '{owner}/{name}'.")

    async def _repository(self, _: Any, a: Arguments) -> Site:
        site = self._site(a["owner"], a["name"])
        await self._issues.all(site)
        return site

    async def _numbered(self, site: Site, number: int, *, pulls: bool) -> At:
        for issue in await self._issues.all(site):
            if issue["number"] == number and ("pull_request" in issue) == pulls:
                return site, issue
        kind = "PullRequest" if pulls else "Issue"
        raise Refusal("NOT_FOUND", f"Could not resolve to {kind} with the number of {number}.")

    async def _pull(self, site: Site, a: Arguments) -> At:
        await self._numbered(site, a["number"], pulls=True)
        if a["number"] in site.queue and site.queue_runs:
            await self._pulls.run_queue(site)
        return site, await self._pulls.pull(site, a["number"])

    async def _either(self, site: Site, a: Arguments) -> tuple[str, At]:
        try:
            return "Issue", await self._numbered(site, a["number"], pulls=False)
        except Refusal:
            return "PullRequest", await self._pull(site, a)

    async def _node(self, _: Any, a: Arguments) -> tuple[str, At]:
        for site in self._overlay.sites.values():
            for issue in await self._issues.all(site):
                if issue["node_id"] == a["id"]:
                    if "pull_request" not in issue:
                        return "Issue", (site, issue)
                    return "PullRequest", await self._pull(site, {"number": issue["number"]})
        raise Refusal("NOT_FOUND", f"Could not resolve to a node with the global id of '{a['id']}'")

    async def _nodes(self, _: Any, a: Arguments) -> list[tuple[str, At]]:
        if len(a["ids"]) > 100:
            raise Refusal("ARGUMENT_LIMIT", "You may not provide more than 100 node ids")
        return [await self._node(_, {"id": node}) for node in a["ids"]]

    async def _listed(self, site: Site, a: Arguments) -> tuple[list[At], list[At], dict[str, Any]]:
        if "first" not in a and "last" not in a:
            raise Refusal("MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value")
        by = a.get("filterBy") or {}
        state = "all" if len(a.get("states") or ()) != 1 else a["states"][0].lower()
        query = {"state": state, "labels": ",".join(a.get("labels") or by.get("labels") or ())}
        if by.get("milestoneNumber"):
            query["milestone"] = by["milestoneNumber"]
        if by.get("since"):
            query["since"] = by["since"]
        found = [
            (site, i) for i in await self._issues.all(site) if "pull_request" not in i and chosen_by(query, i)
        ]
        order = a.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
        key = {"UPDATED_AT": "updated_at", "COMMENTS": "comments"}.get(order["field"], "created_at")
        found.sort(key=lambda at: (at[1][key], at[1]["number"]), reverse=order["direction"] == "DESC")
        return _page(found, a)

    async def _search(self, _: Any, a: Arguments) -> tuple[list[At], list[At], dict[str, Any]]:
        query = {"q": a["query"], "per_page": "100"}
        asked = Asked("GET", "/search/issues", query, None, "", next(iter(self._overlay.tokens)))
        items = (await self._overlay.forward(asked)).body["items"]
        found = []
        for item in items:
            site = self._overlay.sites.get("/".join(item["repository_url"].rsplit("/", 2)[-2:]))
            if site:
                found.append((site, await self._issues.find(site, item["number"])))
        return _page(found, a)

    async def _edges(
        self, at: At, numbers: list[int], a: Arguments
    ) -> tuple[list[At], list[At], dict[str, Any]]:
        return _page([(at[0], await self._issues.find(at[0], number)) for number in numbers], a)

    async def _blocked_by(self, at: At, a: Arguments) -> tuple[list[At], list[At], dict[str, Any]]:
        return await self._edges(at, at[0].blocked_by.get(at[1]["number"], []), a)

    async def _children(self, at: At, a: Arguments) -> tuple[list[At], list[At], dict[str, Any]]:
        return await self._edges(at, at[0].children.get(at[1]["number"], []), a)

    async def _parent(self, at: At, a: Arguments) -> At | None:
        parent = at[0].parent(at[1]["number"])
        return (at[0], await self._issues.find(at[0], parent)) if parent else None

    def _queue(self, site: Site, branch: str) -> str | None:
        return f"MQ_{branch}" if site.protections.get(branch, Protection()).queue else None

    def _entry(self, at: At, a: Arguments) -> dict[str, Any] | None:
        site, number = at[0], at[1]["number"]
        if number not in site.queue:
            return None
        return {"state": "QUEUED", "position": site.queue.index(number) + 1}

    async def _enqueue(self, given: Arguments, login: str) -> At:
        kind, (site, pull) = await self._node(None, {"id": given["pullRequestId"]})
        if kind != "PullRequest" or not site.may(login, "write"):
            raise Refusal("FORBIDDEN", f"{login} does not have the correct permissions to enqueue")
        if not site.protections.get(pull["base"]["ref"], Protection()).queue:
            raise Refusal("UNPROCESSABLE", "Merge queue is not enabled for this branch")
        if given.get("expectedHeadOid") not in {None, pull["head"]["sha"]}:
            raise Refusal("UNPROCESSABLE", "Head branch was modified. Review and try the merge again.")
        if pull["number"] in site.queue:
            raise Refusal("UNPROCESSABLE", "Pull request is already in the queue")
        if pull["state"] != "open":
            raise Refusal("UNPROCESSABLE", "Pull request is not open")
        site.queue.append(pull["number"])
        return site, pull

    async def _dequeue(self, given: Arguments) -> At:
        _, (site, pull) = await self._node(None, {"id": given["id"]})
        if pull["number"] not in site.queue:
            raise Refusal("UNPROCESSABLE", "Pull request is not in the queue")
        site.queue.remove(pull["number"])
        return site, pull


def _key(name: str) -> Resolver:
    return lambda document, a: document[name]


def _connection(kind: str) -> Mapping[str, tuple[str | None, Resolver]]:
    return {
        "totalCount": (None, lambda found, a: len(found[0])),
        "nodes": (kind, lambda found, a: found[1]),
        "pageInfo": ("PageInfo", lambda found, a: found[2]),
    }


def _page(everything: list[Any], a: Arguments) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """All of a connection, those on the page, and what is said about the page."""
    first = a.get("first")
    if first is not None and first > 100:
        raise Refusal(
            "EXCESSIVE_PAGINATION", f"Requesting {first} records exceeds the `first` limit of 100 records."
        )
    after = int(base64.b64decode(a["after"])) if a.get("after") else 0
    shown = everything[after : after + (100 if first is None else first)]
    end = after + len(shown)
    info = {
        "hasNextPage": end < len(everything),
        "endCursor": base64.b64encode(str(end).encode()).decode() if shown else None,
        "hasPreviousPage": after > 0,
        "startCursor": base64.b64encode(str(after).encode()).decode() if shown else None,
    }
    return everything, shown, info
