"""What agents share that are started anew for every turn: a program, its end, and no way to tell it more meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator

from mawep.adapters.finishing import finished
from mawep.adapters.process import Process, Supervisor
from mawep.agents.base import AgentEvent, Launch, TurnEnded
from mawep.agents.transcript import Transcript
from mawep.agents.turn import Turn
from mawep.errors import UsageError

TERMINATE_SECONDS = 3.0
"""How long a program has after SIGTERM; within base.STOP_SECONDS, with room for ending what is left."""


class PerTurnSession:
    """One program, started for every turn. Whoever derives from it runs the turn: `_run`."""

    def __init__(self, launch: Launch, supervisor: Supervisor) -> None:
        self._launch = launch
        self._supervisor = supervisor
        self._deadline = launch.deadline
        self._process: Process | None = None
        self._transcript = Transcript.of(launch)
        self._turn = Turn()

    @property
    def pid(self) -> int:
        """See AgentSession.pid."""
        return self._process.pid if self._process else 0

    async def prompt(self, text: str) -> AsyncIterator[AgentEvent]:
        """See AgentSession.prompt."""
        if self._turn.running:
            raise UsageError("the agent is in the middle of a turn")
        self._turn = turn = Turn()
        turn.start(self._run(turn, text))
        async for event in turn.events():
            yield event

    async def answer(self, question_id: str, text: str) -> None:
        """A program cannot ask on its output, so nothing waits for an answer."""
        raise UsageError(f"the agent does not wait for an answer to question {question_id}")

    async def say(self, text: str) -> bool:
        """A program is told things only when it starts."""
        return False

    async def cancel(self) -> None:
        """See AgentSession.cancel."""
        self._turn.stopping = True
        if self._process is not None:
            await self._process.stop(TERMINATE_SECONDS)
        await self._turn.ended()

    async def close(self) -> None:
        """See AgentSession.close."""
        await finished(self._end())

    def extend(self, deadline: float) -> None:
        """See AgentSession.extend."""
        self._deadline = deadline
        if self._process is not None:
            self._process.extend(deadline)

    async def _end(self) -> None:
        await self.cancel()
        self._transcript.close()

    async def _run(self, turn: Turn, text: str) -> TurnEnded:
        """Start the program with `text` and see it to its end."""
        raise NotImplementedError
