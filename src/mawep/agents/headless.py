"""CLIs that are started for every turn, take the prompt on stdin and print JSON lines: events of the turn."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec

from mawep.adapters.process import PIPE, ExitStatus, Process, ProcessStartError, Supervisor
from mawep.agents.base import (
    AgentEvent,
    AgentFailed,
    Launch,
    Needs,
    Output,
    PathPolicy,
    ProcessStarted,
    ResumeUnsupported,
    StopReason,
    TurnEnded,
    UsageReported,
)
from mawep.agents.exit import how
from mawep.agents.limits import limit_in, limit_said
from mawep.agents.named import home_of, launched, needs_of, put_files, site_of
from mawep.agents.options import Options
from mawep.agents.output import LINE_LIMIT, Lines, read_lines
from mawep.agents.per_turn import TERMINATE_SECONDS, PerTurnSession
from mawep.agents.quirks import Quirks, UsageScope
from mawep.agents.redaction import redactor_of
from mawep.agents.transcript import Transcript
from mawep.agents.turn import Turn
from mawep.core.model import Usage

LINE_BYTES = 50 * 2**20
"""The longest line that is read: a tool's whole result can be in one."""
WIND_UP_SECONDS = 10.0
"""How long a program may live on that has said that its turn is over."""
STDERR_LIMIT = 10 * 2**20

_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class Reader(Protocol):
    """Makes events of what one process prints.

    `session` is the conversation as soon as it is named; `stop` and `text` how the turn ended, `stop` None
    until it has; `failure` what went wrong.
    """

    session: str | None
    stop: StopReason | None
    text: str
    failure: str

    def take(self, line: dict[str, Any]) -> Iterable[AgentEvent]:
        """The events in one line."""
        ...


@dataclass(frozen=True)
class HeadlessCli:
    """One CLI: its quirks, what reads it in a worktree, and where it keeps conversations below its home.

    `kept` is a pattern for the file of a conversation, with `{}` for its name; `usage` says whether the tokens
    that it reports are those of the `turn` or of the whole `session`.
    """

    quirks: Quirks
    reader: Callable[[Path], Reader]
    kept: str
    usage: UsageScope


class HeadlessRuntime:
    """Drives one CLI; `launch.command` is not used."""

    def __init__(self, cli: HeadlessCli, options: Options = Options()) -> None:  # noqa: B008 (frozen)
        self._cli = cli
        self._options = options

    @property
    def name(self) -> str:
        """See Runtime.name."""
        return self._cli.quirks.name

    def needs(self, command: tuple[str, ...]) -> Needs:
        """See Runtime.needs."""
        return needs_of(self._cli.quirks, self._options, os.environ)

    async def open(
        self, launch: Launch, supervisor: Supervisor, policy: PathPolicy, *, resume: str | None
    ) -> HeadlessSession:
        """Prepare; nothing is started before the first prompt. Raises ResumeUnsupported for an unknown session."""
        if resume is not None:
            home = home_of(launch)
            if not _SESSION.fullmatch(resume) or not any(home.glob(self._cli.kept.format(resume))):
                raise ResumeUnsupported(
                    f"the agent cannot continue session {resume}", cause=f"there is none in {home}"
                )
        return HeadlessSession(self._cli, launch, supervisor, resume)


