"""A `World` shown over HTTP as Forgejo's API v1 shows a repository: as much of it as MAWEP's adapter asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from mawep.trackers.base import (
    CheckState,
    Comment,
    Conflicted,
    ForgeIssue,
    NotThere,
    Permission,
    PullRequest,
    Query,
)
from tests.support.forge import FakeForge
from tests.support.github_stub import GitHubStub, user, when

WORDS = {CheckState.PASSED: "success", CheckState.FAILED: "failure", CheckState.PENDING: "pending"}
STATES = {"CHANGES_REQUESTED": "REQUEST_CHANGES", "COMMENTED": "COMMENT"}
MOST_ON_A_PAGE = 50

Params = Mapping[str, str]
Handler = Callable[..., Any]


class ForgejoStub(GitHubStub):
    """The server. Handlers are methods whose names and patterns stand in ROUTES."""

    def _route(
        self, method: str, path: str, params: Params, headers: Mapping[str, str], content: bytes
    ) -> tuple[int, Any]:
        if headers.get("authorization") != f"Bearer {self.token}":
            return 401, {"message": "invalid username, password or token"}
        body = json.loads(content) if content else {}
        local = path.removeprefix(self.prefix)
        for verb, pattern, status, name in ROUTES:
            ours = pattern.replace("REPO", f"/repos/{re.escape(self.world.repository)}")
            if verb == method and (match := re.fullmatch(ours, local)):
                handler: Handler = getattr(self, name)
                try:
                    return status, handler(*map(unquote, match.groups()), params=params, body=body)
                except Conflicted as error:
                    return 409, {"message": error.cause}
        raise NotThere("Not Found")

    def _page(self, target: str, params: Params, found: list[Any], more: dict[str, str]) -> list[Any]:
        if "limit" not in params:
            return found  # conversations come whole
        size, page = min(int(params.get("limit", 30)), MOST_ON_A_PAGE), int(params.get("page", 1))
        return found[(page - 1) * size : page * size]

    def me(self, *, params: Params, body: Any) -> Any:
        return user(self.world.login)

    def about(self, *, params: Params, body: Any) -> Any:
        may = self.world.people[self.world.login]
        methods = self.world.methods
        return {
            "full_name": self.world.repository,
            "default_branch": self.world.default_branch,
            "permissions": {"admin": may is Permission.ADMIN, "push": may.may_write, "pull": True},
            "has_issues": True,
            "allow_merge_commits": "merge" in methods,
            "allow_squash_merge": "squash" in methods,
            "allow_rebase": "rebase" in methods,
            "html_url": f"{self.url}/{self.world.repository}",
            "clone_url": self.world.git.as_uri() if self.world.git else "",
        }

    def issues(self, *, params: Params, body: Any) -> Any:
        assert params["type"] == "issues"
        since = params.get("since")
        wanted = Query(
            state=params["state"],
            query=params.get("q"),
            milestone=params.get("milestones"),
            since=datetime.fromisoformat(since) if since else None,
        )
        found = FakeForge(self.world).wanted(wanted)
        labels = set(filter(None, params.get("labels", "").split(",")))
        fit = [one for one in found if not labels or labels & set(one.labels)]
        return [self.show(one) for one in sorted(fit, key=lambda one: -one.number)]

    def milestones(self, *, params: Params, body: Any) -> Any:
        return [
            {"id": 1, "title": title}
            for title in {one.milestone for one in self.world.issues.values()}
            if title
        ]

    def issue(self, number: str, *, params: Params, body: Any) -> Any:
        if int(number) in self.world.pulls:
            pull = self.world.pull(int(number))
            seen = ForgeIssue(pull.number, pull.title, state=pull.state, updated_at=pull.updated_at)
            return self.show(seen) | {"pull_request": {"merged": pull.merged}}
        return self.show(self.world.thing(int(number)))

    def foreign(self, repository: str, number: str, *, params: Params, body: Any) -> Any:
        found = self.world.foreign.get((repository, int(number)))
        if found is None:
            raise NotThere("Not Found")
        return self.show(found, repository)

    def change_issue(self, number: str, *, params: Params, body: Any) -> Any:
        if body.get("state") == "closed":
            self.world.close(int(number))
        if body.get("state") == "open":
            self.world.reopen(int(number))
        return self.issue(number, params=params, body=body)

    def dependencies(self, number: str, *, params: Params, body: Any) -> Any:
        self.world.thing(int(number))
        if not self.world.dependencies_supported:
            raise NotThere("Not Found")
        edges = map(self.world.reference, self.world.blocked_by.get(int(number), ()))
        return [
            {
                "number": edge.number,
                "state": edge.state,
                "title": edge.title,
                "html_url": edge.url,
                "repository": {"full_name": edge.repository},
            }
            for edge in edges
        ]

    def timeline(self, number: str, *, params: Params, body: Any) -> Any:
        labels = [
            {
                "type": "label",
                "body": "1",
                "label": {"name": one.label},
                "user": user(one.by),
                "created_at": when(one.at),
            }
            for one in self.world.labelled.get(int(number), ())
        ]
        edited = self.world.edited.get(int(number))
        return labels + ([{"type": "change_title", "created_at": when(edited)}] if edited else [])

    def comments(self, number: str, *, params: Params, body: Any) -> Any:
        if int(number) not in self.world.pulls:
            self.world.thing(int(number))
        return [show_comment(one) for one in self._since(params) if one.issue == int(number)]

    def all_comments(self, *, params: Params, body: Any) -> Any:
        return [show_comment(one) for one in self._since(params)]

    def _since(self, params: Params) -> list[Comment]:
        since = datetime.fromisoformat(params["since"]) if "since" in params else None
        every = self.world.comments.values()
        return [one for one in every if since is None or (one.updated_at and one.updated_at >= since)]

    def comment(self, number: str, *, params: Params, body: Any) -> Any:
        return show_comment(self.world.say(int(number), body["body"]))

    def reword(self, comment: str, *, params: Params, body: Any) -> Any:
        return show_comment(self.world.reword(int(comment), body["body"]))

    def labels(self, *, params: Params, body: Any) -> Any:
        return [{"id": at, "name": name} for at, name in enumerate(self.names, 1)]

    @property
    def names(self) -> list[str]:
        """Labels that exist; their ids are their places."""
        known: list[str] = self.__dict__.setdefault("known", [])
        found = {name for one in self.world.issues.values() for name in one.labels}
        known += sorted(found - set(known))
        return known

    def make_label(self, *, params: Params, body: Any) -> Any:
        assert body["color"]
        self.names.append(body["name"])
        return {"id": len(self.names), "name": body["name"]}

    def labels_of(self, number: str, *, params: Params, body: Any) -> Any:
        names = self.names
        return [{"id": names.index(one) + 1, "name": one} for one in self.world.thing(int(number)).labels]

    def add_labels(self, number: str, *, params: Params, body: Any) -> Any:
        self.world.label(int(number), [self.names[one - 1] for one in body["labels"]])
        return self.labels_of(number, params=params, body=body)

    def remove_label(self, number: str, label: str, *, params: Params, body: Any) -> Any:
        self.world.unlabel(int(number), self.names[int(label) - 1])

    def permission(self, login: str, *, params: Params, body: Any) -> Any:
        may = self.world.people.get(login)
        if may is None:
            raise NotThere("Not Found")
        if may is Permission.ADMIN:
            return {"permission": "admin"}
        return {"permission": "write" if may.may_write else "read" if may is not Permission.NONE else "none"}

    def pulls(self, *, params: Params, body: Any) -> Any:
        every = map(self.world.pull, sorted(self.world.pulls, reverse=True))
        return [self.show_pull(one) for one in every if params["state"] in ("all", one.state)]

    def pull(self, number: str, *, params: Params, body: Any) -> Any:
        return self.show_pull(self.world.pull(int(number)))

    def open_pull(self, *, params: Params, body: Any) -> Any:
        if self.world.head(body["head"]) is None:
            raise NotThere("Not Found")
        return self.show_pull(self.world.open(**body))

    def edit_pull(self, number: str, *, params: Params, body: Any) -> Any:
        self.world.rewrite(int(number), title=body.get("title"), body=body.get("body"))
        return self.pull(number, params=params, body=body)

    def merge(self, number: str, *, params: Params, body: Any) -> Any:
        self.world.merge(
            int(number),
            sha=body["head_commit_id"],
            method=body["Do"],
            title=body["MergeTitleField"],
            body=body["MergeMessageField"],
        )

    def statuses(self, sha: str, *, params: Params, body: Any) -> Any:
        return [
            {
                "id": one.id,
                "context": one.name,
                "status": WORDS.get(one.state, "skipped"),
                "description": " ".join(filter(None, (one.summary, one.excerpt))),
                "target_url": one.url,
            }
            for one in self.world.checks.get(sha, ())
        ]

    def protection(self, branch: str, *, params: Params, body: Any) -> Any:
        if branch not in self.world.protected:
            raise NotThere("Not Found")
        found = self.world.protected[branch]
        return {
            "enable_status_check": bool(found.checks),
            "status_check_contexts": list(found.checks),
            "required_approvals": found.approvals,
            "block_on_outdated_branch": found.strict,
        }

    def reviews(self, number: str, *, params: Params, body: Any) -> Any:
        self.world.pull(int(number))
        return [
            {
                "id": one.id,
                "state": STATES.get(one.state, one.state),
                "body": one.body,
                "user": user(one.author),
                "commit_id": one.commit,
                "submitted_at": when(one.submitted_at),
                "html_url": one.url,
            }
            for one in self.world.pulls[int(number)].reviews
        ]

    def remarks(self, number: str, review: str, *, params: Params, body: Any) -> Any:
        return [
            {
                "id": one.id,
                "body": one.body,
                "path": one.path,
                "position": one.line,
                "user": user(one.author),
                "created_at": when(one.created_at),
                "updated_at": when(one.updated_at),
            }
            for one in self.world.pulls[int(number)].remarks
            if one.review == int(review)
        ]

    def make_review(self, number: str, *, params: Params, body: Any) -> Any:
        made = self.world.review(int(number), "COMMENTED", author=self.world.login)
        for one in body["comments"]:
            self.world.remark(
                int(number), one["body"], path=one["path"], line=one["new_position"], review=made.id
            )
        return {"id": made.id}

    def branch(self, branch: str, *, params: Params, body: Any) -> Any:
        if self.world.head(branch) is None:
            raise NotThere("Not Found")
        return {"name": branch}

    def compare(self, branch: str, commit: str, *, params: Params, body: Any) -> Any:
        head = self.world.head(branch)
        if head is None:
            raise NotThere("Not Found")
        return {"total_commits": 0 if self.world.contains(head, commit) else 1}

    def show(self, issue: ForgeIssue, repository: str | None = None) -> dict[str, Any]:
        """An issue."""
        return {
            "id": issue.id,
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "state": issue.state,
            "user": user(issue.author),
            "labels": [{"id": 1, "name": name} for name in issue.labels],
            "assignees": None,
            "milestone": issue.milestone and {"id": 1, "title": issue.milestone},
            "comments": issue.comments,
            "created_at": when(issue.created_at),
            "updated_at": when(issue.updated_at),
            "closed_at": when(issue.closed_at),
            "html_url": issue.url,
            "pull_request": None,
            "repository": {"full_name": repository or self.world.repository},
        }

    def show_pull(self, pull: PullRequest) -> dict[str, Any]:
        """A pull request."""
        home = {"full_name": self.world.repository}
        return {
            "id": pull.id,
            "number": pull.number,
            "title": pull.title,
            "body": pull.body,
            "state": pull.state,
            "draft": pull.draft,
            "merged": pull.merged,
            "merge_commit_sha": pull.merge_commit,
            "merged_by": user(pull.merged_by),
            "merged_at": when(pull.merged_at),
            "mergeable": bool(pull.mergeable),
            "head": {"ref": pull.head, "sha": pull.head_sha, "repo": home},
            "base": {"ref": pull.base, "sha": pull.base_sha, "repo": home},
            "user": user(pull.author),
            "created_at": when(pull.created_at),
            "updated_at": when(pull.updated_at),
            "html_url": pull.url,
        }


def show_comment(comment: Comment) -> dict[str, Any]:
    """A comment; its address says what it is on."""
    return {
        "id": comment.id,
        "body": comment.body,
        "user": user(comment.author),
        "created_at": when(comment.created_at),
        "updated_at": when(comment.updated_at),
        "html_url": comment.url,
        "issue_url": f"https://forgejo.example/acme/shop/issues/{comment.issue}",
        "pull_request_url": "",
    }


N = r"(\d+)"
ROUTES = (
    ("GET", "/user", 200, "me"),
    ("GET", "REPO", 200, "about"),
    ("GET", "REPO/issues", 200, "issues"),
    ("GET", "REPO/milestones", 200, "milestones"),
    ("GET", "REPO/issues/comments", 200, "all_comments"),
    ("PATCH", f"REPO/issues/comments/{N}", 200, "reword"),
    ("GET", f"REPO/issues/{N}", 200, "issue"),
    ("PATCH", f"REPO/issues/{N}", 201, "change_issue"),
    ("GET", f"REPO/issues/{N}/dependencies", 200, "dependencies"),
    ("GET", f"REPO/issues/{N}/timeline", 200, "timeline"),
    ("GET", f"REPO/issues/{N}/comments", 200, "comments"),
    ("POST", f"REPO/issues/{N}/comments", 201, "comment"),
    ("GET", "REPO/labels", 200, "labels"),
    ("POST", "REPO/labels", 201, "make_label"),
    ("GET", f"REPO/issues/{N}/labels", 200, "labels_of"),
    ("POST", f"REPO/issues/{N}/labels", 200, "add_labels"),
    ("DELETE", f"REPO/issues/{N}/labels/{N}", 204, "remove_label"),
    ("GET", "REPO/collaborators/([^/]+)/permission", 200, "permission"),
    ("GET", "REPO/pulls", 200, "pulls"),
    ("POST", "REPO/pulls", 201, "open_pull"),
    ("GET", f"REPO/pulls/{N}", 200, "pull"),
    ("PATCH", f"REPO/pulls/{N}", 201, "edit_pull"),
    ("POST", f"REPO/pulls/{N}/merge", 200, "merge"),
    ("GET", f"REPO/pulls/{N}/reviews", 200, "reviews"),
    ("POST", f"REPO/pulls/{N}/reviews", 200, "make_review"),
    ("GET", f"REPO/pulls/{N}/reviews/{N}/comments", 200, "remarks"),
    ("GET", "REPO/commits/([^/]+)/statuses", 200, "statuses"),
    ("GET", "REPO/branch_protections/([^/]+)", 200, "protection"),
    ("GET", "REPO/branches/([^/]+)", 200, "branch"),
    ("GET", r"REPO/compare/(.+)\.\.\.(\w+)", 200, "compare"),
    ("GET", f"/repos/([^/]+/[^/]+)/issues/{N}", 200, "foreign"),
)
"""Method, path, status, and the handler's name."""
