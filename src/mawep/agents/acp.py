"""Any agent that speaks the Agent Client Protocol on its stdio."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

from pydantic import ValidationError

from mawep import __version__
from mawep.adapters.process import PIPE, ExitStatus, Process, ProcessStartError, Supervisor
from mawep.agents.acp_client import AcpClient
from mawep.agents.acp_files import Files
from mawep.agents.acp_terminals import Terminals
from mawep.agents.base import (
    STOP_SECONDS,
    AgentEvent,
    AgentFailed,
    Launch,
    Needs,
    PathPolicy,
    ProcessStarted,
    ResumeUnsupported,
    ToolEndpoint,
    TurnEnded,
    UsageReported,
)
from mawep.agents.exit import how
from mawep.agents.limits import limit_in, limit_said
from mawep.agents.options import Options
from mawep.agents.output import Lines, read_lines
from mawep.agents.quirks import TOOLS, Manners
from mawep.agents.redaction import redactor_of
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
DYING_SECONDS = 1.0
"""How long to wait for the exit status of an agent whose stream has ended, and for its last words."""
STDERR_LIMIT = 10 * 2**20
STEER = "session/steering"
"""An extension of two adapters: a message for the turn that runs."""
STEER_SECONDS = 5.0
REFUSALS = 5
"""How often an agent that stops working when it is refused something is told to go on, in one turn."""
GO_ON = "That was refused: {why}. Leave it as it is, go on without it and finish the task."


class AcpRuntime:
    """Starts `launch.command` and opens a session with it. `auth` is a method to log in with before."""

    name = "acp"

    def __init__(
        self,
        options: Options = Options(),  # noqa: B008 (frozen)
        *,
        manners: Manners = Manners(),  # noqa: B008 (frozen)
        auth: str | None = None,
        handshake_seconds: float = HANDSHAKE_SECONDS,
    ) -> None:
        self._options = options
        self._manners = manners
        self._auth = auth
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
        if launch.opening is not None:
            launch.opening.attach(process.extend)
        manners = self._manners
        terminals = Terminals(launch, supervisor) if manners.terminals else None
        files = Files(launch.cwd) if manners.files else None
        client = AcpClient(
            launch.cwd, policy, self._options.permissions, manners, files=files, terminals=terminals
        )
        session = AcpSession(process, launch, client, manners, terminals)
        try:
            await session.begin(resume, self._auth, self._handshake_seconds)
        except BaseException:
            await session.close()
            raise
        return session


class AcpSession:
    """One conversation with one process."""

    def __init__(
        self,
        process: Process,
        launch: Launch,
        client: AcpClient,
        manners: Manners,
        terminals: Terminals | None,
    ) -> None:
        assert process.stdin is not None  # noqa: S101 (all three were asked for)
        assert process.stdout is not None  # noqa: S101
        self.session_id: str | None = None
        self.loadable = False
        self.pid = process.pid
        self._process = process
        self._cwd = os.fspath(launch.cwd)
        self._transcript = Transcript.of(launch)
        self._wire = Wire(process.stdout, process.stdin, self._transcript)
        self._client = client
        self._manners = manners
        self._terminals = terminals
        self._tools = _servers(launch.tools)
        self._offers: frozenset[str] = frozenset()
        self._connection = acp.connect_to_agent(cast(acp.Client, self._client), self._wire)
        self._errors = Lines()
        self._listening = asyncio.create_task(self._keep_errors(launch))
        self._closing: asyncio.Task[None] | None = None

    async def begin(self, resume: str | None, auth: str | None, seconds: float) -> None:
        """Shake hands, log in, open or continue a session, and put it into its mode."""
        try:
            async with asyncio.timeout(seconds):
                await self._shake_hands()
                if auth is not None:
                    await self._connection.authenticate(method_id=auth)
                modes = await self._new() if resume is None else await self._continue(resume)
                await self._set_mode(modes)
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
        """The protocol has no message outside of a prompt; where an agent offers one, it is used."""
        if STEER not in self._offers or not self._client.turn.running or self._client.turn.stopping:
            return False
        message = {
            "sessionId": self.session_id,
            "prompt": [{"type": "text", "text": text}],
            "_meta": {"steering": {"idleBehavior": "promptRequired"}},
        }
        try:
            async with asyncio.timeout(STEER_SECONDS):
                reply = await self._connection.ext_method(STEER, message)
        except (acp.RequestError, ConnectionError, TimeoutError):
            return False
        return isinstance(reply, dict) and reply.get("outcome") == "injected"

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
        if self._terminals is not None:
            self._terminals.extend(deadline)

    async def _shake_hands(self) -> None:
        files = self._manners.files
        hello = await self._connection.initialize(
            protocol_version=acp.PROTOCOL_VERSION,
            client_capabilities=schema.ClientCapabilities(
                fs=schema.FileSystemCapabilities(read_text_file=files, write_text_file=files),
                terminal=self._manners.terminals,
            ),
            client_info=schema.Implementation(name="mawep", version=__version__),
        )
        if hello.protocol_version != acp.PROTOCOL_VERSION:
            raise AgentFailed(
                f"the agent speaks version {hello.protocol_version} of the Agent Client Protocol,"
                f" not {acp.PROTOCOL_VERSION}"
            )
        self._offers = frozenset(_offers(hello))
        self.loadable = bool({"load", "resume"} & self._offers)

    async def _new(self) -> schema.SessionModeState | None:
        opened = await self._connection.new_session(cwd=self._cwd, mcp_servers=self._tools)
        self.session_id = opened.session_id
        return opened.modes

    async def _continue(self, session_id: str) -> schema.SessionModeState | None:
        """Continue without hearing the conversation again where that is offered, else by loading it."""
        if not self.loadable:
            raise ResumeUnsupported(
                "the agent cannot continue a session", cause="it offers neither loadSession nor resume"
            )
        again = self._connection.resume_session if "resume" in self._offers else self._connection.load_session
        try:
            reply = await again(cwd=self._cwd, session_id=session_id, mcp_servers=self._tools)
        except acp.RequestError as error:
            raise ResumeUnsupported(
                f"the agent cannot continue session {session_id}",
                cause=_said(error),
                detail=self._errors.tail,
            ) from error
        self.session_id = session_id
        return reply.modes if reply is not None else None

    async def _set_mode(self, modes: schema.SessionModeState | None) -> None:
        """Put the session into the mode that the runtime works in, if the agent knows it and is not in it."""
        mode = self._manners.mode
        if mode is None or modes is None or modes.current_mode_id == mode:
            return
        if mode not in {known.id for known in modes.available_modes}:
            raise AgentFailed(
                f"the agent has no mode `{mode}`",
                cause="it offers " + ", ".join(f"`{known.id}`" for known in modes.available_modes),
                next_step="use the version of it that the runtime was tested with",
            )
        await self._connection.set_session_mode(session_id=self.session_id or "", mode_id=mode)

    async def _run(self, turn: Turn, text: str) -> TurnEnded:
        try:
            reply = await self._prompt(turn, text)
            for _ in range(REFUSALS):
                why = self._client.refused
                if not (
                    self._manners.rejection_ends_turn and why and reply and reply.stop_reason == "end_turn"
                ):
                    break
                reply = await self._prompt(turn, GO_ON.format(why=why))
        except (acp.RequestError, ConnectionError, ValidationError) as error:
            if turn.stopping:
                return TurnEnded("cancelled", turn.text)
            raise await self._failure("the agent failed in the middle of a turn", error) from error
        finally:
            self._client.drop_questions()
        if reply is None:
            return TurnEnded("cancelled", turn.text)
        limit = limit_said(turn.last_message) if reply.stop_reason == "end_turn" else None
        if limit is not None:
            raise limit
        return TurnEnded(reply.stop_reason, turn.text)

    async def _prompt(self, turn: Turn, text: str) -> schema.PromptResponse | None:
        """One request; None when it was cancelled before it was sent: the agent would not know what to cancel."""
        self._client.refused = ""
        if turn.stopping:
            return None
        reply = await self._connection.prompt(session_id=self.session_id or "", prompt=[acp.text_block(text)])
        usage = self._client.meter.turn(reply)
        if usage is not None:
            turn.emit(UsageReported(usage))
        return reply

    async def _failure(self, what: str, error: Exception) -> AgentFailed:
        """Put together what is known; the agent is not left running once its stream is unusable."""
        if isinstance(error, acp.RequestError):
            limit = limit_in(_said(error))
            return limit or AgentFailed(what, cause=_said(error), detail=self._errors.tail)
        if isinstance(error, ValidationError):
            cause = f"its answer does not follow the protocol: {error.errors()[0]['msg']}"
            return AgentFailed(what, cause=cause, detail=self._errors.tail)
        status = await self._ended_within(DYING_SECONDS)
        ended = await self._process.kill()
        if status is None and ended.cause != "killed":  # it had ended, and that was not told yet
            status = ended
        causes = (
            [self._wire.fault or "it closed its output"]
            if status is None
            else [how(status), self._wire.fault]
        )
        await self._hear_out()
        return AgentFailed(what, cause="; ".join(filter(None, causes)), detail=self._errors.tail)

    async def _end(self) -> None:
        self._client.stop_turn()
        try:
            await self._connection.close()
            patience = END_OF_INPUT_SECONDS if self._manners.ends_with_input else 0.0
            if await self._ended_within(patience) is None:
                await self._process.stop(TERMINATE_SECONDS)
            if self._terminals is not None:
                await self._terminals.close()
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
            async with asyncio.timeout(seconds):
                return await self._process.wait()
        return None

    async def _keep_errors(self, launch: Launch) -> None:
        log = Transcript(launch.stderr_log, STDERR_LIMIT, redactor_of(launch))
        assert self._process.stderr is not None  # noqa: S101 (asked for)
        try:
            async for line in read_lines(self._process.stderr, self._errors):
                log.write("in", line)
        finally:
            log.close()


def _said(error: acp.RequestError) -> str:
    data: Any = error.data
    return f"it said: {error}" + (f" ({data})" if data else "")


def _servers(tools: ToolEndpoint | None) -> list[Any]:
    """The tools of MAWEP, as the one MCP server that a session is given."""
    if tools is None:
        return []
    program, *arguments = tools.command
    variables = [schema.EnvVariable(name=name, value=value) for name, value in tools.env.items()]
    return [schema.McpServerStdio(name=TOOLS, command=program, args=arguments, env=variables)]


def _offers(hello: schema.InitializeResponse) -> Iterator[str]:
    """What this agent can do that not every one can: `load`, `resume`, and extensions by their method."""
    able = hello.agent_capabilities
    if able and able.load_session:
        yield "load"
    if able and able.session_capabilities and able.session_capabilities.resume is not None:
        yield "resume"
    steering = (hello.field_meta or {}).get("steering")
    if isinstance(steering, dict) and steering.get("supported") is True:
        yield STEER
