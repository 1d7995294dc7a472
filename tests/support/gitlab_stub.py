"""A `World` shown over HTTP as GitLab's API v4 shows a project: as much of it as MAWEP's adapter asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from mawep.trackers.base import (
    CheckState,
    Comment,
    Conflicted,
    ForgeIssue,
    MergeRefused,
    NotThere,
    Permission,
    PullRequest,
    Query,
    Refused,
    ReviewComment,
)
from tests.support.forge import FakeForge
from tests.support.github_stub import GitHubStub, when

LEVELS = {
    Permission.ADMIN: 50,
    Permission.MAINTAIN: 40,
    Permission.WRITE: 30,
    Permission.TRIAGE: 20,
    Permission.READ: 10,
}
WORDS = {
    CheckState.PASSED: "success",
    CheckState.FAILED: "failed",
    CheckState.PENDING: "pending",
    CheckState.IGNORED: "skipped",
}
REVIEWS = {"APPROVED": "approved", "CHANGES_REQUESTED": "requested_changes", "COMMENTED": "reviewed"}

Params = Mapping[str, str]
Handler = Callable[..., Any]


def user(login: str | None) -> Any:
    """Somebody, or nobody."""
    return None if login is None else {"id": 1, "username": login}


class GitLabStub(GitHubStub):
    """The server. Handlers are methods whose names and patterns stand in ROUTES."""

    def _handled(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(target)
        if headers.get("authorization") != f"Bearer {self.token}":
            return 401, {}, json.dumps({"message": "401 Unauthorized"}).encode()
        every = parse_qs(parts.query)
        params = {key: ",".join(values) for key, values in every.items()}
        body = json.loads(content) if content else {}
        try:
            status, found = self._found(method, parts.path.removeprefix(self.prefix), params, body)
        except NotThere:
            status, found = 404, {"message": "404 Not Found"}
        except MergeRefused as error:
            status, found = 405, {"message": f"405 {error.reason}"}
        except Conflicted as error:
            status, found = 409, {"message": [error.cause]}
        except Refused as error:
            status, found = 400, {"message": {"base": [error.cause]}}
        if isinstance(found, list) and method == "GET":
            size, page = min(int(params.get("per_page", 20)), 100), int(params.get("page", 1))
            found = found[(page - 1) * size : page * size]
        return status, {}, b"" if status == 204 else json.dumps(found).encode()

    def _found(self, method: str, path: str, params: Params, body: Any) -> tuple[int, Any]:
        for verb, pattern, status, name in ROUTES:
            ours = pattern.replace("PROJECT", f"/projects/{re.escape(quote(self.world.repository, safe=''))}")
            if verb == method and (match := re.fullmatch(ours, path)):
                handler: Handler = getattr(self, name)
                return status, handler(*map(unquote, match.groups()), params=params, body=body)
        raise NotThere("404 Not Found")

    def me(self, *, params: Params, body: Any) -> Any:
        return user(self.world.login)

    def about(self, *, params: Params, body: Any) -> Any:
        return {
            "path_with_namespace": self.world.repository,
            "default_branch": self.world.default_branch,
            "permissions": {"project_access": {"access_level": LEVELS[self.world.people[self.world.login]]}},
            "visibility": "private",
            "merge_method": "merge",
            "squash_option": "default_off",
            "web_url": f"https://gitlab.example/{self.world.repository}",
            "http_url_to_repo": self.world.git.as_uri() if self.world.git else "",
        }

    def members(self, *, params: Params, body: Any) -> Any:
        people = self.world.people.items()
        return [user(login) | {"access_level": LEVELS[may]} for login, may in people if may in LEVELS]

    def issues(self, *, params: Params, body: Any) -> Any:
        since = params.get("updated_after")
        numbers = [int(one) for one in params.get("iids[]", "").split(",") if one]
        wanted = Query(
            state={"opened": "open"}.get(params["state"], params["state"]),
            labels=tuple(filter(None, params.get("labels", "").split(","))),
            milestone=params.get("milestone"),
            query=params.get("search"),
            since=datetime.fromisoformat(since) if since else None,
        )
        found = FakeForge(self.world).wanted(wanted)
        fit = [one for one in found if not numbers or one.number in numbers]
        return [self.show(one) for one in sorted(fit, key=lambda one: -one.number)]

    def milestones(self, *, params: Params, body: Any) -> Any:
        known = {one.milestone for one in self.world.issues.values()}
        return [{"id": 1, "title": title} for title in known if title == params["title"]]

    def issue(self, number: str, *, params: Params, body: Any) -> Any:
        return self.show(self.world.thing(int(number)))

    def foreign(self, repository: str, number: str, *, params: Params, body: Any) -> Any:
        found = self.world.foreign.get((repository, int(number)))
        if found is None:
            raise NotThere("404 Not Found")
        return self.show(found)

    def change_issue(self, number: str, *, params: Params, body: Any) -> Any:
        if body.get("state_event") == "close":
            self.world.close(int(number))
        if body.get("state_event") == "reopen":
            self.world.reopen(int(number))
        if added := body.get("add_labels"):
            self.world.label(int(number), added.split(","))
        if (gone := body.get("remove_labels")) in self.world.thing(int(number)).labels:
            self.world.unlabel(int(number), gone)
        return self.issue(number, params=params, body=body)

    def links(self, number: str, *, params: Params, body: Any) -> Any:
        self.world.thing(int(number))
        if not self.world.dependencies_supported:
            raise NotThere("404 Not Found")
        edges = map(self.world.reference, self.world.blocked_by.get(int(number), ()))
        return [
            {
                "iid": edge.number,
                "state": "opened" if edge.state == "open" else "closed",
                "title": edge.title,
                "references": {"full": f"{edge.repository}#{edge.number}"},
                "link_type": "is_blocked_by",
            }
            for edge in edges
        ] + [{"iid": 1, "state": "opened", "link_type": "relates_to"}]

    def label_events(self, number: str, *, params: Params, body: Any) -> Any:
        return [
            {"action": "add", "label": {"name": one.label}, "user": user(one.by), "created_at": when(one.at)}
            for one in self.world.labelled.get(int(number), ())
        ]

    def notes(self, number: str, *, params: Params, body: Any) -> Any:
        self.world.thing(int(number))
        said = [note(one) for one in self.world.comments.values() if one.issue == int(number)]
        edited = self.world.edited.get(int(number))
        told = {"id": 7, "system": True, "body": "changed the description", "created_at": when(edited)}
        return said + ([told] if edited else [])

    def say(self, number: str, *, params: Params, body: Any) -> Any:
        return note(self.world.say(int(number), body["body"]))

    def reword(self, number: str, comment: str, *, params: Params, body: Any) -> Any:
        known = self.world.comments.get(int(comment))
        if known is None or known.issue != int(number):
            raise NotThere("404 Not Found")
        changed = self.world.reword(int(comment), body["body"])
        self.world.edit(int(number), title=self.world.thing(int(number)).title)  # GitLab touches the issue
        self.world.edited.pop(int(number))
        return note(changed)

    def pulls(self, *, params: Params, body: Any) -> Any:
        every = map(self.world.pull, sorted(self.world.pulls, reverse=True))
        fit = [one for one in every if params.get("source_branch") in (None, one.head)]
        return [self.show_pull(one) for one in fit if params["state"] == "all" or one.state == "open"]

    def pull(self, number: str, *, params: Params, body: Any) -> Any:
        return self.show_pull(self.world.pull(int(number)))

    def open_pull(self, *, params: Params, body: Any) -> Any:
        made = self.world.open(
            title=body["title"],
            body=body["description"],
            head=body["source_branch"],
            base=body["target_branch"],
        )
        return self.show_pull(made)

    def edit_pull(self, number: str, *, params: Params, body: Any) -> Any:
        self.world.rewrite(int(number), title=body.get("title"), body=body.get("description"))
        return self.pull(number, params=params, body=body)

    def merge(self, number: str, *, params: Params, body: Any) -> Any:
        message = body.get("merge_commit_message") or body["squash_commit_message"]
        title, _, text = message.partition("\n\n")
        method = "squash" if body["squash"] else "merge"
        self.world.merge(int(number), sha=body["sha"], method=method, title=title, body=text)
        return self.pull(number, params=params, body=body)

    def statuses(self, sha: str, *, params: Params, body: Any) -> Any:
        return [
            {
                "id": one.id,
                "name": one.name,
                "status": WORDS[one.state],
                "description": " ".join(filter(None, (one.summary, one.excerpt))),
                "target_url": one.url,
            }
            for one in self.world.checks.get(sha, ())
        ]

    def approvals(self, *, params: Params, body: Any) -> Any:
        found = self.world.protected.get(self.world.default_branch)
        return {"approvals_before_merge": found.approvals if found else 0}

    def reviewers(self, number: str, *, params: Params, body: Any) -> Any:
        self.world.pull(int(number))
        return [
            {"user": user(one.author), "state": REVIEWS[one.state], "created_at": when(one.submitted_at)}
            for one in self.world.pulls[int(number)].reviews
        ]

    def discussions(self, number: str, *, params: Params, body: Any) -> Any:
        remarks = self.world.pulls[int(number)].remarks
        return [
            {
                "id": f"d{first.id}",
                "notes": [diff_note(one) for one in remarks if first.id in (one.id, one.answers)],
            }
            for first in remarks
            if first.answers is None
        ]

    def answer(self, number: str, first: str, *, params: Params, body: Any) -> Any:
        return diff_note(self.world.remark(int(number), body["body"], answers=int(first)))

    def branch(self, branch: str, *, params: Params, body: Any) -> Any:
        if self.world.head(branch) is None:
            raise NotThere("404 Branch Not Found")
        return {"name": branch}

    def refs(self, commit: str, *, params: Params, body: Any) -> Any:
        assert params["type"] == "branch"
        names = ["main", *{pull.shown.head for pull in self.world.pulls.values()}]
        return [
            {"type": "branch", "name": name}
            for name in names
            if (head := self.world.head(name)) and self.world.contains(head, commit)
        ]

    def show(self, issue: ForgeIssue) -> dict[str, Any]:
        """An issue."""
        return {
            "id": issue.id,
            "iid": issue.number,
            "time_stats": {"time_estimate": round(float(issue.fields.get("Estimate", 0)) * 3600)},
            "title": issue.title,
            "description": issue.body or None,
            "state": "opened" if issue.state == "open" else "closed",
            "author": user(issue.author),
            "labels": list(issue.labels),
            "assignees": [],
            "milestone": issue.milestone and {"id": 1, "title": issue.milestone},
            "user_notes_count": issue.comments,
            "created_at": when(issue.created_at),
            "updated_at": when(issue.updated_at),
            "closed_at": when(issue.closed_at),
            "closed_by": user(issue.closed_by),
            "web_url": issue.url,
        }

    def show_pull(self, pull: PullRequest) -> dict[str, Any]:
        """A merge request."""
        how = {"clean": "mergeable", "dirty": "conflict", "behind": "need_rebase", "blocked": "ci_must_pass"}
        return {
            "id": pull.id,
            "iid": pull.number,
            "title": pull.title,
            "description": pull.body,
            "state": "merged" if pull.merged else "opened" if pull.state == "open" else "closed",
            "draft": pull.draft,
            "sha": pull.head_sha,
            "source_branch": pull.head,
            "target_branch": pull.base,
            "source_project_id": 4,
            "target_project_id": 4,
            "merge_commit_sha": pull.merge_commit,
            "merge_user": user(pull.merged_by),
            "merged_at": when(pull.merged_at),
            "detailed_merge_status": how.get(pull.mergeable_state, "checking"),
            "diff_refs": {"start_sha": pull.base_sha},
            "references": {"full": f"{self.world.repository}!{pull.number}"},
            "author": user(pull.author),
            "created_at": when(pull.created_at),
            "updated_at": when(pull.updated_at),
            "web_url": pull.url,
        }


def note(comment: Comment) -> dict[str, Any]:
    """A comment on an issue."""
    return {
        "id": comment.id,
        "body": comment.body,
        "author": user(comment.author),
        "system": False,
        "created_at": when(comment.created_at),
        "updated_at": when(comment.updated_at),
        "noteable_iid": comment.issue,
    }


def diff_note(remark: ReviewComment) -> dict[str, Any]:
    """A comment on a line."""
    return {
        "id": remark.id,
        "type": "DiffNote",
        "body": remark.body,
        "author": user(remark.author),
        "position": {"new_path": remark.path, "new_line": remark.line},
        "created_at": when(remark.created_at),
        "updated_at": when(remark.updated_at),
    }


N = r"(\d+)"
ROUTES = (
    ("GET", "/user", 200, "me"),
    ("GET", "PROJECT", 200, "about"),
    ("GET", "PROJECT/members/all", 200, "members"),
    ("GET", "PROJECT/milestones", 200, "milestones"),
    ("GET", "PROJECT/approvals", 200, "approvals"),
    ("GET", "PROJECT/issues", 200, "issues"),
    ("GET", f"PROJECT/issues/{N}", 200, "issue"),
    ("PUT", f"PROJECT/issues/{N}", 200, "change_issue"),
    ("GET", f"PROJECT/issues/{N}/links", 200, "links"),
    ("GET", f"PROJECT/issues/{N}/resource_label_events", 200, "label_events"),
    ("GET", f"PROJECT/issues/{N}/notes", 200, "notes"),
    ("POST", f"PROJECT/issues/{N}/notes", 201, "say"),
    ("PUT", f"PROJECT/issues/{N}/notes/{N}", 200, "reword"),
    ("GET", "PROJECT/merge_requests", 200, "pulls"),
    ("POST", "PROJECT/merge_requests", 201, "open_pull"),
    ("GET", f"PROJECT/merge_requests/{N}", 200, "pull"),
    ("PUT", f"PROJECT/merge_requests/{N}", 200, "edit_pull"),
    ("PUT", f"PROJECT/merge_requests/{N}/merge", 200, "merge"),
    ("GET", f"PROJECT/merge_requests/{N}/reviewers", 200, "reviewers"),
    ("GET", f"PROJECT/merge_requests/{N}/discussions", 200, "discussions"),
    ("POST", f"PROJECT/merge_requests/{N}/discussions/d{N}/notes", 201, "answer"),
    ("GET", "PROJECT/repository/branches/([^/]+)", 200, "branch"),
    ("GET", "PROJECT/repository/commits/([^/]+)/statuses", 200, "statuses"),
    ("GET", "PROJECT/repository/commits/([^/]+)/refs", 200, "refs"),
    ("GET", f"/projects/([^/]+)/issues/{N}", 200, "foreign"),
)
"""Method, path, status, and the handler's name."""
