"""A `World` shown over HTTP as GitHub shows a repository: REST, the part of GraphQL that we use, ETags, pages, limits.

Runs in the loop of the test. Faults are put into `faults`; every request is in `requests`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from mawep.trackers.base import (
    Check,
    CheckState,
    Comment,
    Conflicted,
    ForgeError,
    ForgeIssue,
    MergeRefused,
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
from tests.support.forge import FakeForge
from tests.support.forge_world import World

Body = Any
TOKEN = "stub-token-of-the-forge"


@dataclass(frozen=True)
class Fault:
    """What happens to the next request whose `METHOD path` matches: `done` says whether it is carried out first.

    `status` None closes the connection without an answer.
    """

    matches: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    done: bool = False


@dataclass(frozen=True)
class Seen:
    """A request that came in, and the status it was answered with (0: not at all)."""

    method: str
    target: str
    headers: Mapping[str, str]
    status: int

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


class GitHubStub:
    """GitHub's API for one world; `url` is what `github.api_url` takes."""

    def __init__(self, world: World, prefix: str = "") -> None:
        self.world = world
        self.prefix = prefix
        self.url = ""
        self.token = TOKEN
        self.requests: list[Seen] = []
        self.faults: list[Fault] = []
        self.limit = 5000
        self.installations: dict[int, tuple[str, str]] = {}
        self.protection_readable = True
        self.rulesets = True
        self.etags = True
        self.logs: dict[int, str] = {}
        self._base = f"/repos/{world.repository}"
        self._used = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[GitHubStub]:
        """Serve on a port of this machine."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}{self.prefix}"
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    def targets(self) -> list[str]:
        """What was asked for, in order."""
        return [str(seen) for seen in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                method, target, _ = lines[0].split(" ", 2)
                headers = {
                    name.lower(): value
                    for name, _, value in (line.partition(": ") for line in lines[1:] if line)
                }
                content = await reader.readexactly(int(headers.get("content-length", "0")))
                answer = self._answer(method, target, headers, content)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    def _answer(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> bytes | None:
        fault = next((f for f in self.faults if re.search(f.matches, f"{method} {target}")), None)
        if fault is not None:
            self.faults.remove(fault)
        status, more, body = 0, dict[str, str](), b""
        if fault is None or fault.done:
            status, more, body = self._handled(method, target, headers, content)
        if fault is not None:
            status, more, body = fault.status or 0, dict(fault.headers), fault.body
        self.requests.append(Seen(method, target, headers, status))
        if status == 0:
            return None
        return _rendered(status, more, body)

    def _handled(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(target)
        params = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        more: dict[str, str] = {"x-oauth-scopes": "repo, workflow"}
        try:
            status, found = self._route(method, parts.path, params, headers, content)
        except ForgeError as error:
            status, found = _as_error(error)
        if isinstance(found, bytes):
            return status, more | {"content-type": "text/plain"}, found
        if isinstance(found, list) and method == "GET":
            found = self._page(target, params, found, more)
        if isinstance(found, dict) and "_paged" in found:
            key = found.pop("_paged")
            found[key] = self._page(target, params, found[key], more)
        body = b"" if status == 204 else json.dumps(found).encode()
        if self.etags and method == "GET" and status == 200:
            more["etag"] = f'W/"{hashlib.sha256(body).hexdigest()}"'
            if headers.get("if-none-match") == more["etag"]:
                status, body = 304, b""
        self._used += status != 304
        more |= {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(max(0, self.limit - self._used)),
            "x-ratelimit-reset": str(int(self.world.clock.now().timestamp()) + 3600),
            "x-ratelimit-resource": "graphql" if parts.path.endswith("/graphql") else "core",
        }
        return status, more, body

    def _page(
        self, target: str, params: Mapping[str, str], found: list[Any], more: dict[str, str]
    ) -> list[Any]:
        size, page = int(params.get("per_page", 30)), int(params.get("page", 1))
        if page * size < len(found):
            stem = re.sub(r"[&?]page=\d+", "", target)
            sign = "&" if "?" in stem else "?"
            more["link"] = f'<https://api.elsewhere.example{stem}{sign}page={page + 1}>; rel="next"'
        return found[(page - 1) * size : page * size]

    def _route(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        content: bytes,
    ) -> tuple[int, Any]:
        body = json.loads(content) if content else {}
        found = self._sign_in(method, path, headers)
        if found is not None:
            return found
        if method == "POST" and path in (
            f"{self.prefix}/graphql",
            self.prefix.removesuffix("/v3") + "/graphql",
        ):
            if not self.world.graphql and " issue" in body["query"]:
                raise NotThere("Not Found")
            return 200, GraphQL(self.world).answer(body["query"], body.get("variables", {}))
        path = path.removeprefix(self.prefix)
        for verb, pattern, handler in ROUTES:
            if verb == method and (match := re.fullmatch(pattern, path.removeprefix(self._base))):
                return handler(self, *map(unquote, match.groups()), params=params, body=body)
        raise NotThere("Not Found")

    def _sign_in(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, Any] | None:
        signed = headers.get("authorization", "")
        path = path.removeprefix(self.prefix)
        installation = re.fullmatch(r"/app/installations/(\d+)/access_tokens", path)
        if installation or path == "/app":
            if not signed.startswith("Bearer ey"):
                return 401, {"message": "A JSON web token could not be decoded"}
            if not installation:
                return 200, {"slug": self.world.login.removesuffix("[bot]")}
            token, expires = self.installations[int(installation[1])]
            self.token = token
            return 201, {"token": token, "expires_at": expires}
        if signed != f"Bearer {self.token}":
            return 401, {"message": "Bad credentials"}
        return None


def _rendered(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} Some Reason", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if "content-type" not in headers and status != 304:
        lines.append("content-type: application/json; charset=utf-8")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _as_error(error: ForgeError) -> tuple[int, Any]:
    if isinstance(error, NotThere):
        return 404, {"message": error.cause or "Not Found"}
    if isinstance(error, MergeRefused):
        return 405, {"message": error.reason}
    if isinstance(error, Conflicted) and "already exists" not in error.cause:
        return 409, {"message": error.cause}
    assert isinstance(error, Refused)
    return 422, {"message": "Validation Failed", "errors": [{"message": error.cause}]}


# How things look


def when(moment: datetime | None) -> str | None:
    """A time as GitHub writes it."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def user(login: str | None) -> Any:
    """Somebody, or a ghost."""
    return None if login is None else {"login": login, "id": 1}


