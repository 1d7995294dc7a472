"""Any program as an agent: started once per turn, prompt on its stdin, exit code 0 means finished."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mawep.adapters.process import PIPE, STDOUT, Process, ProcessStartError, Supervisor, read_status
from mawep.agents.base import (
    AgentFailed,
    Launch,
    Needs,
    Output,
    PathPolicy,
    ProcessStarted,
    ProviderLimited,
    ResumeUnsupported,
    TurnEnded,
)
from mawep.agents.exit import how
from mawep.agents.output import Lines, read_lines
from mawep.agents.per_turn import PerTurnSession
from mawep.agents.turn import Turn

TRY_LATER = 75
"""The exit code (EX_TEMPFAIL) of a program whose provider takes nothing more for now."""


def finished_before(launch: Launch) -> bool:
    """True when the program of this very launch had ended with exit code 0, seen or not."""
    status = read_status(launch.status_file)
    return status is not None and status.token == launch.token and status.ok


class CommandRuntime:
    """Runs `launch.command` in the worktree, once for the prompt and once for every repair."""

    name = "command"

    def needs(self, command: tuple[str, ...]) -> Needs:
        """See Runtime.needs."""
        return Needs()

    async def open(
        self, launch: Launch, supervisor: Supervisor, policy: PathPolicy, *, resume: str | None
    ) -> CommandSession:
        """Prepare; nothing is started before the first prompt.

        A program keeps no conversation, so `resume`, whatever its value, means only that the prompt was given
        before: it is in `launch.prompt_file`, and what comes next is feedback on it. Raises ResumeUnsupported
        when that file is gone.
        """
        if resume is not None and not launch.prompt_file.exists():
            raise ResumeUnsupported(
                "the program cannot be given feedback on its work",
                cause=f"the prompt that it was given, {launch.prompt_file}, is gone",
            )
        return CommandSession(launch, supervisor, prompted=resume is not None)


class CommandSession(PerTurnSession):
    """One program, run again for every turn."""

    def __init__(self, launch: Launch, supervisor: Supervisor, *, prompted: bool) -> None:
        self.session_id: str | None = None
        self.loadable = False
        super().__init__(launch, supervisor)
        self._prompted = prompted

    async def _run(self, turn: Turn, text: str) -> TurnEnded:
        process = self._process = await self._start(text)
        lines = Lines()
        try:
            turn.emit(ProcessStarted(process.pid))
            if turn.stopping:  # asked for while it was being started
                await process.kill()
            await self._listen(process, turn, lines)
            status = await process.wait()
        except BaseException:
            await process.kill()
            raise
        finally:
            self._process = None
        self._transcript.write("mawep", {"exit": {"code": status.code, "signal": status.signal}})
        if turn.stopping:
            return TurnEnded("cancelled", lines.tail)
        if status.code == TRY_LATER:
            raise ProviderLimited(_moment_in(lines.tail), lines.tail or how(status))
        if not status.ok:
            raise AgentFailed("the program failed", cause=how(status), detail=lines.tail)
        return TurnEnded("end_turn", lines.tail)

    async def _listen(self, process: Process, turn: Turn, lines: Lines) -> None:
        assert process.stdout is not None  # noqa: S101 (asked for)
        async for line in read_lines(process.stdout, lines):
            self._transcript.write("in", line)
            turn.emit(Output(line))

    async def _start(self, text: str) -> Process:
        launch = self._launch
        told, extra = self._brief(text)
        launch.status_file.unlink(missing_ok=True)  # of the turn before: see finished_before
        self._transcript.write("out", {"command": list(launch.command), "stdin": told})
        try:
            return await self._supervisor.spawn(
                launch.argv,
                cwd=launch.cwd,
                env={**launch.env, **extra},
                lock=launch.lock,
                status_file=launch.status_file,
                token=launch.token,
                stdin=told.encode(),
                stdout=PIPE,
                stderr=STDOUT,
                deadline=self._deadline,
            )
        except ProcessStartError as error:
            raise AgentFailed(error.what, cause=error.cause, next_step=error.next_step) from error

    def _brief(self, text: str) -> tuple[str, dict[str, str]]:
        """Write the files; returns what goes to stdin and the variables that name the files."""
        launch = self._launch
        named = {"MAWEP_PROMPT_FILE": str(launch.prompt_file)}
        if not self._prompted:
            self._prompted = True
            _write(launch.prompt_file, text)
            return text, named
        _write(launch.feedback_file, text)
        prompt = launch.prompt_file.read_text()
        return f"{prompt}\n\n{text}", {**named, "MAWEP_FEEDBACK_FILE": str(launch.feedback_file)}


def _moment_in(text: str) -> datetime | None:
    """The last line that is a moment with its offset, such as 2026-01-31T09:30:00Z; None when there is none."""
    for line in reversed(text.splitlines()):
        try:
            moment = datetime.fromisoformat(line.strip())
        except ValueError:
            continue
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    return None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
