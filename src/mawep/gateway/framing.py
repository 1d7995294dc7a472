"""Cut a streamed answer into its documents, wherever the network has cut it.

Each framer takes bytes as they come and gives back every complete JSON document so far. What is given does not
depend on where the pieces end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

MOST_HELD = 32 * 1024 * 1024
"""Bytes of one document that are kept for metering; a longer one is let through and not looked at."""


class Framer(Protocol):
    """Turns pieces of an answer into documents."""

    def feed(self, piece: bytes) -> Iterator[Any]:
        """The documents that `piece` completes."""
        ...

    def end(self) -> Iterator[Any]:
        """The documents that the end of the answer completes."""
        ...


class Whole:
    """An answer that is one document."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, piece: bytes) -> Iterator[Any]:
        if len(self._held) <= MOST_HELD:
            self._held += piece
        return iter(())

    def end(self) -> Iterator[Any]:
        yield from _decoded(self._held)


class Events:
    """Server-sent events, each of which holds a document in its `data` lines."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._after_return = False

    def feed(self, piece: bytes) -> Iterator[Any]:
        if self._after_return and piece[:1] == b"\n":
            piece = piece[1:]
            self._after_return = False
        if not piece:
            return
        self._after_return = piece.endswith(b"\r")
        *whole, rest = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for part in whole:
            self._grow(part)
            line, self._line = bytes(self._line), bytearray()
            yield from self._take(line)
        self._grow(rest)

    def end(self) -> Iterator[Any]:
        line, self._line = bytes(self._line), bytearray()
        if line:
            yield from self._take(line)
        yield from self._take(b"")

    def _grow(self, part: bytes) -> None:
        if len(self._line) <= MOST_HELD:
            self._line += part

    def _take(self, line: bytes) -> Iterator[Any]:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            yield from _decoded(data)


class Elements:
    """One JSON array, whose elements are documents that come one after another."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._depth = 0
        self._in_text = self._escaped = False

    def feed(self, piece: bytes) -> Iterator[Any]:
        for byte in piece:
            if self._depth:
                self._held.append(byte)
            if self._in_text:
                self._in_text = self._escaped or byte != 0x22
                self._escaped = byte == 0x5C and not self._escaped
            elif byte == 0x22:
                self._in_text = True
            elif byte == 0x7B:
                if not self._depth:
                    self._held.append(byte)
                self._depth += 1
            elif byte == 0x7D and self._depth:
                self._depth -= 1
                if not self._depth:
                    document, self._held = bytes(self._held), bytearray()
                    yield from _decoded(document)

    def end(self) -> Iterator[Any]:
        return iter(())


def _decoded(data: bytes | bytearray) -> Iterator[Any]:
    """The document, if it is one: `[DONE]` and half a document are none."""
    try:
        yield msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