def show_issue(world: World, issue: ForgeIssue, repository: str | None = None) -> dict[str, Any]:
    """An issue as REST shows it."""
    home = repository or world.repository
    shown: dict[str, Any] = {
        "number": issue.number,
        "id": issue.id,
        "node_id": issue.node_id,
        "title": issue.title,
        "body": issue.body or None,
        "state": issue.state,
        "state_reason": issue.state_reason,
        "user": user(issue.author),
        "author_association": issue.association,
        "labels": [{"name": name, "color": "ffffff"} for name in issue.labels],
        "assignees": [user(login) for login in issue.assignees],
        "milestone": issue.milestone and {"title": issue.milestone, "number": 1},
        "created_at": when(issue.created_at),
        "updated_at": when(issue.updated_at),
        "closed_at": when(issue.closed_at),
        "closed_by": user(issue.closed_by),
        "html_url": issue.url,
        "comments": issue.comments,
        "repository_url": f"https://api.example/repos/{home}",
    }
    if world.field_values_supported:
        shown["issue_field_values"] = [
            {"issue_field_name": name, "data_type": "single_select", "single_select_option": {"name": value}}
            for name, value in issue.fields.items()
        ]
    if issue.blocked_by_total is not None:
        shown["issue_dependencies_summary"] = {"total_blocked_by": issue.blocked_by_total, "blocked_by": 0}
    if issue.sub_issues_total is not None:
        shown["sub_issues_summary"] = {"total": issue.sub_issues_total, "completed": 0}
    if issue.parent is not None:
        shown["parent_issue_url"] = f"https://api.example/repos/{home}/issues/{issue.parent}"
    return shown


