"""Commands that an agent has us run for it: behind its own walls, in its worktree, ended with its session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mawep.adapters.process import PIPE, STDOUT, ExitStatus, Process, ProcessStartError, Supervisor
from mawep.agents.base import Launch
from mawep.agents.permission import relative
from mawep.agents.sdk import acp, schema

OUTPUT_LIMIT = 2**20
"""The most bytes of output that are kept of a command, the last ones, whatever an agent asks for."""

MOST = 16
"""Commands of one session at once."""

_REFUSED = -32000
_CHUNK = 65536


@dataclass
class _Terminal:
    process: Process
    limit: int
    kept: bytearray = field(default_factory=bytearray)
    truncated: bool = False
    status: ExitStatus | None = None
    following: asyncio.Task[None] | None = None

    async def follow(self) -> None:
        """Keep the end of its output until it has ended."""
        assert self.process.stdout is not None  # noqa: S101 (asked for)
        while data := await self.process.stdout.read(_CHUNK):
            self.kept += data
            if len(self.kept) > self.limit:
                self.truncated = True
                del self.kept[: len(self.kept) - self.limit]
        self.status = await self.process.wait()


class Terminals:
    """The commands of one session."""

    def __init__(self, launch: Launch, supervisor: Supervisor) -> None:
        self._launch = launch
        self._supervisor = supervisor
        self._deadline = launch.deadline
        self._running: dict[str, _Terminal] = {}
        self._count = 0

    async def create(
        self,
        command: str,
        arguments: Sequence[str],
        env: Sequence[schema.EnvVariable],
        cwd: str | None,
        limit: int | None,
    ) -> schema.CreateTerminalResponse:
        """Start a command; without arguments it is a line for a shell. Raises RequestError when it does not start."""
        if len(self._running) >= MOST:
            raise acp.RequestError(_REFUSED, f"there are {MOST} terminals already; release some")
        self._count += 1
        name = f"terminal-{self._count}"
        launch = self._launch
        argv = (command, *arguments) if arguments else ("sh", "-c", command)
        try:
            process = await self._supervisor.spawn(
                (*launch.prefix, *argv),
                cwd=self._inside(cwd),
                env={**launch.env, **{variable.name: variable.value for variable in env}},
                # The agent holds the attempt's lock; this dies with MAWEP by a shim of its own.
                lock=launch.lock.with_name(f"{launch.lock.name}-{name}"),
                status_file=launch.status_file.with_name(f"{launch.status_file.name}-{name}"),
                token=launch.token,
                stdout=PIPE,
                stderr=STDOUT,
                deadline=self._deadline,
            )
        except (ProcessStartError, ValueError) as error:
            raise acp.RequestError(_REFUSED, f"the command does not start: {error}") from error
        terminal = _Terminal(process, min(OUTPUT_LIMIT if limit is None else limit, OUTPUT_LIMIT))
        terminal.following = asyncio.create_task(terminal.follow())
        self._running[name] = terminal
        return schema.CreateTerminalResponse(terminal_id=name)

    def output(self, name: str) -> schema.TerminalOutputResponse:
        """What is kept of its output, and how it ended if it has."""
        terminal = self._known(name)
        text = bytes(terminal.kept).decode(errors="ignore")
        status = None
        if terminal.status is not None:
            code, signal = _ended(terminal.status)
            status = schema.TerminalExitStatus(exit_code=code, signal=signal)
        return schema.TerminalOutputResponse(output=text, truncated=terminal.truncated, exit_status=status)

    async def wait(self, name: str) -> schema.WaitForTerminalExitResponse:
        """How it ended."""
        terminal = self._known(name)
        assert terminal.following is not None  # noqa: S101 (set where it is made)
        await asyncio.wait({terminal.following})
        if terminal.status is None:
            raise acp.RequestError(_REFUSED, f"nobody saw how {name} ended")
        code, signal = _ended(terminal.status)
        return schema.WaitForTerminalExitResponse(exit_code=code, signal=signal)

    async def kill(self, name: str) -> None:
        """End it and everything that it started."""
        await self._known(name).process.kill()

    async def release(self, name: str) -> None:
        """End it and forget it."""
        await self._end(self._known(name))
        self._running.pop(name, None)

    async def close(self) -> None:
        """End them all."""
        await asyncio.gather(*map(self._end, self._running.values()))
        self._running.clear()

    def extend(self, deadline: float) -> None:
        """Let them live until `deadline`, in seconds of CLOCK_BOOTTIME."""
        self._deadline = deadline
        for terminal in self._running.values():
            terminal.process.extend(deadline)

    async def _end(self, terminal: _Terminal) -> None:
        await terminal.process.kill()
        if terminal.following is not None:
            await asyncio.wait({terminal.following})

    def _known(self, name: str) -> _Terminal:
        terminal = self._running.get(name)
        if terminal is None:
            raise acp.RequestError.resource_not_found(name)
        return terminal

    def _inside(self, cwd: str | None) -> Path:
        """The directory to work in. Behind walls it cannot be elsewhere; without them this is no wall."""
        worktree = self._launch.cwd
        path = Path(worktree, cwd or ".").resolve()
        if relative(worktree, str(path)).startswith("/"):
            raise acp.RequestError(_REFUSED, f"{cwd} is outside the worktree")
        return path


def _ended(status: ExitStatus) -> tuple[int | None, str | None]:
    return status.code, None if status.signal is None else str(status.signal)