class HeadlessSession(PerTurnSession):
    """One conversation, continued by a new process for every turn."""

    def __init__(self, cli: HeadlessCli, launch: Launch, supervisor: Supervisor, session: str | None) -> None:
        self.session_id = session
        self._cli = cli
        super().__init__(launch, supervisor)
        self._usage = Usage()

    @property
    def loadable(self) -> bool:
        """A conversation can be continued once it has a name."""
        return self.session_id is not None

    async def _run(self, turn: Turn, text: str) -> TurnEnded:
        process = self._process = await self._start(text)
        reader, errors = self._cli.reader(self._launch.cwd), Lines()
        listening = asyncio.create_task(self._keep_errors(process, errors))
        try:
            if turn.stopping:  # asked for while it was being started
                await process.kill()
            await self._listen(process, turn, reader)
            status = await self._ended(process)
        except BaseException:
            await process.kill()
            raise
        finally:
            self._process = None
            await asyncio.wait({listening}, timeout=1)
            listening.cancel()
        self._transcript.write("mawep", {"exit": {"code": status.code, "signal": status.signal}})
        if turn.stopping:
            return TurnEnded("cancelled", reader.text)
        if reader.failure or reader.stop is None:
            raise self._failure(reader.failure, status, errors.tail)
        limit = limit_said(reader.text) if reader.stop == "end_turn" else None
        if limit is not None:
            raise limit
        return TurnEnded(reader.stop, reader.text)

    def _failure(self, said: str, status: ExitStatus, tail: str) -> AgentFailed:
        limit = limit_in(said) or (limit_in(tail) if not status.ok else None)
        if limit is not None:
            return limit
        ended = "it ended without saying that its turn is over" if status.ok else how(status)
        cause = f"it said: {said}" if said else ended
        return AgentFailed("the agent failed in the middle of a turn", cause=cause, detail=tail)

    async def _ended(self, process: Process) -> ExitStatus:
        try:
            async with asyncio.timeout(WIND_UP_SECONDS):
                return await process.wait()
        except TimeoutError:  # what it has started in the background does not end it
            return await process.stop(TERMINATE_SECONDS)

    async def _listen(self, process: Process, turn: Turn, reader: Reader) -> None:
        """Read until its output ends, or until it lives on after the end of its turn."""
        assert process.stdout is not None  # noqa: S101 (asked for)
        started, before = False, self._usage
        async for line in _lines(process.stdout):
            events = list(self._events(line, reader))
            if reader.session is not None and _SESSION.fullmatch(reader.session):
                self.session_id = reader.session
            if not started:  # from here on its conversation has a name, if it gives it one at all
                started = True
                turn.emit(ProcessStarted(process.pid))
            for event in events:
                turn.emit(self._counted(event, before))
            if reader.stop is not None:
                return

    def _counted(self, event: AgentEvent, before: Usage) -> AgentEvent:
        """The event; a report of what was used becomes one of what the session has used so far."""
        if not isinstance(event, UsageReported):
            return event
        said = event.usage
        if self._cli.usage == "turn" and said.tokens is not None:
            said = msgspec.structs.replace(
                said,
                input_tokens=(said.input_tokens or 0) + (before.input_tokens or 0),
                output_tokens=(said.output_tokens or 0) + (before.output_tokens or 0),
            )
        names = [name for name in said.__struct_fields__ if getattr(said, name) is not None]
        self._usage = msgspec.structs.replace(self._usage, **{name: getattr(said, name) for name in names})
        return UsageReported(self._usage)

    def _events(self, line: bytes, reader: Reader) -> Iterator[AgentEvent]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            text = line[:LINE_LIMIT].decode(errors="replace").rstrip()
            self._transcript.write("in", text)
            yield Output(text)
            return
        self._transcript.write("in", value)
        yield from reader.take(value)

    async def _start(self, text: str) -> Process:
        launch = self._launch
        site = replace(site_of(self._cli.quirks, launch), session=self.session_id)
        start = self._cli.quirks.start(site)
        put_files(site.place, start.files)
        ready = launched(self._cli.quirks, launch, start)
        launch.status_file.unlink(missing_ok=True)
        self._transcript.write("out", {"command": list(start.argv), "stdin": text})
        try:
            return await self._supervisor.spawn(
                ready.argv,
                cwd=launch.cwd,
                env=ready.env,
                lock=launch.lock,
                status_file=launch.status_file,
                token=launch.token,
                stdin=text.encode(),
                stdout=PIPE,
                stderr=PIPE,
                stream_limit=LINE_BYTES,
                deadline=self._deadline,
            )
        except ProcessStartError as error:
            raise AgentFailed(error.what, cause=error.cause, next_step=error.next_step) from error

    async def _keep_errors(self, process: Process, errors: Lines) -> None:
        log = Transcript(self._launch.stderr_log, STDERR_LIMIT, redactor_of(self._launch))
        assert process.stderr is not None  # noqa: S101 (asked for)
        try:
            async for line in read_lines(process.stderr, errors):
                log.write("in", line)
        finally:
            log.close()


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Every line with something in it; of one that is too long, what fitted."""
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            if error.partial.strip():
                yield error.partial
            return
        except asyncio.LimitOverrunError:
            raise AgentFailed(f"the agent printed a line of more than {LINE_BYTES // 2**20} MiB") from None
        if line.strip():
            yield line
