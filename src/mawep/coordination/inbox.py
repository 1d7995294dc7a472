"""What one reader of one channel remembers: where it is, whom it heard up to which number, what it saw."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from mawep.coordination.channels import RESULTS, is_mailbox
from mawep.coordination.envelopes import Envelope, Payload
from mawep.coordination.identity import Keyring
from mawep.coordination.sealing import BadEnvelopeError, unseal

_IDS_KEPT = 20_000


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


class Inbox:
    """A position on a channel."""

    def __init__(self, channel: str, cursor: str) -> None:
        self.channel = channel
        self.cursor = cursor
        self._heard: dict[str, int] = {}
        self._ids: dict[str, None] = {}
        self._unhandled: deque[tuple[str, str, int]] = deque()

    def restore(self, meta: dict[str, str]) -> None:
        """Go on where a reader before this one acknowledged."""
        acknowledged = meta.get("acknowledged", "0-0")
        if later(acknowledged, self.cursor):
            self.cursor = acknowledged
        for field, value in meta.items():
            if field.startswith("handled:"):
                self._heard[field.removeprefix("handled:")] = int(value)

    def advance(self, entry: str, before: str) -> Gap | None:
        """Move to `entry`; a Gap when the entry that was `before` it is not the one this reader saw last."""
        gap = Gap(self.channel, self.cursor) if later(before, self.cursor) else None
        self.cursor = entry
        return gap

    def take(self, entry: str, raw: bytes, *, run: str, keyring: Keyring) -> Received | None:
        """Return what the entry says, None for a duplicate; BadEnvelopeError if it cannot be believed."""
        envelope, payload = unseal(raw, run=run, channel=self.channel, keyring=keyring)
        if envelope.id in self._ids:
            return None
        speaker = self._speaker(envelope)
        if envelope.seq <= self._heard.get(speaker, 0):
            raise BadEnvelopeError(
                "replayed", f"{speaker} was heard up to {self._heard[speaker]}: {envelope.seq}"
            )
        self._heard[speaker] = envelope.seq
        self._ids[envelope.id] = None
        if len(self._ids) > _IDS_KEPT:
            del self._ids[next(iter(self._ids))]
        if is_mailbox(self.channel):
            self._unhandled.append((entry, speaker, envelope.seq))
        return Received(self.channel, entry, envelope, payload)

    def handled(self, entry: str) -> dict[str, int]:
        """Forget what was taken up to `entry`; return the greatest sequence number of each speaker in it."""
        greatest: dict[str, int] = {}
        while self._unhandled and not later(self._unhandled[0][0], entry):
            _, speaker, seq = self._unhandled.popleft()
            greatest[speaker] = seq
        return greatest

    def _speaker(self, envelope: Envelope) -> str:
        # Results of one worker are committed in any order, each under its own fence.
        return f"{envelope.sender}#{envelope.fence}" if self.channel == RESULTS else envelope.sender


def _order(stream_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = stream_id.partition("-")
    return int(milliseconds), int(sequence or 0)
