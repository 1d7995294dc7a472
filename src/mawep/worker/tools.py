"""What the tools of agents do: each call is an attempt's, known by its token, and reaches its own desk only."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_never

import structlog

from mawep.adapters.runtime_directory import leave_runtime_directory, runtime_directory
from mawep.agents import tools
from mawep.agents.base import BreakingChange, ProgressClaimed
from mawep.agents.tool_server import ToolServer, make_ready
from mawep.agents.tools import Refusal, Said
from mawep.clock import Clock
from mawep.coordination import payloads as wire
from mawep.core.changes import pattern_of
from mawep.core.claims import askable
from mawep.worker.claims import Claims
from mawep.worker.desk import Desk
from mawep.worker.reports import Reports
from mawep.worker.talk import Talk

log = structlog.get_logger("mawep.worker")

ANSWER_SECONDS = 60.0
"""How long an agent waits for the orchestrator: longer than an outage of the bus may take."""
SELDOM = frozenset({"command", "scripted"})
"""Ways of driving agents that seldom connect; all others do as soon as they start."""
SOCKETS = "t-"
"""What the names of sockets begin with."""


class Toolbox:
    """The tools of every attempt of one worker. `forge`: their issues are on a forge."""

    def __init__(
        self,
        directory: Path,
        reports: Reports,
        talk: Talk,
        claims: Claims,
        clock: Clock,
        *,
        forge: bool = False,
    ) -> None:
        self._owner = directory
        self._offered = {**tools.TOOLS, **(tools.FORGE_TOOLS if forge else {})}
        self._reports = reports
        self._talk = talk
        self._claims = claims
        self._clock = clock
        self._sockets: Path | None = None
        self._readying: asyncio.Task[None] | None = None
        self._asked: dict[str, asyncio.Future[wire.ClaimAnswer | wire.ForgeAnswer]] = {}

    # --- sockets

    async def open(self, desk: Desk) -> None:
        """Give the desk a socket and a token of its own, new ones for every process of its agent."""
        await self.close(desk)
        if self._readying is None and desk.work.runtime.partition(":")[0] not in SELDOM:
            self._readying = asyncio.create_task(make_ready())
        name = f"{SOCKETS}{desk.issue.number}-a{desk.work.attempt}"

        async def answer(tool: str, arguments: Mapping[str, Any]) -> Said:
            return await self.call(desk, tool, arguments)

        server = ToolServer(self._directory() / name, answer, self._offered)
        await server.open()
        desk.tools = server

    async def close(self, desk: Desk) -> None:
        """Take the desk's socket away; whoever is connected is cut off."""
        server, desk.tools = desk.tools, None
        if server is not None:
            await server.close()

    async def leave(self) -> None:
        """Take away where the sockets were, when all of them are closed."""
        if self._readying is not None:
            await asyncio.gather(self._readying, return_exceptions=True)
        if self._sockets is not None:
            leave_runtime_directory(self._owner)
            self._sockets = None

    def _directory(self) -> Path:
        if self._sockets is None:
            self._sockets = runtime_directory(self._owner)
            for left in self._sockets.glob(f"{SOCKETS}*"):  # by a process of this run that was killed
                left.unlink()
        return self._sockets

    # --- calls

    async def call(self, desk: Desk, name: str, arguments: Mapping[str, Any]) -> Said:
        """Carry out one call of the desk's agent."""
        try:
            desk.allowance.take(name, self._clock.awake())
            said = await self._carry_out(desk, tools.understood(name, arguments, self._offered))
        except Refusal as refusal:
            return Said(str(refusal), ok=False)
        if desk.undelivered and name != tools.ReadMessages.name:
            waiting = len(desk.undelivered)
            return Said(
                f"{said.text}\n({waiting} unread: call read_messages)",
                {**said.data, "unread": waiting},
                said.ok,
            )
        return said

    async def _carry_out(self, desk: Desk, call: tools.Tool) -> Said:
        if isinstance(call, tools.ReadMessages):
            messages = await self._talk.read(desk)
            return Said("\n\n".join(messages) or "no messages", {"messages": messages})
        if desk.turn is None:
            raise Refusal("the turn is over")
        match call:
            case tools.ReportProgress(text=text, percent=percent):
                await desk.hear(ProgressClaimed(text, percent))
                return Said("noted")
            case tools.ReportBlocked(text=text):
                await self._reports.blocked(
                    desk, desk.session.without_secrets(text) if desk.session else text
                )
                return Said("noted; nobody answers this, ask_human would wait for an answer")
            case tools.ClaimFiles(paths=paths):
                return await self._claim(desk, paths)
            case tools.AnnounceBreakingChange():
                await desk.hear(_change(call))
                return Said(
                    "announced: whose work it affects is told, and what has not started waits until you land"
                )
            case tools.AskHuman(question=question, options=options):
                answer = await self._talk.ask(desk, question, tuple(options))
                if answer is None:
                    raise Refusal("nobody has answered, and the turn is over")
                return Said(answer, {"answer": answer})
            case tools.CommentOnIssue(text=text):
                text = desk.session.without_secrets(text) if desk.session else text
                return await self._on_forge(desk, text=text)
            case tools.ReadIssue(number=number):
                return await self._on_forge(desk, number=number)
            case _:
                assert_never(call)  # type: ignore[arg-type]

    async def announced(self, desk: Desk, change: BreakingChange) -> None:
        """An announcement, by a tool or by the agent's session; of too many, the rest is left out."""
        try:
            desk.announced.take(tools.AnnounceBreakingChange.name, self._clock.awake())
        except Refusal:
            log.warning("an announcement too many", issue=desk.issue.number)
            return
        await self._reports.announced(desk, change)

    # --- claims

    async def _claim(self, desk: Desk, paths: list[str]) -> Said:
        wanted = [self._claimable(desk, path) for path in paths]
        request = wire.ClaimRequest(
            issue=desk.issue.number,
            attempt=desk.work.attempt,
            request_id=secrets.token_hex(8),
            paths=wanted,
        )
        answer = await self._answer_to(desk, request)
        if not isinstance(answer, wire.ClaimAnswer):
            raise Refusal("there is no answer; the files are not yours, try again later")
        if answer.granted:
            said = answer.why or "yours until your issue ends"
            return Said(f"{said}: {', '.join(wanted)}", {"granted": True, "paths": wanted})
        held = [f"{path} (#{issue})" for path, issue in answer.held.items()]
        text = f"not granted, {answer.why}{': ' + ', '.join(held) if held else ''}; leave those files alone"
        return Said(text, {"granted": False, "why": answer.why, "held": dict(answer.held)}, ok=False)

    async def _on_forge(self, desk: Desk, *, text: str | None = None, number: int | None = None) -> Said:
        """Agents have no token of the forge: the orchestrator says and reads for them."""
        request = wire.ForgeRequest(
            issue=desk.issue.number,
            attempt=desk.work.attempt,
            request_id=secrets.token_hex(8),
            text=text,
            number=number,
        )
        answer = await self._answer_to(desk, request)
        if not isinstance(answer, wire.ForgeAnswer):
            raise Refusal("there is no answer; go on with your work")
        return Said(answer.text, ok=answer.ok)

    async def _answer_to(
        self, desk: Desk, request: wire.ClaimRequest | wire.ForgeRequest
    ) -> wire.ClaimAnswer | wire.ForgeAnswer | None:
        """What the orchestrator says to a request; None when it says nothing in time."""
        waiting: asyncio.Future[wire.ClaimAnswer | wire.ForgeAnswer] = (
            asyncio.get_running_loop().create_future()
        )
        self._asked[request.request_id] = waiting
        try:
            await self._reports.tell(desk, request)
            async with asyncio.timeout(ANSWER_SECONDS):
                return await waiting
        except TimeoutError:
            return None
        finally:
            del self._asked[request.request_id]

    def answered(self, answer: wire.ClaimAnswer | wire.ForgeAnswer) -> None:
        """The orchestrator has decided about a claim, or been on the forge."""
        waiting = self._asked.get(answer.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _claimable(self, desk: Desk, path: str) -> str:
        """The one spelling of a path that the agent may ask for: a file in its worktree, there or to be made."""
        try:
            path = askable(path)
        except ValueError as error:
            raise Refusal(f"`{path}` {error}") from None
        policy = self._claims.of(desk.issue.number)
        if path.partition("/")[0] == ".git" or (policy is not None and policy.protects(path)):
            raise Refusal(f"`{path}` is a protected path; nobody may change it")
        root = desk.at.path.resolve()
        place = root / path
        if not place.parent.is_dir() or not place.resolve().is_relative_to(root):
            raise Refusal(f"`{path}` is no file in your worktree; make its directory first")
        if place.is_dir():
            raise Refusal(f"`{path}` is a directory; name each file")
        return path


def _change(call: tools.AnnounceBreakingChange) -> BreakingChange:
    named = []
    for path in (call.file, *call.affects):
        try:
            named.append(pattern_of(path))
        except ValueError as error:
            raise Refusal(f"`{path}` {error}") from None
    return BreakingChange(named[0], call.change, tuple(named[1:]), call.migration)
