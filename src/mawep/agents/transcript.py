"""The raw record of an attempt: everything that went in and out, one JSON line each, bounded, without secrets.

It is for finding out what an agent really sent. What people and programs read is the record (see record.py).
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mawep.agents.base import Launch
from mawep.agents.redaction import Lines, Redactor, redactor_of

LIMIT_BYTES = 50 * 2**20
TEXT_LIMIT = 65536
"""Characters of one text in a frame that are kept."""
HELD = 65536
"""Characters of a message in pieces that are held back until its end is known."""

_PIECES = frozenset({"agent_message_chunk", "agent_thought_chunk", "user_message_chunk"})


class Transcript:
    """Appends `{at, dir, msg}` lines to a file that only its owner can read.

    `dir` is `in` (from the agent), `out` (to it), or `mawep` for the one line that says that the limit was
    reached, after which nothing more is written. Pieces of one message that follow one another are written as
    one frame, with `pieces`, so that a secret is found wherever it was cut.
    """

    def __init__(self, path: Path, limit: int = LIMIT_BYTES, redactor: Redactor | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._room = limit - os.fstat(self._fd).st_size
        self._redactor = redactor or Redactor()
        self._lines = Lines(self._redactor)
        self._held: Pieces | None = None

    @classmethod
    def of(cls, launch: Launch) -> Transcript:
        """The raw record of the attempt that is started like this."""
        return cls(launch.raw, redactor=redactor_of(launch))

    def write(self, direction: str, message: Any) -> None:
        """Append one line; `message` is anything that JSON can say."""
        piece = _piece_of(message) if direction == "in" else None
        if piece is None:
            self._release()
            self._append(direction, message)
            return
        if self._held is None or not self._held.takes(message):
            self._release()
            self._held = Pieces(message)
        self._held.add(piece)
        if self._held.size > HELD and (front := self._held.front(self._redactor)):
            self._append("in", self._held.message(front))

    def close(self) -> None:
        """Close the file; later writes are ignored."""
        if self._fd >= 0:
            self._release()
            os.close(self._fd)
            self._fd = -1

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None and held.text:
            self._append("in", held.message(held.text))

    def _append(self, direction: str, message: Any) -> None:
        if self._fd < 0 or self._room <= 0:
            return
        clean = self._lines.line(message) if isinstance(message, str) else self._redactor.value(message)
        line = _line(direction, _cut(clean))
        self._room -= len(line)
        if self._room <= 0:
            line = _line("mawep", "the transcript has reached its limit and ends here")
        os.write(self._fd, line)


class Pieces:
    """A message that comes in pieces: the frame of the first, and the text so far."""

    def __init__(self, frame: dict[str, Any]) -> None:
        self._frame = frame
        self._kind = frame["params"]["update"]["sessionUpdate"]
        self._count = 0
        self.text = ""

    @property
    def size(self) -> int:
        """Characters held back."""
        return len(self.text)

    def takes(self, frame: dict[str, Any]) -> bool:
        """True when the frame goes on with the same message."""
        return bool(frame["params"]["update"]["sessionUpdate"] == self._kind)

    def add(self, text: str) -> None:
        """One more piece."""
        self.text += text
        self._count += 1

    def front(self, redactor: Redactor) -> str:
        """Take what can be written already: up to a space before what may be the beginning of a secret."""
        block = self.text.rfind("-----BEGIN ")
        if block >= 0 and "-----END " not in self.text[block:] and len(self.text) - block < HELD:
            front, self.text = self.text[:block], self.text[block:]
            return front
        text = redactor.text(self.text)
        within = len(text) - redactor.longest
        end = max(text.rfind(space, 0, within) for space in " \n") + 1 or within
        front, self.text = text[:end], text[end:]
        return front

    def message(self, text: str) -> dict[str, Any]:
        """The frame with `text` in the place of its own."""
        params = self._frame["params"]
        update = {**params["update"], "content": {**params["update"]["content"], "text": text}}
        count, self._count = self._count, 0
        return {**self._frame, "params": {**params, "update": update}, "pieces": count}


def _piece_of(message: Any) -> str | None:
    """The text of a frame that is a piece of a message; None for any other."""
    try:
        update = message["params"]["update"]
        if message["method"] == "session/update" and update["sessionUpdate"] in _PIECES:
            text = update["content"]["text"]
            return text if isinstance(text, str) else None
    except (KeyError, TypeError):
        pass
    return None


def _cut(value: Any) -> Any:
    """The value with long texts cut."""
    if isinstance(value, str) and len(value) > TEXT_LIMIT:
        return f"{value[:TEXT_LIMIT]} … ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: _cut(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item) for item in value]
    return value


def _line(direction: str, message: Any) -> bytes:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return (json.dumps({"at": at, "dir": direction, "msg": message}, ensure_ascii=False) + "\n").encode(
        errors="surrogatepass"
    )
