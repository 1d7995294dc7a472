"""The front: counts and limits every request, answers what the stateful server lacks, and hands it the rest."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import anyio.to_thread
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.forge.accounts import HUNG, LATE, LIMITS, LOST, REFUSED, Entry, Faults, Ledger, Limits
from tests.forge.emulate import PEOPLE, token_of
from tests.forge.judge import Judge
from tests.forge.queries import BadQuery
from tests.forge.site import Json, Site

PASSED_ON = ("link", "location", "content-type")
SHOWN_OF_A_PERSON = frozenset(
    {"login", "id", "node_id", "avatar_url", "gravatar_id", "url", "html_url", "type", "site_admin"}
    | {f"{what}_url" for what in ("followers", "following", "gists", "starred", "subscriptions")}
    | {f"{what}_url" for what in ("organizations", "repos", "events", "received_events")}
)
SAFE = "/:@,;=+$&!*'()~"
CHECKED = "x-checked"
RELAY = "/_relay"
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "date"}
)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
GIT = re.compile(r"/(?P<repo>[^/]+/[^/]+)\.git(?P<rest>/.*)")
REPOSITORY = re.compile(r"/repos/(?P<repo>[^/]+/[^/]+)(?:/|$)")


@dataclass
class Asked:
    """One request: `site` is the repository that it is about, `login` who sent it."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    login: str
    token: str
    site: Site | None = None
    groups: Mapping[str, str] = field(default_factory=dict)

    def number(self, name: str = "number") -> int:
        """A number out of the path."""
        return int(self.groups[name])