def show_pull_as_issue(world: World, pull: PullRequest) -> dict[str, Any]:
    """A pull request where GitHub lists it among the issues."""
    issue = ForgeIssue(number=pull.number, title=pull.title, state=pull.state, updated_at=pull.updated_at)
    return show_issue(world, issue) | {"pull_request": {"url": pull.url}}


def show_reference(world: World, reference: Reference) -> dict[str, Any]:
    """An issue at the end of an edge."""
    return {
        "number": reference.number,
        "state": reference.state,
        "state_reason": reference.state_reason,
        "title": reference.title,
        "html_url": reference.url,
        "repository_url": f"https://api.example/repos/{reference.repository}",
    }


def show_comment(comment: Comment) -> dict[str, Any]:
    """A comment."""
    return {
        "id": comment.id,
        "body": comment.body,
        "user": user(comment.author),
        "author_association": comment.association,
        "created_at": when(comment.created_at),
        "updated_at": when(comment.updated_at),
        "html_url": comment.url,
        "issue_url": f"https://api.example/repos/a/b/issues/{comment.issue}",
    }


def show_pull(world: World, pull: PullRequest, *, whole: bool = True) -> dict[str, Any]:
    """A pull request; only one by itself says whether it can be merged."""
    shown: dict[str, Any] = {
        "number": pull.number,
        "id": pull.id,
        "node_id": pull.node_id,
        "title": pull.title,
        "body": pull.body,
        "state": pull.state,
        "draft": pull.draft,
        "user": user(pull.author),
        "head": {"ref": pull.head, "sha": pull.head_sha, "repo": {"full_name": pull.head_repository}},
        "base": {"ref": pull.base, "sha": pull.base_sha},
        "merge_commit_sha": pull.merge_commit or "f" * 40,
        "merged_at": when(pull.merged_at),
        "created_at": when(pull.created_at),
        "updated_at": when(pull.updated_at),
        "html_url": pull.url,
    }
    if whole:
        shown |= {
            "merged": pull.merged,
            "merged_by": user(pull.merged_by),
            "mergeable": pull.mergeable,
            "mergeable_state": pull.mergeable_state,
        }
    return shown


def show_review(review: Review) -> dict[str, Any]:
    """A review."""
    return {
        "id": review.id,
        "state": review.state,
        "body": review.body,
        "user": user(review.author),
        "author_association": review.association,
        "commit_id": review.commit,
        "submitted_at": when(review.submitted_at),
        "html_url": review.url,
    }


def show_remark(remark: ReviewComment) -> dict[str, Any]:
    """A comment on a line."""
    shown = {
        "id": remark.id,
        "body": remark.body,
        "path": remark.path,
        "line": remark.line,
        "diff_hunk": remark.hunk,
        "user": user(remark.author),
        "author_association": remark.association,
        "pull_request_review_id": remark.review,
        "commit_id": remark.commit,
        "created_at": when(remark.created_at),
        "updated_at": when(remark.updated_at),
        "html_url": remark.url,
    }
    return shown | ({"in_reply_to_id": remark.answers} if remark.answers else {})


def show_run(check: Check) -> dict[str, Any]:
    """A check run."""
    return {
        "id": check.id,
        "name": check.name,
        "status": "in_progress" if check.state is CheckState.PENDING else "completed",
        "conclusion": check.conclusion,
        "details_url": check.url,
        "output": {"title": check.summary or None, "text": check.excerpt or None, "annotations_count": 0},
        "app": {"slug": "github-actions" if "/actions/" in check.url else "ci"},
    }


# What is asked for


