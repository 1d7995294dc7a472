"""What one reader of one channel remembers: where it is, whom it heard up to which number, what it saw."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from mawep.coordination.channels import RESULTS, is_mailbox
from mawep.coordination.envelopes import Envelope
from mawep.coordination.identity import Keyring
from mawep.coordination.payloads import Payload
from mawep.coordination.sealing import BadEnvelopeError, unseal

START = "0-0"
_IDS_KEPT = 20_000
_STREAM_ID = re.compile(r"\d{1,20}-\d{1,20}")


@dataclass(frozen=True)
class Received:
    """An envelope that verified, its payload as a model, and where it was found."""

    channel: str
    stream_id: str
    envelope: Envelope
    payload: Payload


@dataclass(frozen=True)
class Gap:
    """Entries of `channel` after `lost_after` were trimmed before this reader came to them."""

    channel: str
    lost_after: str


def later(a: str, b: str) -> bool:
    """Whether stream id `a` comes after `b`."""
    return _order(a) > _order(b)


@dataclass(frozen=True)
class _Taken:
    entry: str
    speaker: str
    seq: int
    id: str


class Inbox:
    """A position on a channel."""

    def __init__(self, channel: str, cursor: str) -> None:
        self.channel = channel
        self.cursor = cursor
        self._heard: dict[str, int] = {}
        self._ids: dict[str, None] = {}
        self._unacknowledged: deque[_Taken] = deque()

    def restore(self, meta: dict[str, str], previous: Inbox | None) -> None:
        """Start no earlier than the acknowledged entry, and remember what was taken up to the start."""
        acknowledged = meta.get("acknowledged", START)
        if later(acknowledged, self.cursor):
            self.cursor = acknowledged
        for field, value in meta.items():
            if field.startswith("handled:"):
                self._heard[field.removeprefix("handled:")] = int(value)
        for taken in previous._unacknowledged if previous else ():
            if later(taken.entry, acknowledged) and not later(taken.entry, self.cursor):
                self._remember(taken)

    def advance(self, entry: str, before: str) -> Gap | None:
        """Move to `entry`; a Gap when the entry that was `before` it is not the one this reader saw last."""
        missed = _STREAM_ID.fullmatch(before) is not None and later(before, self.cursor)
        gap = Gap(self.channel, self.cursor) if missed else None
        self.cursor = entry
        return gap

    def take(self, entry: str, raw: bytes, *, run: str, keyring: Keyring) -> Received | None:
        """Return what the entry says, None for a duplicate; BadEnvelopeError if it cannot be believed."""
        envelope, payload = unseal(raw, run=run, channel=self.channel, keyring=keyring)
        if envelope.id in self._ids:
            return None
        taken = _Taken(entry, self._speaker(envelope), envelope.seq, envelope.id)
        heard = self._heard.get(taken.speaker, 0)
        if taken.seq <= heard:
            raise BadEnvelopeError(
                "replayed", f"{taken.speaker} was heard up to {heard}; this is {taken.seq}"
            )
        self._remember(taken)
        return Received(self.channel, entry, envelope, payload)

    def heard_until(self, entry: str) -> dict[str, int]:
        """The greatest sequence number of each speaker among what was taken up to `entry`."""
        return {taken.speaker: taken.seq for taken in self._unacknowledged if not later(taken.entry, entry)}

    def acknowledged(self, entry: str) -> None:
        """Drop what was taken up to `entry`."""
        while self._unacknowledged and not later(self._unacknowledged[0].entry, entry):
            self._unacknowledged.popleft()

    def _remember(self, taken: _Taken) -> None:
        self._heard[taken.speaker] = taken.seq
        self._ids[taken.id] = None
        if len(self._ids) > _IDS_KEPT:
            del self._ids[next(iter(self._ids))]
        if is_mailbox(self.channel):
            self._unacknowledged.append(taken)

    def _speaker(self, envelope: Envelope) -> str:
        # Results of one worker are committed in any order, each once under its own fence.
        return f"{envelope.sender}#{envelope.fence}" if self.channel == RESULTS else envelope.sender


def _order(stream_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = stream_id.partition("-")
    return int(milliseconds), int(sequence or 0)