@dataclass
class Reply:
    """One answer: a JSON document, or nothing."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Problem(Exception):
    """An answer that is an error, as GitHub words it."""

    def __init__(self, status: int, message: str) -> None:
        self.reply = Reply(status, {"message": message, "documentation_url": "", "status": str(status)})
        super().__init__(message)


def not_found() -> Problem:
    """There is no such thing, or the feature does not exist."""
    return Problem(404, "Not Found")


Handler = Callable[[Asked], Awaitable[Reply]]
Decorator = Callable[[Site, Json], Awaitable[None]]


class Overlay:
    """The application. Its parts register what they answer with `answers` and what they add with `decorates`."""

    def __init__(self, upstream: str) -> None:
        self.upstream_url = upstream
        self.url = ""
        self.ledger = Ledger()
        self.limits: dict[str, Limits] = {}
        self.faults = Faults()
        self.sites: dict[str, Site] = {}
        self.tokens = {token_of(login): login for login in PEOPLE}
        self.problems: list[str] = []
        self.checker: str | None = None
        self.judge: Judge | None = None
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self._decorators: list[Decorator] = []
        self._late: set[asyncio.Task[Reply]] = set()
        self._people: dict[str, Json] = {}
        self._stopping = asyncio.Event()
        self._settled = asyncio.Event()
        self.client: httpx.AsyncClient
        self.pushing = asyncio.Lock()
        self.pushed: Callable[[Site, Mapping[str, str]], Awaitable[None]]
        self.answers("GET", "/rate_limit", self._rate_limit)
        self.answers("POST", "{r}/hooks", self._hook)
        self.app = Starlette(
            routes=[Route("/{path:path}", self._serve, methods=METHODS)], lifespan=self._lifespan
        )

    def answers(self, method: str, path: str, handler: Handler) -> None:
        """Answer a request here. `{name}` in `path` is one segment, `{name*}` several; `{r}` is owner and name."""
        pattern = path.replace("{r}", "/repos/(?P<repo>[^/]+/[^/]+)")
        pattern = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", pattern)
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        self._routes.append((method, re.compile(pattern), handler))

    def decorates(self, decorator: Decorator) -> None:
        """Add to every object of an answer."""
        self._decorators.append(decorator)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        headers = {"Authorization": f"Bearer {token_of(PEOPLE[0])}"}
        # A server of Node lets go of a connection that was idle for some seconds, just when it may be used again.
        once = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(
            base_url=self.upstream_url, headers=headers, timeout=60, limits=once
        ) as self.client:
            yield
            self._stopping.set()
            for task in self._late:
                task.cancel()
            await asyncio.gather(*self._late, return_exceptions=True)

    def hang_up(self) -> None:
        """Let go of whoever was left without an answer; for the thread that the server runs in."""
        self._stopping.set()

    def settle(self) -> None:
        """Carry out what is late; for the thread that the server runs in."""
        self._settled.set()
        self._settled.clear()

    async def _serve(self, request: Request) -> Response:
        path = "/" + request.path_params["path"].removeprefix("api/v3/")
        path = "/graphql" if path == "/api/graphql" else path
        raw = await request.body()
        if git := GIT.fullmatch(path):
            return await self._git(request, git["repo"], git["rest"], raw)
        if path == RELAY:
            return await self._relayed(request, raw)
        login, token = self._who(request)
        if self.checker and login == PEOPLE[1] and path != "/graphql" and CHECKED not in request.headers:
            return await self._through_checker(request, path, raw)
        resource = {"/graphql": "graphql", "/search/issues": "search"}.get(path, "core")
        body = json.loads(raw) if raw else None
        entry = Entry(time.time(), login, request.method, path, request.url.query, resource, body)
        self.ledger.entries.append(entry)
        limits = self.limits.setdefault(login, Limits())
        asked = Asked(request.method, path, dict(request.query_params), body, login, token)
        if self.judge and login == PEOPLE[1] and path != "/graphql":
            self.ledger.violations += self.judge.of_request(request.method, path, asked.query, body)
        reply = await self._answer(asked, entry, limits)
        response = self._response(request, reply, entry, limits)
        entry.status = response.status_code
        if entry.fault == HUNG:
            await self._stopping.wait()
        return response

    async def _hook(self, asked: Asked) -> Reply:
        """Deliveries go through us: the stateful server does not name them as GitHub does."""
        config = {
            **asked.body["config"],
            "url": f"{self.url}{RELAY}?to={quote(asked.body['config']['url'], safe='')}",
        }
        return await self.forward(replace(asked, body={**asked.body, "config": config}))

    async def _relayed(self, request: Request, raw: bytes) -> Response:
        kept = {
            name: value for name, value in request.headers.items() if name.startswith(("x-", "content-type"))
        }
        named = {**kept, "x-github-delivery": str(uuid.uuid4())}
        sent = await self.client.post(request.query_params["to"], content=raw, headers=named)
        return Response(sent.content, sent.status_code)

    async def _through_checker(self, request: Request, path: str, raw: bytes) -> Response:
        """Send it to Prism, which sends it to us again and says what is wrong with it."""
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        url = f"{self.checker}{quote(path, safe=SAFE)}" + (
            f"?{request.url.query}" if request.url.query else ""
        )
        sent = await self.client.request(
            request.method, url, content=raw, headers={**headers, CHECKED: "once", "host": request.url.netloc}
        )
        found = sent.headers.get("sl-violations", "")
        if found.startswith("["):  # when there are too many, in an answer, it says only so
            wrong = [one for one in json.loads(found) if "request" in one["location"]]
            self.ledger.violations += [
                f"{request.method} {path}: {one['location']} {one['message']}" for one in wrong
            ]
        if sent.headers.get("content-type", "").startswith("application/problem"):
            self.ledger.violations.append(f"{request.method} {path}: {sent.status_code} {sent.text[:300]}")
        kept = {
            name: value for name, value in sent.headers.items() if name not in {*HOP_BY_HOP, "sl-violations"}
        }
        return Response(sent.content, sent.status_code, kept)

    def _who(self, request: Request) -> tuple[str, str]:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            token = base64.b64decode(token).decode().partition(":")[2]
        return self.tokens.get(token, ""), token

    async def _answer(self, asked: Asked, entry: Entry, limits: Limits) -> Reply:
        app = asked.path.startswith("/app")
        if not asked.login and not app and asked.path != "/rate_limit":
            said = "Bad credentials" if asked.token else "Requires authentication"
            return Problem(401, said).reply
        if asked.path != "/rate_limit" and (refusal := limits.refusal(entry.resource)):
            status, headers, message = refusal
            return Reply(status, {"message": message, "documentation_url": ""}, headers)
        entry.points = (5 if entry.writes else 1) if asked.path != "/rate_limit" else 0
        entry.cost = min(1, entry.points)
        entry.fault = self.faults.due(asked.method, asked.path)
        if entry.fault == REFUSED:
            return Reply(502, {"message": "Server Error"})
        if entry.fault == LATE:
            self._later(asked)
            return Reply(502, {"message": "Server Error"})
        reply = await self.do(asked)
        entry.answer = reply.body if asked.method != "GET" else None
        return Reply(502, {"message": "Server Error"}) if entry.fault == LOST else reply

    def _later(self, asked: Asked) -> None:
        async def act() -> Reply:
            await self._settled.wait()
            return await self.do(asked)

        task = asyncio.create_task(act())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def do(self, asked: Asked) -> Reply:
        """Answer a request, whoever counts it."""
        try:
            if found := REPOSITORY.match(asked.path):
                asked.site = self.sites.get(found["repo"])
            reply = await (self._own(asked) or self.forward(asked))
        except Problem as problem:
            reply = problem.reply
        except BadQuery as error:
            reply = Reply(200, {"errors": [{"message": str(error), "extensions": {"code": error.code}}]})
        except Exception as error:
            self.problems.append(f"{asked.method} {asked.path}: {error!r}")
            raise
        if asked.method != "GET" and asked.site:
            asked.site.changed()
        return reply

    async def _rate_limit(self, asked: Asked) -> Reply:
        limits = self.limits.setdefault(asked.login, Limits())
        shown = {
            name: {
                "limit": limit,
                "remaining": limits.left[name],
                "used": limit - limits.left[name],
                "reset": int(limits.resets_at) + 1,
                "resource": name,
            }
            for name, limit in LIMITS.items()
        }
        return Reply(200, {"resources": shown, "rate": shown["core"]})

    def _own(self, asked: Asked) -> Awaitable[Reply] | None:
        for method, pattern, handler in self._routes:
            if method == asked.method and (found := pattern.fullmatch(asked.path)):
                asked.groups = found.groupdict()
                if "repo" in asked.groups and asked.site is None:
                    return None
                return handler(asked)
        return None

    async def forward(self, asked: Asked, token: str = "") -> Reply:
        """Have the stateful server answer, and add what it leaves out."""
        sent = await self.client.request(
            asked.method,
            quote(asked.path, safe=SAFE),
            params=dict(asked.query),
            json=asked.body,
            headers={"Authorization": f"Bearer {token or asked.token or token_of(PEOPLE[0])}"},
        )
        text = sent.text.replace(self.upstream_url, self.url)
        headers = {
            name.title(): value.replace(self.upstream_url, self.url)
            for name, value in sent.headers.items()
            if name in PASSED_ON
        }
        body = json.loads(text) if text and "json" in headers.get("Content-Type", "") else None
        if asked.path.endswith("/access_tokens") and sent.status_code == 201:
            self.tokens[body["token"]] = PEOPLE[1]
            body["expires_at"] = re.sub(r"\.\d+Z$", "Z", body["expires_at"])
        if asked.site:
            await self.decorate(asked.site, body)
        return Reply(sent.status_code, body, headers)

    async def fetch(self, path: str, site: Site | None = None, **query: Any) -> Any:
        """A document of the stateful server, with what we add; nobody counts it."""
        reply = await self.forward(Asked("GET", path, query, None, "", token_of(PEOPLE[0]), site))
        if reply.status != 200:
            raise Problem(reply.status, (reply.body or {}).get("message", "Not Found"))
        return reply.body

    async def person(self, login: str) -> Json:
        """How a person is shown."""
        if login not in self._people:
            self._people[login] = await self.fetch(f"/users/{login}")
        whole = self._people[login]
        return {name: value for name, value in whole.items() if name in SHOWN_OF_A_PERSON}

    async def decorate(self, site: Site, body: Any) -> None:
        """Add what we know to every object inside `body`."""
        if isinstance(body, list):
            for one in body:
                await self.decorate(site, one)
        elif isinstance(body, dict):
            for value in list(body.values()):
                if isinstance(value, list | dict):
                    await self.decorate(site, value)
            for decorator in self._decorators:
                await decorator(site, body)

    def _response(self, request: Request, reply: Reply, entry: Entry, limits: Limits) -> Response:
        body = b"" if reply.body is None else json.dumps(reply.body).encode()
        status = reply.status
        headers = {"Content-Type": "application/json; charset=utf-8", **reply.headers}
        headers = {"X-GitHub-Request-Id": f"{len(self.ledger.entries):08X}", **headers}
        if request.method == "GET" and status == 200:
            tag = f'W/"{hashlib.sha256(body + entry.login.encode()).hexdigest()}"'
            headers |= {"ETag": tag, "Cache-Control": "private, max-age=60, s-maxage=60"}
            headers["Vary"] = "Accept, Authorization, Cookie, X-GitHub-OTP"
            if request.headers.get("if-none-match") in {tag, tag.removeprefix("W/")}:
                status, body, entry.cost, entry.points = 304, b"", 0, 0
        limits.pay(entry.resource, entry.cost)
        for name, value in limits.headers(entry.resource).items():
            headers.setdefault(name, value)
        if status in {204, 304}:
            headers.pop("Content-Type")
            body = b""
        return Response(body, status, headers)

    async def _git(self, request: Request, repo: str, rest: str, raw: bytes) -> Response:
        login, _ = self._who(request)
        site = self.sites.get(repo)
        push = "git-receive-pack" in (*request.query_params.values(), rest.rpartition("/")[2])
        if not login:
            return Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        if site is None:
            return Response(status_code=404)
        if push and not site.may(login, "write"):
            return Response("Permission denied", 403)
        environment = {
            "REQUEST_METHOD": request.method,
            "PATH_INFO": rest,
            "QUERY_STRING": request.url.query,
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(raw)),
            "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
            "REMOTE_USER": login,
        }
        if not push or request.method == "GET":
            status, headers, body = await anyio.to_thread.run_sync(site.bare.backend, environment, raw)
        else:
            async with self.pushing:
                before = site.bare.refs()
                status, headers, body = await anyio.to_thread.run_sync(site.bare.backend, environment, raw)
                await self.pushed(site, before)
        entry = Entry(time.time(), login, request.method, f"/{repo}.git{rest}", request.url.query, "git")
        entry.status = status
        self.ledger.entries.append(entry)
        return Response(body, status, dict(headers))
