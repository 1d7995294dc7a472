"""A git that stays: one process that answers question after question on its standard streams."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast

from mawep.adapters.finishing import finished
from mawep.adapters.git_process import GRACE, Completed

LIMIT = 2**20
"""The longest line or field of an answer, in bytes."""

Answer = TypeVar("Answer")
Read = Callable[[StreamReader], Awaitable[Answer]]
"""Reads one whole answer and nothing behind it; IncompleteReadError when there is no whole answer."""


class NoAnswerError(Exception):
    """The process ended before it had answered; `done` is what it said instead."""

    def __init__(self, done: Completed) -> None:
        self.done = done
        super().__init__(done.stderr.decode(errors="replace"))


async def read_from(output: bytes, read: Read[Answer]) -> Answer:
    """The answer that the output of an ended process holds."""
    stream = StreamReader(limit=LIMIT)
    stream.feed_data(output)
    stream.feed_eof()
    return await read(stream)


class Resident:
    """One git process: started when it is asked first, and again when it is asked after its end."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        self._argv = argv
        self._env = env
        self._cwd = cwd
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    async def ask(self, question: bytes, read: Read[Answer]) -> Answer:
        """Write the question and read the answer; one question at a time.

        Raises NoAnswerError, and OSError when the program or the directory is not there. A caller that is
        cancelled ends the process: nobody would read the rest of its answer.
        """
        async with self._turn:
            if self._process is not None and cast(StreamReader, self._process.stdout).at_eof():
                await self._end(self._process)
            process = self._process = self._process or await self._start()
            questions, answers = cast(StreamWriter, process.stdin), cast(StreamReader, process.stdout)
            try:
                questions.write(question)
                return await read(answers)
            except (asyncio.IncompleteReadError, ConnectionError):
                raise NoAnswerError(await self._end(process)) from None
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()  # which lets it remove its lock files
                await self._end(process)
                raise

    async def close(self) -> None:
        """Send the process away."""
        async with self._turn:
            if self._process is not None:
                await self._end(self._process)

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._env,
            cwd=self._cwd,
            limit=LIMIT,
            start_new_session=True,
        )

    async def _end(self, process: Process) -> Completed:
        """See the process to its end, and what it said last."""
        self._process = None
        return await finished(_ended(process))


async def _ended(process: Process) -> Completed:
    cast(StreamWriter, process.stdin).close()
    try:
        async with asyncio.timeout(GRACE):
            stdout, stderr = await process.communicate()
    except TimeoutError:
        process.kill()
        stdout, stderr = await process.communicate()
    return Completed(await process.wait(), stdout, stderr)
