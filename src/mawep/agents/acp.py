"""Any agent that speaks the Agent Client Protocol on its stdio."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any, cast

from pydantic import ValidationError

from mawep import __version__
from mawep.adapters.process import PIPE, ExitStatus, Process, ProcessStartError, Supervisor
from mawep.agents.acp_client import AcpClient
from mawep.agents.base import (
    STOP_SECONDS,
    AgentEvent,
    AgentFailed,
    Launch,
    Needs,
    PathPolicy,
    ProcessStarted,
    ResumeUnsupported,
    TurnEnded,
    UsageReported,
)
from mawep.agents.exit import how
from mawep.agents.output import Lines, read_lines
from mawep.agents.sdk import acp, schema
from mawep.agents.transcript import Transcript
from mawep.agents.turn import Turn
from mawep.agents.wire import FRAME_LIMIT, Wire
from mawep.errors import UsageError

HANDSHAKE_SECONDS = 60.0
"""How long an agent may take until its session is open: some need half a minute to start."""
END_OF_INPUT_SECONDS = 1.5
TERMINATE_SECONDS = 1.5
"""How long a close waits after end of input, and after SIGTERM: together well within STOP_SECONDS."""
DYING_SECONDS = 0.5
"""How long to wait for the exit status of an agent whose stream has ended, and for its last words."""
STDERR_LIMIT = 10 * 2**20


class AcpRuntime:
    """Starts `launch.command` and opens a session with it."""

    name = "acp"

    def __init__(self, handshake_seconds: float = HANDSHAKE_SECONDS) -> None:
        self._handshake_seconds = handshake_seconds

    def needs(self, command: tuple[str, ...]) -> Needs:
        """See Runtime.needs."""
        return Needs()

    async def open(
        self, launch: Launch, supervisor: Supervisor, policy: PathPolicy, *, resume: str | None
    ) -> AcpSession:
        """See Runtime.open."""
        try:
            process = await supervisor.spawn(
                launch.argv,
                cwd=launch.cwd,
                env=launch.env,
                lock=launch.lock,
                status_file=launch.status_file,
                token=launch.token,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                stream_limit=FRAME_LIMIT,
                deadline=launch.deadline,
            )
        except ProcessStartError as error:
            raise AgentFailed(error.what, cause=error.cause, next_step=error.next_step) from error
        session = AcpSession(process, launch, policy)
        try:
            await session.begin(resume, self._handshake_seconds)
        except BaseException:
            await session.close()
            raise
        return session


class AcpSession:
    """One conversation with one process."""

    def __init__(self, process: Process, launch: Launch, policy: PathPolicy) -> None:
        assert process.stdin is not None  # noqa: S101 (all three were asked for)
        assert process.stdout is not None  # noqa: S101
        self.session_id: str | None = None
        self.loadable = False
        self.pid = process.pid
        self._process = process
        self._cwd = os.fspath(launch.cwd)
        self._transcript = Transcript(launch.transcript)
        self._wire = Wire(process.stdout, process.stdin, self._transcript)
        self._client = AcpClient(launch.cwd, policy)
        self._connection = acp.connect_to_agent(cast(acp.Client, self._client), self._wire)
        self._errors = Lines()
        self._listening = asyncio.create_task(self._keep_errors(launch))
        self._closing: asyncio.Task[None] | None = None

    async def begin(self, resume: str | None, seconds: float) -> None:
        """Shake hands and open or continue a session."""
        try:
            async with asyncio.timeout(seconds):
                await self._shake_hands()
                if resume is None:
                    opened = await self._connection.new_session(cwd=self._cwd, mcp_servers=[])
                    self.session_id = opened.session_id
                else:
                    await self._load(resume)
        except TimeoutError as error:
            raise AgentFailed(
                f"the agent did not open a session within {seconds:g} s", detail=self._errors.tail
            ) from error
        except (acp.RequestError, ConnectionError, ValidationError) as error:
            raise await self._failure("the agent did not open a session", error) from error

    async def prompt(self, text: str) -> AsyncIterator[AgentEvent]:
        """See AgentSession.prompt."""
        if self._client.turn.running:
            raise UsageError("the agent is in the middle of a turn")
        turn = Turn()
        self._client.turn = turn
        turn.emit(ProcessStarted(self.pid))
        turn.start(self._run(turn, text))
        async for event in turn.events():
            yield event

    async def answer(self, question_id: str, text: str) -> None:
        """See AgentSession.answer."""
        if not self._client.answer(question_id, text):
            raise UsageError(f"the agent does not wait for an answer to question {question_id}")

    async def say(self, text: str) -> bool:
        """The protocol has no message outside of a prompt, so it always waits for the next one."""
        return False

    async def cancel(self) -> None:
        """See AgentSession.cancel."""
        turn = self._client.turn
        if not turn.running:
            return
        self._client.stop_turn()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._connection.cancel(session_id=self.session_id or "")
                await turn.ended()
        except (TimeoutError, ConnectionError):
            await self._process.kill()
            await turn.ended()

    async def close(self) -> None:
        """See AgentSession.close."""
        self._closing = self._closing or asyncio.create_task(self._end())
        await asyncio.shield(self._closing)

    def extend(self, deadline: float) -> None:
        """See AgentSession.extend."""
        self._process.extend(deadline)

    async def _shake_hands(self) -> None:
        hello = await self._connection.initialize(
            protocol_version=acp.PROTOCOL_VERSION,
            client_capabilities=schema.ClientCapabilities(
                # Agents write for themselves: the offer is rarely taken up, and breaks one that does.
                fs=schema.FileSystemCapabilities(read_text_file=False, write_text_file=False),
                terminal=False,
            ),
            client_info=schema.Implementation(name="mawep", version=__version__),
        )
        if hello.protocol_version != acp.PROTOCOL_VERSION:
            raise AgentFailed(
                f"the agent speaks version {hello.protocol_version} of the Agent Client Protocol,"
                f" not {acp.PROTOCOL_VERSION}"
            )
        self.loadable = bool(hello.agent_capabilities and hello.agent_capabilities.load_session)

    async def _load(self, session_id: str) -> None:
        if not self.loadable:
            raise ResumeUnsupported(
                "the agent cannot continue a session", cause="it does not offer loadSession"
            )
        try:
            await self._connection.load_session(cwd=self._cwd, session_id=session_id, mcp_servers=[])
        except acp.RequestError as error:
            raise ResumeUnsupported(
                f"the agent cannot continue session {session_id}",
                cause=_said(error),
                detail=self._errors.tail,
            ) from error
        self.session_id = session_id

    async def _run(self, turn: Turn, text: str) -> TurnEnded:
        try:
            if turn.stopping:  # cancelled before it was sent: the agent would not know what to cancel
                return TurnEnded("cancelled", "")
            reply = await self._connection.prompt(
                session_id=self.session_id or "", prompt=[acp.text_block(text)]
            )
        except (acp.RequestError, ConnectionError, ValidationError) as error:
            if turn.stopping:
                return TurnEnded("cancelled", turn.text)
            raise await self._failure("the agent failed in the middle of a turn", error) from error
        finally:
            self._client.drop_questions()
        if reply.usage is not None:
            turn.emit(UsageReported(self._client.meter.tokens(reply.usage)))
        return TurnEnded(reply.stop_reason, turn.text)

    async def _failure(self, what: str, error: Exception) -> AgentFailed:
        """Put together what is known; the agent is not left running once its stream is unusable."""
        if isinstance(error, acp.RequestError):
            return AgentFailed(what, cause=_said(error), detail=self._errors.tail)
        if isinstance(error, ValidationError):
            cause = f"its answer does not follow the protocol: {error.errors()[0]['msg']}"
            return AgentFailed(what, cause=cause, detail=self._errors.tail)
        status = await self._ended_within(DYING_SECONDS)
        causes = (
            [self._wire.fault or "it closed its output"]
            if status is None
            else [how(status), self._wire.fault]
        )
        await self._process.kill()
        await self._hear_out()
        return AgentFailed(what, cause="; ".join(filter(None, causes)), detail=self._errors.tail)

    async def _end(self) -> None:
        self._client.stop_turn()
        try:
            await self._connection.close()
            if await self._ended_within(END_OF_INPUT_SECONDS) is None:
                await self._process.stop(TERMINATE_SECONDS)
        finally:
            await self._client.turn.ended()
            await self._hear_out()
            self._transcript.close()

    async def _hear_out(self) -> None:
        """Let the last of stderr arrive; where descendants can escape, one may hold it open."""
        await asyncio.wait({self._listening}, timeout=DYING_SECONDS)
        self._listening.cancel()

    async def _ended_within(self, seconds: float) -> ExitStatus | None:
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._process.wait(), seconds)
        return None

    async def _keep_errors(self, launch: Launch) -> None:
        log = Transcript(launch.stderr_log, STDERR_LIMIT)
        assert self._process.stderr is not None  # noqa: S101 (asked for)
        try:
            async for line in read_lines(self._process.stderr, self._errors):
                log.write("in", line)
        finally:
            log.close()


def _said(error: acp.RequestError) -> str:
    data: Any = error.data
    return f"it said: {error}" + (f" ({data})" if data else "")
