"""A forge for one test: what people do on it, what the server saw, and what is there in the end."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import uvicorn

from tests.forge.accounts import HUNG, Fault, Faults, Ledger, Limits
from tests.forge.bare import Bare
from tests.forge.emulate import BOT, OWNER, PEOPLE, token_of
from tests.forge.graph import Graph
from tests.forge.issues import Issues
from tests.forge.judge import Judge
from tests.forge.mirror import Mirror
from tests.forge.overlay import Overlay
from tests.forge.pulls import Pulls
from tests.forge.site import Json, Protection, Site, Verdict
from tests.support.waiting import eventually_now

T = TypeVar("T")

MAINTAINER, REVIEWER, STRANGER = "mona", "reviewer", "stranger"
NAMES = itertools.count(1)
"""Every world has a repository of its own on the one stateful server of the session."""

EVERYBODY = {BOT: "write", MAINTAINER: "maintain", REVIEWER: "write", "ci": "write", "hubot": "triage"}


class ForgeWorld:
    """`with ForgeWorld(emulate.url, directory) as world: … world.url, world.repository, world.clone_url`.

    The server runs in a thread of this process; `world.token` is MAWEP's. What a person does is not counted as
    MAWEP's: `world.requests()` are those of MAWEP alone.
    """

    def __init__(self, upstream: str, directory: Path, *, roles: Mapping[str, str] = EVERYBODY) -> None:
        self._overlay = Overlay(upstream)
        self._issues = Issues(self._overlay)
        self._pulls = Pulls(self._overlay, self._issues)
        self.graph = Graph(self._overlay, self._issues, self._pulls)
        self._directory = directory
        self._roles = roles
        self._clients: dict[str, httpx.Client] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._counted = 0
        self.repository = ""
        self.token = token_of(BOT)
        self.login = BOT
        self.site: Site

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = self._overlay.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._overlay.app,
            http="h11",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        eventually_now("the overlay answers", lambda: self._server.started)
        try:
            self.site = self.make_repository(f"payments-{next(NAMES)}")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.repository = self.site.name
        return self

    def _run(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve([self._socket])

        asyncio.run(serve())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.close()
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._overlay.hang_up)
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def there(self, job: Awaitable[T], patience: float = 60) -> T:
        """Do something in the server's own thread."""

        async def do() -> T:
            return await job

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(patience)

    # Repositories and git

    def make_repository(self, name: str) -> Site:
        """One more repository of the owner, empty, with everybody in their role."""
        full = f"{OWNER}/{name}"
        made = self.there(self._overlay.client.post("/user/repos", json={"name": name}))
        assert made.status_code == 201, made.text
        for login, role in self._roles.items():
            permission = {"write": "push", "read": "pull"}.get(role, role)
            path = f"/repos/{full}/collaborators/{login}"
            self.there(self._overlay.client.put(path, json={"permission": permission})).raise_for_status()
        bare = Bare.make(self._directory / f"{name}.git")
        mirror = Mirror(bare, self._overlay.client, full)
        site = Site(full, bare, mirror, OWNER, dict(self._roles))
        self._overlay.sites[full] = site
        return site

    @property
    def bare(self) -> Bare:
        """The repository on the server."""
        return self.site.bare

    @property
    def clone_url(self) -> str:
        """Where git pushes to, without credentials."""
        return f"{self.url}/{self.repository}.git"

    @property
    def git_url(self) -> str:
        """The same with the credentials of the maintainer, for a test's own pushes."""
        return self.clone_url.replace("://", f"://{MAINTAINER}:{token_of(MAINTAINER)}@")

    def push(self, source: Path, refspec: str = "HEAD:refs/heads/main") -> None:
        """A person pushes out of a repository."""
        local = Bare(source)
        local.git("push", "--quiet", self.git_url, refspec)

    def head(self, branch: str = "main") -> str | None:
        """Where a branch is."""
        return self.bare.head(branch)

    # What people do

    def api(self, method: str, path: str, body: Any = None, *, by: str = OWNER, **query: Any) -> Any:
        """A request of a person, relative to the repository unless it begins with `/`."""
        reply = self.raw(method, path, body, by=by, **query)
        assert reply.status_code < 300, f"{method} {path}: {reply.status_code} {reply.text[:500]}"
        return reply.json() if reply.content else None

    def raw(
        self, method: str, path: str, body: Any = None, *, by: str = OWNER, **query: Any
    ) -> httpx.Response:
        """The same, whatever the answer."""
        if by not in self._clients:
            headers = {"Authorization": f"Bearer {token_of(by)}", "Accept": "application/vnd.github+json"}
            self._clients[by] = httpx.Client(base_url=self.url, headers=headers, timeout=60)
        where = path if path.startswith("/") else f"/repos/{self.repository}/{path}".rstrip("/")
        return self._clients[by].request(method, where, json=body, params=query)

    def issue(
        self,
        title: str,
        body: str = "",
        *,
        labels: Sequence[str] = (),
        milestone: int | None = None,
        assignees: Sequence[str] = (),
        by: str = OWNER,
    ) -> int:
        """Somebody opens an issue; its number."""
        given: Json = {"title": title, "body": body, "labels": list(labels), "assignees": list(assignees)}
        if milestone:
            given["milestone"] = milestone
        return int(self.api("POST", "issues", given, by=by)["number"])

    def many_issues(self, edges: Sequence[Sequence[int]], *, labels: Sequence[str] = ()) -> None:
        """The first issues of a large repository: for each the numbers that it is blocked by."""

        async def make() -> None:
            # One after another: the number of an issue is its place in `edges`.
            for number, on in enumerate(edges, 1):
                given = {"title": f"Piece {number}", "body": f"Do piece {number}.", "labels": list(labels)}
                path = f"/repos/{self.repository}/issues"
                (await self._overlay.client.post(path, json=given)).raise_for_status()
                self.site.blocked_by[number] = list(on)

        self.there(make(), patience=600)
        self.site.changed()

    def edit(self, number: int, *, by: str = MAINTAINER, **what: Any) -> None:
        """Somebody changes title, body, labels or state of an issue."""
        self.api("PATCH", f"issues/{number}", what, by=by)

    def close(self, number: int, *, by: str = MAINTAINER) -> None:
        """Somebody closes an issue."""
        self.edit(number, state="closed", by=by)

    def milestone(self, title: str) -> int:
        """A new milestone; its number."""
        return int(self.api("POST", "milestones", {"title": title})["number"])

    def comment(self, number: int, body: str, *, by: str = MAINTAINER) -> int:
        """Somebody comments on an issue or pull request; the id of the comment."""
        return int(self.api("POST", f"issues/{number}/comments", {"body": body}, by=by)["id"])

    def blocked_by(self, number: int, *others: int) -> None:
        """Somebody adds dependencies, the way GitHub has them."""
        for other in others:
            body = {"issue_id": self.show(other)["id"]}
            self.api("POST", f"issues/{number}/dependencies/blocked_by", body, by=MAINTAINER)

    def unblock(self, number: int, other: int) -> None:
        """Somebody removes a dependency."""
        path = f"issues/{number}/dependencies/blocked_by/{self.show(other)['id']}"
        self.api("DELETE", path, by=MAINTAINER)

    def sub_issue(self, parent: int, *children: int) -> None:
        """Somebody puts issues under another one."""
        for child in children:
            body = {"sub_issue_id": self.show(child)["id"]}
            self.api("POST", f"issues/{parent}/sub_issues", body, by=MAINTAINER)

    def checks(self, sha: str, *verdicts: Verdict) -> None:
        """Continuous integration says something about a commit."""
        for verdict in verdicts:
            self.there(self._pulls.check(self.site, sha, verdict))

    def status(self, sha: str, state: str, context: str = "default", description: str = "") -> None:
        """Somebody sets a commit status: success, failure, error or pending."""
        self.api(
            "POST",
            f"statuses/{sha}",
            {"state": state, "context": context, "description": description},
            by="ci",
        )

    def on_push(self, says: Callable[[str, str], Sequence[Verdict]] | None) -> None:
        """What continuous integration says at once about each commit that is pushed: `(branch, sha)`."""
        self.site.on_push = says

    def review(self, number: int, event: str, body: str = "", *, by: str = REVIEWER) -> int:
        """Somebody reviews: APPROVE, REQUEST_CHANGES or COMMENT; the id of the review."""
        given = {"event": event, "body": body, "commit_id": self.pull(number)["head"]["sha"]}
        return int(self.api("POST", f"pulls/{number}/reviews", given, by=by)["id"])

    def review_comment(self, number: int, path: str, line: int, body: str, *, by: str = REVIEWER) -> int:
        """Somebody comments on a line; the id of the comment."""
        sha = self.pull(number)["head"]["sha"]
        given = {"path": path, "line": line, "side": "RIGHT", "body": body, "commit_id": sha}
        return int(self.api("POST", f"pulls/{number}/comments", given, by=by)["id"])

    def merge(self, number: int, *, by: str = MAINTAINER, method: str = "merge") -> str:
        """Somebody presses the button; the commit that `main` got."""
        merged = self.api("PUT", f"pulls/{number}/merge", {"merge_method": method}, by=by)
        return str(merged["sha"])

    def close_pull(self, number: int, *, by: str = MAINTAINER) -> None:
        """Somebody closes a pull request without merging it."""
        self.api("PATCH", f"pulls/{number}", {"state": "closed"}, by=by)

    # How the server behaves

    def protect(self, branch: str = "main", **what: Any) -> None:
        """Demand `checks=(…)`, `approvals=n`, `strict=True` or `queue=True` of what goes into a branch."""
        self.site.protections[branch] = Protection(**what)

    def run_queue(self) -> None:
        """Let the merge queue merge what is in it; it does so by itself unless `site.queue_runs` is False."""
        self.there(self._pulls.run_queue(self.site))

    @property
    def limits(self) -> Limits:
        """The limits of MAWEP's token."""
        return self._overlay.limits.setdefault(BOT, Limits())

    @property
    def faults(self) -> Faults:
        """What is going to go wrong."""
        return self._overlay.faults

    def fault(self, kind: str, method: str, path: str, times: int = 1) -> Fault:
        """Let the next requests that match `path` (an expression) go wrong: LOST, HUNG, REFUSED or LATE."""
        return self.faults.add(Fault(kind, method, path, times))

    def settle(self) -> None:
        """Carry out what is late."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._overlay.settle)

    def hung(self) -> bool:
        """True when a request was carried out and is left without its answer."""
        return any(entry.fault == HUNG and entry.status for entry in list(self.ledger.entries))

    def checked_by(self, url: str | None, judge: Judge | None = None) -> None:
        """Have MAWEP's requests judged, and sent through a checker; what is wrong is in `ledger.violations`."""
        self._overlay.checker, self._overlay.judge = url, judge

    # What is there, and what the server saw

    @property
    def ledger(self) -> Ledger:
        """Every request."""
        return self._overlay.ledger

    @property
    def problems(self) -> list[str]:
        """What went wrong in the server itself; a test that is not about it wants this empty."""
        return self._overlay.problems

    def requests(self, method: str | None = None, path: str = "") -> list[Any]:
        """MAWEP's requests to the API, of a method, whose path matches."""
        return [entry for entry in self.ledger.of(BOT, method, path) if entry.resource != "git"]

    def spent(self) -> int:
        """MAWEP's requests that counted against its hourly limits."""
        return self.ledger.spent(BOT)

    def show(self, number: int) -> Json:
        """An issue or pull request, as an issue."""
        found: Json = self.api("GET", f"issues/{number}")
        return found

    def comments(self, number: int, *, by: str | None = None) -> list[Json]:
        """The comments on an issue or pull request, of a person where given."""
        found = self._pages(f"issues/{number}/comments")
        return [comment for comment in found if by in {None, comment["user"]["login"]}]

    def labels(self, number: int) -> list[str]:
        """The labels of an issue."""
        return sorted(label["name"] for label in self.show(number)["labels"])

    def pulls(self, state: str = "all") -> list[Json]:
        """Pull requests, oldest first."""
        return sorted(self._pages("pulls", state=state), key=lambda pull: int(pull["number"]))

    def pull(self, number: int) -> Json:
        """One pull request, whole."""
        found: Json = self.api("GET", f"pulls/{number}")
        return found

    def reviews(self, number: int) -> list[Json]:
        """The reviews of a pull request."""
        return self._pages(f"pulls/{number}/reviews")

    def review_comments(self, number: int) -> list[Json]:
        """The comments on lines of a pull request."""
        return self._pages(f"pulls/{number}/comments")

    def timeline(self, number: int) -> list[Json]:
        """What happened to an issue."""
        return self._pages(f"issues/{number}/events")

    def _pages(self, path: str, **query: Any) -> list[Json]:
        found: list[Json] = []
        while True:
            page = len(found) // 100 + 1
            more = self.api("GET", path, per_page=100, page=page, **query)
            found += more
            if len(more) < 100:
                return found


__all__ = ["BOT", "MAINTAINER", "OWNER", "PEOPLE", "REVIEWER", "STRANGER", "ForgeWorld", "Verdict"]
