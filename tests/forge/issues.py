"""Issues as the overlay shows them: in one list with pull requests, with dependencies, sub-issues and associations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.forge.overlay import Asked, Overlay, Problem, Reply, not_found
from tests.forge.site import Json, Site

DIFFERS = (
    "head",
    "base",
    "merged",
    "mergeable",
    "mergeable_state",
    "merge_commit_sha",
    "merged_by",
    "rebaseable",
)


class Issues:
    """What is asked about issues."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        overlay.decorates(self._associations)
        overlay.decorates(self._summaries)
        answers = overlay.answers
        answers("GET", "{r}/issues", self._list)
        answers("GET", "{r}/issues/comments", self._recent)
        answers("GET", "{r}/issues/{number}", self._one)
        answers("POST", "{r}/issues/{number}/comments", self._comment)
        answers("PATCH", "{r}/issues/comments/{id}", self._edit)
        answers("GET", "{r}/issues/{number}/dependencies/blocked_by", self._blocked_by)
        answers("POST", "{r}/issues/{number}/dependencies/blocked_by", self._block)
        answers("DELETE", "{r}/issues/{number}/dependencies/blocked_by/{id}", self._unblock)
        answers("GET", "{r}/issues/{number}/dependencies/blocking", self._blocking)
        answers("GET", "{r}/issues/{number}/sub_issues", self._children)
        answers("POST", "{r}/issues/{number}/sub_issues", self._adopt)
        answers("DELETE", "{r}/issues/{number}/sub_issue", self._orphan)
        answers("GET", "{r}/issues/{number}/parent", self._parent)
        answers("GET", "{r}/collaborators/{login}/permission", self._permission)

    async def all(self, site: Site) -> list[Json]:
        """Every issue and pull request of a repository, as issues."""
        if site.cached is None or site.cached[0] != site.version:
            version = site.version
            found = await self._pages(site, "issues")
            pulls = await self._pages(site, "pulls")
            site.cached = version, found + [self._as_issue(site, pull) for pull in pulls]
            # Summaries look at the other issues, so they come when all are there.
            for issue in site.cached[1]:
                await self._summaries(site, issue)
        return site.cached[1]

    async def find(self, site: Site, number: int) -> Json:
        """One of them. Raises Problem."""
        for issue in await self.all(site):
            if issue["number"] == number:
                return issue
        raise not_found()

    async def _pages(self, site: Site, kind: str) -> list[Json]:
        found: list[Json] = []
        while True:
            page = len(found) // 100 + 1
            more = await self._overlay.fetch(
                f"/repos/{site.name}/{kind}", None, state="all", per_page=100, page=page, direction="asc"
            )
            for one in more:
                await self._associations(site, one)
            found += more
            if len(more) < 100:
                return found

    def _as_issue(self, site: Site, pull: Json) -> Json:
        root = f"{self._overlay.url}/repos/{site.name}/issues/{pull['number']}"
        issue = {name: value for name, value in pull.items() if name not in DIFFERS}
        links = {name: pull[name] for name in ("url", "html_url", "diff_url", "patch_url", "merged_at")}
        for name in (
            "_links",
            "diff_url",
            "patch_url",
            "merged_at",
            "requested_reviewers",
            "requested_teams",
        ):
            issue.pop(name)
        issue |= {
            "url": root,
            "repository_url": f"{self._overlay.url}/repos/{site.name}",
            "state_reason": None,
        }
        issue |= {"events_url": f"{root}/events", "labels_url": f"{root}/labels{{/name}}", "closed_by": None}
        issue |= {"timeline_url": f"{root}/timeline", "performed_via_github_app": None, "pull_request": links}
        issue |= {"comments": pull.get("comments", 0), "active_lock_reason": None}
        return issue

    async def _associations(self, site: Site, body: Json) -> None:
        if "author_association" not in body or not body.get("user"):
            return
        if "issue_url" in body and "head" not in body and (author := site.authors.get(body["id"])):
            body["user"] = await self._overlay.person(author)
        body["author_association"] = site.association(body["user"]["login"])

    async def _summaries(self, site: Site, body: Json) -> None:
        if "labels_url" not in body or "timeline_url" not in body or "pull_request" in body:
            return
        number = body["number"]
        states = {issue["number"]: issue["state"] for issue in (site.cached or (0, [body]))[1]}
        on, blocks = site.blocked_by.get(number, []), site.blocking(number)
        children = site.children.get(number, [])
        if site.has_dependencies:
            body["issue_dependencies_summary"] = {
                "blocked_by": sum(states.get(one) != "closed" for one in on),
                "blocking": sum(states.get(one) != "closed" for one in blocks),
                "total_blocked_by": len(on),
                "total_blocking": len(blocks),
            }
        if site.has_sub_issues:
            done = sum(states.get(child) == "closed" for child in children)
            share = 100 * done // len(children) if children else 0
            body["sub_issues_summary"] = {
                "total": len(children),
                "completed": done,
                "percent_completed": share,
            }
            if parent := site.parent(number):
                body["parent_issue_url"] = f"{self._overlay.url}/repos/{site.name}/issues/{parent}"

    async def _list(self, asked: Asked) -> Reply:
        chosen = [issue for issue in await self.all(_site(asked)) if chosen_by(asked.query, issue)]
        key = {"updated": "updated_at", "comments": "comments"}.get(asked.query.get("sort", ""), "created_at")
        chosen.sort(
            key=lambda i: (i[key], i["number"]), reverse=asked.query.get("direction", "desc") == "desc"
        )
        return self.page(asked, chosen)

    def page(self, asked: Asked, chosen: list[Json]) -> Reply:
        """The page that was asked for, with links to its neighbours."""
        size = min(100, max(1, int(asked.query.get("per_page", 30))))
        page = max(1, int(asked.query.get("page", 1)))
        last = max(1, -(-len(chosen) // size))
        root = f"{self._overlay.url}{asked.path}"
        rest = "".join(f"&{k}={v}" for k, v in asked.query.items() if k not in {"page", "per_page"})

        def link(number: int, rel: str) -> str:
            return f'<{root}?page={number}&per_page={size}{rest}>; rel="{rel}"'

        links = [link(page + 1, "next"), link(last, "last")] if page < last else []
        links += [link(1, "first"), link(page - 1, "prev")] if page > 1 else []
        headers = {"Link": ", ".join(links)} if links else {}
        return Reply(200, chosen[(page - 1) * size : page * size], headers)

    async def _one(self, asked: Asked) -> Reply:
        if not asked.groups["number"].isdigit():
            return await self._overlay.forward(asked)
        return Reply(200, await self.find(_site(asked), asked.number()))

    async def _recent(self, asked: Asked) -> Reply:
        """Every comment of the repository; the stateful server takes the word for an issue's number."""
        site, found = _site(asked), list[Json]()
        for issue in await self.all(site):
            path = f"/repos/{site.name}/issues/{issue['number']}/comments"
            if issue["comments"]:
                found += await self._overlay.fetch(path, site, per_page=100)
        found = [comment for comment in found if comment["updated_at"] >= asked.query.get("since", "")]
        key = "updated_at" if asked.query.get("sort") == "updated" else "created_at"
        found.sort(key=lambda c: (c[key], c["id"]), reverse=asked.query.get("direction") == "desc")
        return self.page(asked, found)

    async def _comment(self, asked: Asked) -> Reply:
        """Whoever may read may comment; the stateful server asks for more, so somebody else says it for them."""
        site = _site(asked)
        if site.may(asked.login, "write"):
            return await self._overlay.forward(asked)
        reply = await self._overlay.forward(asked, self._owner_token())
        if reply.status == 201:
            site.authors[reply.body["id"]] = asked.login
            await self._overlay.decorate(site, reply.body)
        return reply

    async def _edit(self, asked: Asked) -> Reply:
        site = _site(asked)
        path = f"/repos/{site.name}/issues/comments/{asked.groups['id']}"
        there = await self._overlay.fetch(path, site)
        if there["user"]["login"] != asked.login and not site.may(asked.login, "write"):
            raise Problem(403, "Must have push access to edit this comment")
        return await self._overlay.forward(asked, self._owner_token())

    def _owner_token(self) -> str:
        return next(iter(self._overlay.tokens))

    async def _permission(self, asked: Asked) -> Reply:
        site = _site(asked)
        if not site.may(asked.login, "write"):
            raise Problem(403, "Must have push access to view collaborator permission.")
        login = asked.groups["login"]
        try:
            person = await self._overlay.person(login)
        except Problem:
            raise Problem(404, f"{login} is not a user") from None
        role = site.role(login)
        permission = {"maintain": "write", "triage": "read"}.get(role, role)
        rank = ("read", "triage", "write", "maintain", "admin").index(role)
        names = ("pull", "triage", "push", "maintain", "admin")
        allowed = {name: rank >= at for at, name in enumerate(names)}
        user = {**person, "permissions": allowed, "role_name": role}
        return Reply(200, {"permission": permission, "role_name": role, "user": user})

    async def _related(self, asked: Asked, numbers: Callable[[Site, int], list[int]], there: bool) -> Reply:
        site = _site(asked)
        if not there:
            raise not_found()
        await self.find(site, asked.number())
        found = [await self.find(site, number) for number in numbers(site, asked.number())]
        return self.page(asked, found)

    async def _blocked_by(self, asked: Asked) -> Reply:
        there = _site(asked).has_dependencies
        return await self._related(asked, lambda site, number: site.blocked_by.get(number, []), there)

    async def _blocking(self, asked: Asked) -> Reply:
        return await self._related(asked, Site.blocking, _site(asked).has_dependencies)

    async def _children(self, asked: Asked) -> Reply:
        there = _site(asked).has_sub_issues
        return await self._related(asked, lambda site, number: site.children.get(number, []), there)

    async def _block(self, asked: Asked) -> Reply:
        site, blocker = await self._two(asked, asked.body["issue_id"])
        if not site.has_dependencies:
            raise not_found()
        on = site.blocked_by.setdefault(asked.number(), [])
        if blocker["number"] in on or blocker["number"] == asked.number():
            raise Problem(422, "Validation failed: the dependency exists, or is on itself")
        on.append(blocker["number"])
        site.changed()
        return Reply(201, await self.find(site, blocker["number"]))

    async def _unblock(self, asked: Asked) -> Reply:
        site, blocker = await self._two(asked, asked.number("id"))
        if blocker["number"] not in site.blocked_by.get(asked.number(), []):
            raise not_found()
        site.blocked_by[asked.number()].remove(blocker["number"])
        site.changed()
        return Reply(200, await self.find(site, blocker["number"]))

    async def _adopt(self, asked: Asked) -> Reply:
        site, child = await self._two(asked, asked.body["sub_issue_id"])
        if not site.has_sub_issues:
            raise not_found()
        if site.parent(child["number"]) and not asked.body.get("replace_parent"):
            raise Problem(
                422, "Issue may not contain duplicate sub-issues; sub issue may only have one parent"
            )
        site.children.setdefault(asked.number(), []).append(child["number"])
        site.changed()
        return Reply(201, await self.find(site, asked.number()))

    async def _orphan(self, asked: Asked) -> Reply:
        site, child = await self._two(asked, asked.body["sub_issue_id"])
        site.children.get(asked.number(), []).remove(child["number"])
        site.changed()
        return Reply(200, await self.find(site, asked.number()))

    async def _parent(self, asked: Asked) -> Reply:
        site = _site(asked)
        parent = site.parent(asked.number()) if site.has_sub_issues else None
        if parent is None:
            raise not_found()
        return Reply(200, await self.find(site, parent))

    async def _two(self, asked: Asked, other: int) -> tuple[Site, Json]:
        """The repository and the issue whose id is `other`. Ids are not numbers."""
        site = _site(asked)
        if not site.may(asked.login, "triage"):
            raise Problem(403, "Must have triage access")
        await self.find(site, asked.number())
        for issue in await self.all(site):
            if issue["id"] == other and "pull_request" not in issue:
                return site, issue
        raise Problem(404, "The provided issue does not exist")


def _site(asked: Asked) -> Site:
    assert asked.site is not None
    return asked.site


def chosen_by(query: Any, issue: Json) -> bool:
    """True for an issue that the parameters of a list ask for."""
    state = query.get("state", "open")
    labels = {label["name"].lower() for label in issue["labels"]}
    wanted = {name.strip().lower() for name in query.get("labels", "").split(",") if name.strip()}
    milestone, assignee = query.get("milestone"), query.get("assignee")
    has = issue.get("milestone")
    assigned = {person["login"] for person in issue["assignees"]}
    return (
        state in {"all", issue["state"]}
        and wanted <= labels
        and (milestone is None or (milestone == "*" and bool(has)) or (milestone == "none" and not has)
             or (bool(has) and str(has["number"]) == milestone))
        and (assignee is None or (assignee == "*" and bool(assigned)) or (assignee == "none" and not assigned)
             or assignee in assigned)
        and query.get("creator") in {None, issue["user"]["login"]}
        and issue["updated_at"] >= query.get("since", "")
    )  # fmt: skip