def _issues(stub: GitHubStub, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    world = stub.world
    since = params.get("since")
    wanted = Query(
        labels=tuple(filter(None, params.get("labels", "").split(","))),
        since=datetime.fromisoformat(since) if since else None,
        state=params.get("state", "open"),
    )
    found = FakeForge(world).wanted(wanted)
    if "milestone" in params:
        title = _milestones(world)[int(params["milestone"]) - 1]
        found = [issue for issue in found if issue.milestone == title]
    shown = [show_issue(world, issue) for issue in found]
    pulls = [world.pull(number) for number in world.pulls]
    return 200, shown + [show_pull_as_issue(world, pull) for pull in pulls if pull.state == "open"]


def _milestones(world: World) -> list[str]:
    return list(dict.fromkeys(i.milestone for i in world.issues.values() if i.milestone))


def _search(stub: GitHubStub, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    words = re.findall(r'(\w+):(?:"([^"]*)"|(\S+))|(\S+)', params["q"])
    told = [(key, quoted or bare) for key, quoted, bare, _ in words if key]
    wanted = Query(
        query=" ".join(word for *_, word in words if word),
        state=dict(told).get("state", "all"),
        labels=tuple(value for key, value in told if key == "label"),
        milestone=dict(told).get("milestone"),
    )
    found = FakeForge(stub.world).wanted(wanted)
    theirs = show_issue(stub.world, ForgeIssue(number=77, title="Theirs"), "acme/other")
    items = [theirs, *(show_issue(stub.world, issue) for issue in found)]
    return 200, {"_paged": "items", "items": items}


def _issue(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    if int(number) in stub.world.pulls:
        return 200, show_pull_as_issue(stub.world, stub.world.pull(int(number)))
    return 200, show_issue(stub.world, stub.world.thing(int(number)))


def _foreign(
    stub: GitHubStub, repository: str, number: str, params: Mapping[str, str], body: Body
) -> tuple[int, Any]:
    found = stub.world.foreign.get((repository, int(number)))
    if found is None:
        raise NotThere("Not Found")
    return 200, show_issue(stub.world, found, repository)


def _change_issue(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    if body.get("state") == "closed":
        stub.world.close(int(number), reason=body["state_reason"])
    if body.get("state") == "open":
        stub.world.reopen(int(number))
    return _issue(stub, number, params, body)


def _comments(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    if int(number) not in stub.world.pulls:
        stub.world.thing(int(number))
    found = [comment for comment in _since(stub, params) if comment.issue == int(number)]
    return 200, [show_comment(comment) for comment in found]


def _all_comments(stub: GitHubStub, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    assert params["sort"] == "updated" and params["direction"] == "asc"
    return 200, [show_comment(c) for c in sorted(_since(stub, params), key=lambda c: str(c.updated_at))]


def _since(stub: GitHubStub, params: Mapping[str, str]) -> list[Comment]:
    since = datetime.fromisoformat(params["since"]) if "since" in params else None
    return [
        c for c in stub.world.comments.values() if since is None or (c.updated_at and c.updated_at >= since)
    ]


def _comment(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    return 201, show_comment(stub.world.say(int(number), body["body"]))


def _reword(stub: GitHubStub, comment: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    return 200, show_comment(stub.world.reword(int(comment), body["body"]))


def _label(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    stub.world.label(int(number), body["labels"])
    return 200, [{"name": name} for name in stub.world.thing(int(number)).labels]


def _unlabel(
    stub: GitHubStub, number: str, name: str, params: Mapping[str, str], body: Body
) -> tuple[int, Any]:
    stub.world.unlabel(int(number), name)
    return 200, []


def _events(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    events = [
        {"event": "labeled", "label": {"name": one.label}, "actor": user(one.by), "created_at": when(one.at)}
        for one in stub.world.labelled.get(int(number), ())
    ]
    return 200, [{"event": "subscribed"}, *events]


def _edge_list(kind: str) -> Callable[..., tuple[int, Any]]:
    def answer(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
        world = stub.world
        world.thing(int(number))
        blocked = kind == "blocked_by"
        if not (world.dependencies_supported if blocked else world.sub_issues_supported):
            raise NotThere("Not Found")
        edges = world.blocked_by if blocked else world.children
        return 200, [show_reference(world, world.reference(on)) for on in edges.get(int(number), ())]

    return answer


def _parent(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    parent = stub.world.thing(int(number)).parent
    if parent is None:
        raise NotThere("Not Found")
    return 200, show_reference(stub.world, stub.world.reference(parent))


def _permission(stub: GitHubStub, login: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    may = stub.world.people.get(login)
    if may is None:
        raise NotThere(f"{login} is not a user")
    coarse = {Permission.MAINTAIN: "write", Permission.TRIAGE: "read"}.get(may, str(may))
    return 200, {"permission": coarse, "role_name": str(may)}


def _pulls(stub: GitHubStub, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    owner = stub.world.repository.partition("/")[0]
    found = (stub.world.pull(number) for number in sorted(stub.world.pulls))
    return 200, [
        show_pull(stub.world, pull, whole=False)
        for pull in found
        if params.get("head") in (None, f"{owner}:{pull.head}") and params["state"] in ("all", pull.state)
    ]


def _open(stub: GitHubStub, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    return 201, show_pull(stub.world, stub.world.open(**body))


def _pull(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    return 200, show_pull(stub.world, stub.world.pull(int(number)))


def _rewrite(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    stub.world.rewrite(int(number), **body)
    return _pull(stub, number, params, body)


def _merge(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    commit = stub.world.merge(
        int(number),
        sha=body["sha"],
        method=body["merge_method"],
        title=body.get("commit_title", ""),
        body=body.get("commit_message", ""),
    )
    return 200, {"sha": commit, "merged": True}


def _reviews(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    stub.world.pull(int(number))
    return 200, [show_review(review) for review in stub.world.pulls[int(number)].reviews]


def _remarks(stub: GitHubStub, number: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    stub.world.pull(int(number))
    return 200, [show_remark(remark) for remark in stub.world.pulls[int(number)].remarks]


def _reply(
    stub: GitHubStub, number: str, remark: str, params: Mapping[str, str], body: Body
) -> tuple[int, Any]:
    return 201, show_remark(stub.world.remark(int(number), body["body"], answers=int(remark)))


def _runs(stub: GitHubStub, sha: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    runs = [show_run(check) for check in stub.world.checks.get(sha, ())]
    return 200, {"_paged": "check_runs", "total_count": len(runs), "check_runs": runs}


def _status(stub: GitHubStub, sha: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    return 200, {"state": "pending", "statuses": stub.world.statuses.get(sha, [])}


def _log(stub: GitHubStub, job: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    if int(job) not in stub.logs:
        raise NotThere("Not Found")
    return 200, stub.logs[int(job)].encode()


def _branch(stub: GitHubStub, name: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    head = stub.world.head(name)
    if head is None:
        raise NotThere("Branch not found")
    demands = stub.world.protected.get(name)
    shown: dict[str, Any] = {"name": name, "commit": {"sha": head}, "protected": demands is not None}
    if demands is not None and not stub.rulesets:
        shown["protection"] = {"required_status_checks": {"contexts": list(demands.checks)}}
    return 200, shown


def _rules(stub: GitHubStub, name: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    if not stub.rulesets:
        raise NotThere("Not Found")
    demands = stub.world.protected.get(name, Required())
    rules: list[dict[str, Any]] = [{"type": "deletion"}]
    if demands.checks or demands.strict:
        checks = [{"context": name, "integration_id": 1} for name in demands.checks]
        parameters = {
            "required_status_checks": checks,
            "strict_required_status_checks_policy": demands.strict,
        }
        rules.append({"type": "required_status_checks", "parameters": parameters})
    if demands.approvals:
        pull = {"required_approving_review_count": demands.approvals}
        rules.append({"type": "pull_request", "parameters": pull})
    if demands.methods:
        rules.append({"type": "pull_request", "parameters": {"allowed_merge_methods": list(demands.methods)}})
    if demands.merge_queue:
        rules.append({"type": "merge_queue", "parameters": {"merge_method": "MERGE"}})
    return 200, rules


def _protection(stub: GitHubStub, name: str, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    if not stub.protection_readable:
        return 403, {"message": "Resource not accessible by integration"}
    demands = stub.world.protected.get(name)
    if demands is None or stub.rulesets:
        raise NotThere("Not Found", cause="Branch not protected")
    return 200, {
        "required_status_checks": {"contexts": list(demands.checks), "strict": demands.strict},
        "required_pull_request_reviews": {"required_approving_review_count": demands.approvals},
    }


def _compare(
    stub: GitHubStub, base: str, head: str, params: Mapping[str, str], body: Body
) -> tuple[int, Any]:
    tip = stub.world.head(base)
    if tip is None:
        raise NotThere("Not Found")
    return 200, {"status": "behind" if stub.world.contains(tip, head) else "diverged"}


def _about(stub: GitHubStub, params: Mapping[str, str], body: Body) -> tuple[int, Any]:
    world = stub.world
    assert world.git is not None
    return 200, {
        "full_name": world.repository,
        "default_branch": world.default_branch,
        "permissions": {"push": world.people[world.login].may_write, "pull": True},
        "clone_url": world.git.as_uri(),
        **{
            f"allow_{name}": method in world.methods
            for method, name in (
                ("merge", "merge_commit"),
                ("squash", "squash_merge"),
                ("rebase", "rebase_merge"),
            )
        },
    }


ROUTES: list[tuple[str, str, Callable[..., tuple[int, Any]]]] = [
    ("GET", "/user", lambda stub, params, body: (200, user(stub.world.login))),
    (
        "GET",
        "/rate_limit",
        lambda stub, params, body: (200, {"resources": {"core": {"limit": 5000, "remaining": 4000}}}),
    ),
    ("GET", "", _about),
    ("GET", "/issues", _issues),
    ("GET", "/search/issues", _search),
    (
        "GET",
        "/milestones",
        lambda stub, params, body: (
            200,
            [{"number": n, "title": title} for n, title in enumerate(_milestones(stub.world), 1)],
        ),
    ),
    ("GET", r"/issues/comments", _all_comments),
    ("GET", r"/issues/(\d+)", _issue),
    ("GET", r"/repos/([^/]+/[^/]+)/issues/(\d+)", _foreign),
    ("PATCH", r"/issues/(\d+)", _change_issue),
    ("GET", r"/issues/(\d+)/comments", _comments),
    ("POST", r"/issues/(\d+)/comments", _comment),
    ("PATCH", r"/issues/comments/(\d+)", _reword),
    ("POST", r"/issues/(\d+)/labels", _label),
    ("DELETE", r"/issues/(\d+)/labels/([^/]+)", _unlabel),
    ("GET", r"/issues/(\d+)/events", _events),
    ("GET", r"/issues/(\d+)/dependencies/blocked_by", _edge_list("blocked_by")),
    ("GET", r"/issues/(\d+)/sub_issues", _edge_list("sub_issues")),
    ("GET", r"/issues/(\d+)/parent", _parent),
    ("GET", r"/collaborators/([^/]+)/permission", _permission),
    ("GET", "/pulls", _pulls),
    ("POST", "/pulls", _open),
    ("GET", r"/pulls/(\d+)", _pull),
    ("PATCH", r"/pulls/(\d+)", _rewrite),
    ("PUT", r"/pulls/(\d+)/merge", _merge),
    ("GET", r"/pulls/(\d+)/reviews", _reviews),
    ("GET", r"/pulls/(\d+)/comments", _remarks),
    ("POST", r"/pulls/(\d+)/comments/(\d+)/replies", _reply),
    ("GET", r"/commits/(\w+)/check-runs", _runs),
    ("GET", r"/commits/(\w+)/status", _status),
    ("GET", r"/actions/jobs/(\d+)/logs", _log),
    ("GET", r"/branches/([^/]+)", _branch),
    ("GET", r"/rules/branches/([^/]+)", _rules),
    ("GET", r"/branches/([^/]+)/protection", _protection),
    ("GET", r"/compare/([^/]+)\.\.\.([^/]+)", _compare),
]


class GraphQL:
    """The few queries that we send, recognised by the fields that they name."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.errors: list[dict[str, Any]] = []

    def answer(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The whole answer."""
        for name, there in (
            ("blockedBy", self.world.dependencies_supported),
            ("subIssues", self.world.sub_issues_supported),
            ("issueFieldValues", self.world.field_values_supported),
        ):
            if name in query and not there:
                message = f"Field '{name}' doesn't exist on type 'Issue'"
                return {"errors": [{"message": message, "extensions": {"code": "undefinedField"}}]}
        try:
            data = self._data(query, variables)
        except ForgeError as error:
            kind = "NOT_FOUND" if isinstance(error, NotThere) else "UNPROCESSABLE"
            message = getattr(error, "reason", "") or error.cause or error.what
            return {"data": None, "errors": [{"type": kind, "message": message}]}
        return {"data": data} | ({"errors": self.errors} if self.errors else {})

    def _data(self, query: str, variables: Mapping[str, Any]) -> Any:
        world = self.world
        if "enqueuePullRequest(" in query:
            number = int(variables["pull"].removeprefix("PR_"))
            world.enqueue(number, variables["sha"])
            return {"enqueuePullRequest": {"mergeQueueEntry": {"state": "QUEUED"}}}
        if "mergeQueueEntry" in query:
            entry = world.queued(variables["number"])
            shown = entry and {"state": entry.state, "position": entry.position}
            return {"repository": {"pullRequest": {"mergeQueueEntry": shown}}}
        if "mergeQueue(" in query:
            queue = world.protected.get(variables["branch"], Required()).merge_queue
            return {"repository": {"mergeQueue": {"id": "MQ_1"} if queue else None}}
        if "projectV2(" in query:
            return self._board(variables)
        entries = re.findall(r"(i\d+): (issue|issueOrPullRequest)\(number: (\d+)\)", query)
        return {"repository": {alias: self._entry(kind, int(number)) for alias, kind, number in entries}}

    def _board(self, variables: Mapping[str, Any]) -> Any:
        if variables["number"] not in self.world.projects:
            raise NotThere("Could not resolve to a ProjectV2")
        numbers = self.world.projects[variables["number"]]
        start = int(variables.get("after") or 0)
        home = {"nameWithOwner": self.world.repository}
        nodes = [
            {
                "content": {"number": number, "repository": home},
                "fieldValues": self._fields(self.world.board_fields.get(number, {})),
            }
            for number in numbers[start : start + 1]
        ]
        page = {"hasNextPage": start + 1 < len(numbers), "endCursor": str(start + 1)}
        return {"repositoryOwner": {"projectV2": {"items": {"nodes": nodes, "pageInfo": page}}}}

    def _entry(self, kind: str, number: int) -> Any:
        world = self.world
        if number in world.pulls and kind != "issue":
            pull = world.pull(number)
            return {
                "__typename": "PullRequest",
                "number": number,
                "title": pull.title,
                "state": pull.state.upper(),
            }
        if number not in world.issues:
            self.errors.append({"type": "NOT_FOUND", "message": "Could not resolve to an Issue"})
            return None
        issue = world.thing(number)
        edges = [world.reference(on) for on in world.blocked_by.get(number, ())]
        children = [world.reference(on) for on in world.children.get(number, ())]
        return {
            "__typename": "Issue",
            **self._node(world.reference(number)),
            "databaseId": issue.id,
            "id": issue.node_id,
            "body": issue.body,
            "createdAt": when(issue.created_at),
            "lastEditedAt": when(world.edited[number]) if number in world.edited else None,
            "timelineItems": {"nodes": []},
            "updatedAt": when(issue.updated_at),
            "authorAssociation": issue.association,
            "author": user(issue.author),
            "milestone": issue.milestone and {"title": issue.milestone},
            "comments": {"totalCount": issue.comments},
            "labels": {"nodes": [{"name": name} for name in issue.labels]},
            "assignees": {"nodes": [user(login) for login in issue.assignees]},
            "issueFieldValues": self._fields(issue.fields) if world.field_values_supported else None,
            "blockedBy": {"totalCount": len(edges), "nodes": [self._node(edge) for edge in edges[:50]]},
            "subIssues": {"totalCount": len(children), "nodes": [self._node(edge) for edge in children[:50]]},
            "parent": issue.parent and self._node(world.reference(issue.parent)),
        }

    def _fields(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Numbers are told as numbers; of other kinds of fields there is nothing to be seen."""
        shown = [
            {"number" if value.isdecimal() else "name": int(value) if value.isdecimal() else value}
            | {"field": {"name": name}}
            for name, value in fields.items()
        ]
        return {"nodes": [{}, *shown]}

    def _node(self, reference: Reference) -> dict[str, Any]:
        return {
            "number": reference.number,
            "state": reference.state.upper(),
            "stateReason": reference.state_reason and reference.state_reason.upper(),
            "title": reference.title,
            "url": reference.url,
            "repository": {"nameWithOwner": reference.repository},
        }
