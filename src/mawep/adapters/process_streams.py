"""Standard streams of supervised programs: what the program is given, what we keep, and bounded logs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

from mawep.errors import InfrastructureError

STREAM_LIMIT = 50 * 2**20
CHUNK = 2**16


class Stdio(Enum):
    """Where a standard stream of a program goes, besides files and bytes."""

    PIPE = "pipe"
    DEVNULL = "devnull"
    STDOUT = "stdout"


PIPE: Final = Stdio.PIPE
DEVNULL: Final = Stdio.DEVNULL
STDOUT: Final = Stdio.STDOUT

Input = Literal[Stdio.PIPE, Stdio.DEVNULL] | bytes
Output = Literal[Stdio.PIPE, Stdio.DEVNULL] | Path
ErrorOutput = Stdio | Path


class Streams:
    """The three streams of one program.

    Used as a context manager around the hand-over: on exit the descriptors in `given` are closed, and after
    an error our own ends too.
    """

    def __init__(self, limit: int) -> None:
        self.given: list[int] = []
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._limit = limit
        self._pipes: list[asyncio.ReadTransport] = []
        self._theirs = contextlib.ExitStack()
        self._ours = contextlib.ExitStack()

    async def open(self, stdin: Input, stdout: Output, stderr: ErrorOutput) -> None:
        """Open all three. Raises OSError if a file cannot be opened."""
        await self._open_input(stdin)
        self.stdout = await self._open_output(stdout)
        self.stderr = await self._open_output(stderr)

    async def _open_input(self, stdin: Input) -> None:
        if isinstance(stdin, bytes):
            # a nameless file: the program reads at its own pace, then EOF, and nobody has to feed it
            file = self._theirs.enter_context(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
            file.write(stdin)
            file.seek(0)
            self.given.append(file.fileno())
        elif stdin is PIPE:
            theirs, ours = os.pipe()
            self._give(theirs)
            self.stdin = await self._writer(ours)
        else:
            self._give(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    async def _open_output(self, target: ErrorOutput) -> asyncio.StreamReader | None:
        if isinstance(target, Path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._give(os.open(target, flags, 0o600))
        elif target is STDOUT:
            self.given.append(self.given[-1])
        elif target is PIPE:
            ours, theirs = os.pipe()
            self._give(theirs)
            return await self._reader(ours)
        else:
            self._give(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))
        return None

    def _give(self, descriptor: int) -> None:
        self._theirs.callback(os.close, descriptor)
        self.given.append(descriptor)

    async def _reader(self, descriptor: int) -> asyncio.StreamReader:
        loop = asyncio.get_running_loop()
        file = self._ours.enter_context(os.fdopen(descriptor, "rb", 0))
        reader = asyncio.StreamReader(self._limit, loop)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
        self._ours.callback(transport.close)
        self._pipes.append(transport)
        return reader

    async def _writer(self, descriptor: int) -> asyncio.StreamWriter:
        loop = asyncio.get_running_loop()
        file = self._ours.enter_context(os.fdopen(descriptor, "wb", 0))
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        transport, _ = await loop.connect_write_pipe(lambda: protocol, file)
        self._ours.callback(transport.close)
        return asyncio.StreamWriter(transport, protocol, None, loop)

    def wind_up(self) -> None:
        """Let go of the pipes, now that nobody is at their other ends: take in what is left, up to EOF."""
        if self.stdin is not None:
            self.stdin.close()
        for pipe in self._pipes:
            if not pipe.is_closing():
                pipe.resume_reading()

    def __enter__(self) -> Streams:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._theirs.close()
        if error is None:
            self._ours.pop_all()
        else:
            self._ours.close()


class BoundedLog:
    """A file that keeps the first and the last half of `limit` bytes and says how many are missing between.

    Up to `limit` bytes are in the file as soon as they come; the rest is brought in on close. Raises
    InfrastructureError if the file cannot be opened or written.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.left_out = 0
        self._path = path
        self._room = self._limit = limit
        self._late = bytearray()  # the end of what came after the file was full
        with self._told():
            self._file = path.open("w+b")

    def write(self, data: bytes) -> None:
        """Take more output."""
        fits, more = data[: self._room], data[self._room :]
        self._room -= len(fits)
        with self._told():
            self._file.write(fits)
            self._file.flush()
        self._late += more
        if len(self._late) > self._limit + CHUNK:
            self._forget_middle()

    def _forget_middle(self) -> None:
        excess = max(0, len(self._late) - self._limit)
        del self._late[:excess]
        self.left_out += excess

    def _finish(self) -> None:
        head = self._limit // 2
        self._file.seek(head)
        rest = self._file.read() + self._late
        tail = rest[len(rest) - (self._limit - head) :]
        self.left_out += len(rest) - len(tail)
        self._file.seek(head)
        self._file.truncate()
        self._file.write(b"\n[... %d bytes left out ...]\n" % self.left_out + tail)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InfrastructureError(f"the log {self._path} cannot be written", cause=str(error)) from error

    def __enter__(self) -> BoundedLog:
        return self

    def __exit__(self, *_: object) -> None:
        with self._told(), self._file:
            if self._late:
                self._finish()
