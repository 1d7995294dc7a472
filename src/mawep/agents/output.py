"""What a program prints, as bounded lines: any bytes, any length, no more memory than a few lines."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator

LINE_LIMIT = 4096
TAIL_LINES = 20
_CHUNK = 65536
_CUT = " … (line cut)"
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
)


class Lines:
    """Cuts a byte stream into text lines and remembers the last twenty.

    Undecodable bytes become U+FFFD, terminal sequences and control characters vanish; a line longer than 4096
    bytes is cut there, its rest is dropped.
    """

    def __init__(self) -> None:
        self._partial = b""
        self._overlong = False
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    @property
    def tail(self) -> str:
        """The last lines, joined."""
        return "\n".join(self._tail)

    def feed(self, data: bytes) -> list[str]:
        """Take what was read and return the lines it completes."""
        *ended, rest = data.split(b"\n")
        lines = [self._finish(piece) for piece in ended]
        self._grow(rest)
        return lines

    def end(self) -> list[str]:
        """The last line, when it had no line ending."""
        return [self._finish(b"")] if self._partial else []

    def _grow(self, piece: bytes) -> None:
        self._overlong = self._overlong or len(self._partial) + len(piece) > LINE_LIMIT
        self._partial = (self._partial + piece[:LINE_LIMIT])[:LINE_LIMIT]

    def _finish(self, piece: bytes) -> str:
        self._grow(piece)
        text = _CONTROL.sub("", self._partial.decode(errors="replace"))
        line = text + _CUT if self._overlong else text
        self._partial, self._overlong = b"", False
        self._tail.append(line)
        return line


async def read_lines(reader: asyncio.StreamReader, lines: Lines) -> AsyncIterator[str]:
    """Every line that arrives on `reader` until its end."""
    while data := await reader.read(_CHUNK):
        for line in lines.feed(data):
            yield line
    for line in lines.end():
        yield line
