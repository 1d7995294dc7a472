"""Serve the scripted model over HTTP on 127.0.0.1."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.models import anthropic, chat, gemini, responses
from tests.models.ledger import Ledger, Request
from tests.models.position import Turn, due, matching
from tests.models.scenario import Refusal, Scenario, Step
from tests.models.speech import Answer, Asked, Json, Shape
from tests.support.waiting import eventually_now

SHAPES: Mapping[str, Shape] = {
    "/messages": cast(Shape, anthropic),
    "/chat/completions": cast(Shape, chat),
    "/responses": cast(Shape, responses),
    ":generateContent": cast(Shape, gemini),
    ":streamGenerateContent": cast(Shape, gemini),
}
"""The shape of a request by the end of its path; what stands before is the business of whoever points here."""

COUNTS = {"/messages/count_tokens": "input_tokens", ":countTokens": "totalTokens"}

ASIDE = "scripted"
"""What is answered to a request without tools: a title, a summary, a probe."""

POLL_SECONDS = 0.02
"""How often a held answer looks for its sign."""


class Model:
    """The application: scenarios by name, which may change at any time, and the directory where signs appear."""

    def __init__(self, scenarios: dict[str, Scenario], signs: Path, ledger: Ledger) -> None:
        self.scenarios = scenarios
        self.ledger = ledger
        self._signs = signs
        self._refused: dict[tuple[str, int], int] = {}
        self.app = Starlette(
            routes=[
                Route("/{path:path}", self._answer, methods=["POST"]),
                Route("/{path:path}", self._look, methods=["GET", "HEAD"]),
            ]
        )

    async def _look(self, http: HttpRequest) -> Response:
        request = self.ledger.begin("", http.url.path, http.headers)
        known = http.url.path.endswith("/models")
        entry = {"id": "scripted", "object": "model", "type": "model", "owned_by": "scripted", "created": 0}
        document = {"object": "list", "data": [entry], "has_more": False, "models": []} if known else {}
        self.ledger.end(request, 200 if known or http.url.path == "/" else 404)
        return JSONResponse(document, request.status)

    async def _answer(self, http: HttpRequest) -> Response:
        path = http.url.path
        body = await _body(http)
        for end, word in COUNTS.items():
            if path.endswith(end):
                return self._plain(http, 200, {word: len(json.dumps(body)) // 4})
        shape = next((shape for end, shape in SHAPES.items() if path.endswith(end)), None)
        if shape is None:
            return self._plain(http, 404, {"error": {"message": f"nothing is at {path}"}})
        asked = shape.read(path, body)
        request = self.ledger.begin(shape.__name__.rpartition(".")[2], path, http.headers)  # type: ignore[attr-defined]
        request.model, request.stream, request.offered = asked.model, asked.stream, tuple(asked.tools)
        request.size = len(json.dumps(body))
        return await self._follow(http, shape, asked, request)

    def _plain(self, http: HttpRequest, status: int, document: Json) -> Response:
        self.ledger.end(self.ledger.begin("", http.url.path, http.headers), status)
        return JSONResponse(document, status)

    async def _follow(self, http: HttpRequest, shape: Shape, asked: Asked, request: Request) -> Response:
        scenario = matching(self.scenarios, asked) if asked.tools and not asked.structured else None
        if scenario is None:
            turn = Turn(0, Step('{"title": "scripted"}' if asked.structured else ASIDE), ())
        else:
            turn = due(scenario, asked)
            request.scenario, request.step = scenario.name, turn.number
            request.calls = tuple(call.name for call in turn.calls)
            refuse = turn.step.refuse
            if refuse and self._is_due(refuse, (scenario.name, turn.number)):
                self.ledger.end(request, refuse.status)
                document = shape.refusal(refuse.status, refuse.message)
                return JSONResponse(document, refuse.status, dict(refuse.headers))
        if not await self._released(turn.step, request, http):
            self.ledger.end(request, 0, gone=True)
            return Response(status_code=499)
        request.usage = turn.step.usage or (request.size // 4, 50)
        answer = Answer(turn.step.say, turn.calls, *request.usage)
        if asked.stream:
            return StreamingResponse(
                self._told(shape, asked, answer, request), media_type="text/event-stream"
            )
        self.ledger.end(request, 200)
        return JSONResponse(shape.whole(asked, answer))

    def _is_due(self, refuse: Refusal, place: tuple[str, int]) -> bool:
        """The one thing that is remembered: how often a step was refused already."""
        self._refused[place] = self._refused.get(place, 0) + 1
        return refuse.times is None or self._refused[place] <= refuse.times

    async def _released(self, step: Step, request: Request, http: HttpRequest) -> bool:
        """Wait for the sign that a step wants; False when the agent hung up before."""
        if step.delay:
            await asyncio.sleep(step.delay)
        if step.hold is None:
            return True
        request.held = True
        while not (self._signs / step.hold).exists():
            if await http.is_disconnected():
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def _told(self, shape: Shape, asked: Asked, answer: Answer, request: Request) -> AsyncIterator[str]:
        complete = False
        try:
            for piece in shape.stream(asked, answer):
                yield piece
            complete = True
        finally:
            self.ledger.end(request, 200, gone=not complete)


async def _body(http: HttpRequest) -> Json:
    raw = await http.body()
    if http.headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    return dict(json.loads(raw or b"{}"))


class ModelServer:
    """The scripted model in a thread of this process: `with ModelServer(directory) as model: … model.url`.

    Signs for held steps are files in `signs`; `release(NAME)` makes one. With `log`, every request is written there.
    """

    def __init__(self, signs: Path, *, log: Path | None = None, port: int = 0) -> None:
        signs.mkdir(parents=True, exist_ok=True)
        self._signs = signs
        self._port = port
        self.ledger = Ledger(log)
        self.scenarios: dict[str, Scenario] = {}
        self._model = Model(self.scenarios, signs, self.ledger)
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", self._port))
        self._port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self._model.app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        server = self._server
        eventually_now("the model answers", lambda: server.started)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None and self._thread is not None and self._socket is not None
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._socket.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def url(self) -> str:
        """Its base URL, without a path."""
        return f"http://127.0.0.1:{self._port}"

    def plays(self, scenario: Scenario) -> None:
        """Follow a scenario from now on, in the place of the one that had its name."""
        self.scenarios[scenario.name] = scenario

    def release(self, sign: str) -> None:
        """Let the steps that hold for this sign go on."""
        (self._signs / sign).touch()

    def waits(self, scenario: str) -> bool:
        """True while an answer of a scenario is held."""
        return any(
            request.scenario == scenario and request.held and request.answered is None
            for request in self.ledger.requests
        )

    def first_asked(self, since: float = 0.0) -> float | None:
        """When the first request of a conversation arrived after `since`, in seconds of time.time()."""
        times = [r.at for r in self.ledger.requests if r.step is not None and r.at >= since]
        return min(times, default=None)


def stand(port: int, scenarios: Path, log: Path | None) -> None:
    """Serve the scenarios of a directory until interrupted; signs are files in the same directory."""
    with ModelServer(scenarios, log=log, port=port) as server:
        for path in sorted(scenarios.glob("*.json")):
            server.plays(Scenario.load(path))
        print(server.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"answered {len(server.ledger.requests)} requests since {time.ctime()}")
