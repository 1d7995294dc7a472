"""The bus: signed envelopes on streams that lose nothing silently.

Mailboxes (`direct:*`, `results`) keep what was not acknowledged and refuse more than their quota. Broadcast
and status streams are capped, and a reader that fell behind is told where its gap begins. Whatever a reader
cannot believe goes to the dead letters, and the reader goes on.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

from mawep.adapters.valkey import Connection
from mawep.clock import Clock
from mawep.coordination.channels import DEAD_LETTERS, Keyspace, checked_channel, direct, is_mailbox, recipient
from mawep.coordination.envelopes import Envelope, new_id
from mawep.coordination.identity import Identity, Keyring
from mawep.coordination.inbox import START, Gap, Inbox, Received, later
from mawep.coordination.payloads import Payload
from mawep.coordination.sealing import BadEnvelopeError, seal
from mawep.errors import MawepError

MAILBOX_QUOTA = 10_000
_KEPT_OF_DEAD_LETTER = 64 * 1024


class QuotaError(MawepError):
    """A mailbox is full: its reader does not acknowledge. The envelope was not sent."""


class NoReplyError(MawepError):
    """A request was delivered to the bus, and nobody answered in time."""


@dataclass
class Counters:
    """What this bus object did. `dropped` counts gaps, `duplicates` envelopes seen before."""

    sent: int = 0
    received: int = 0
    dropped: int = 0
    dead_letters: int = 0
    duplicates: int = 0


@dataclass
class _Pending:
    """A mailbox envelope not acknowledged by its reader; `entry` is None until the server confirms it."""

    envelope: Envelope
    entry: str | None = None


class Bus:
    """One participant's way to speak and listen in one run.

    `observe(channel, seconds)` is called with the age of each envelope received.
    """

    def __init__(
        self,
        connection: Connection,
        run: str,
        identity: Identity,
        keyring: Keyring,
        clock: Clock,
        *,
        observe: Callable[[str, float], None] | None = None,
        quota: int = MAILBOX_QUOTA,
    ) -> None:
        self.name = identity.name
        self.run = run
        self.counters = Counters()
        self._connection = connection
        self._keys = Keyspace(run)
        self._identity = identity
        self._keyring = keyring
        self._clock = clock
        self._observe = observe
        self._quota = quota
        self._last_seq: dict[str, int] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._outbox: dict[str, deque[_Pending]] = {}
        self._inboxes: dict[str, Inbox] = {}

    def seal(
        self,
        channel: str,
        payload: Payload,
        *,
        to: str | None = None,
        correlation: str | None = None,
        fence: int | None = None,
        traceparent: str | None = None,
    ) -> Envelope:
        """Return the signed envelope that `send` would send; a lease's commit takes its `to_bytes()`."""
        envelope = Envelope(
            id=new_id(self._clock.now()),
            at=self._clock.now(),
            sender=self.name,
            to=recipient(checked_channel(channel)) or to,
            type=payload.type_name,
            payload=payload.model_dump(mode="json", by_alias=True),
            correlation=correlation,
            traceparent=traceparent,
            fence=fence,
            seq=self._next_seq(channel),
        )
        return seal(envelope, run=self.run, channel=channel, identity=self._identity)

    async def send(
        self,
        channel: str,
        payload: Payload,
        *,
        to: str | None = None,
        correlation: str | None = None,
        fence: int | None = None,
        traceparent: str | None = None,
    ) -> Envelope:
        """Append to the channel's stream and publish; return once the server has it.

        What an outage kept from a mailbox goes first: nothing overtakes what was said before it.
        Raises QuotaError, EnvelopeTooLargeError, BusGoneError. After BusGoneError a mailbox envelope stays
        in the outbox for `resend`; any other is given up, though the server may have it.
        """
        async with self._locks[channel]:
            envelope = self.seal(
                channel, payload, to=to, correlation=correlation, fence=fence, traceparent=traceparent
            )
            pending = _Pending(envelope)
            outbox = self._outbox.setdefault(channel, deque()) if is_mailbox(channel) else deque()
            outbox.append(pending)
            for unsent in [kept for kept in outbox if kept.entry is None]:
                await self._append(channel, unsent)
            return pending.envelope

    async def last(self, channel: str) -> str:
        """The newest entry of a channel, `0-0` when it never had one."""
        return await self._meta(channel, "last")

    async def reply(self, request: Envelope, payload: Payload) -> Envelope:
        """Answer `request` in its sender's mailbox. Not kept for `resend`: who still waits asks again."""
        channel = direct(request.sender)
        async with self._locks[channel]:
            pending = _Pending(self.seal(channel, payload, correlation=request.id))
            await self._append(channel, pending)
            return pending.envelope

    async def resend(self) -> int:
        """Send every unacknowledged mailbox envelope again under its own id, in order; return how many."""
        count = 0
        for channel in list(self._outbox):
            async with self._locks[channel]:
                self._settle(channel, await self.acknowledged(channel))
                for pending in tuple(self._outbox[channel]):
                    await self._append(channel, pending)
                    count += 1
        return count

    @property
    def unacknowledged(self) -> int:
        """How many mailbox envelopes the outbox keeps, by the server's last answer."""
        return sum(map(len, self._outbox.values()))

    async def read(
        self, channels: Sequence[str], after: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Received | Gap]:
        """Yield what is on the channels, and then what comes, for ever; BusGoneError ends it.

        A channel is read from behind the id in `after` (`$`: from now on), else from its beginning. A mailbox
        never starts before its acknowledged entry.
        """
        inboxes = await self._open_inboxes(channels, after or {})
        self._inboxes |= {inbox.channel: inbox for inbox in inboxes.values()}
        async with aclosing(self._listen(inboxes)) as incoming:
            async for item in incoming:
                yield item

    async def _listen(self, inboxes: dict[str, Inbox]) -> AsyncGenerator[Received | Gap]:
        while True:
            for key, entries in await self._connection.read(
                {key: box.cursor for key, box in inboxes.items()}
            ):
                inbox = inboxes[key]
                for entry, fields in entries:
                    gap = inbox.advance(entry, fields.get(b"before", b"").decode(errors="replace"))
                    if gap is not None:
                        self.counters.dropped += 1
                        yield gap
                    received = await self._take(inbox, entry, fields.get(b"envelope", b""))
                    if received is not None:
                        yield received

    async def acknowledge(self, channel: str, stream_id: str) -> None:
        """Say that a mailbox is handled up to and including `stream_id`; what is before it may be trimmed."""
        inbox = self._inboxes.get(channel)
        handled = inbox.heard_until(stream_id) if inbox else {}
        pairs = [part for sender, seq in handled.items() for part in (sender, str(seq))]
        reply = await self._connection.call(
            "mawep_acknowledge",
            [self._keys.stream(channel), self._keys.meta(channel)],
            [stream_id, *pairs],
        )
        if reply[0] == b"beyond":
            raise MawepError(
                f"{channel} cannot be acknowledged up to {stream_id}",
                cause=f"its last entry is {reply[1].decode()}",
                next_step="acknowledge only what was read from this server",
            )
        if inbox is not None:
            inbox.acknowledged(stream_id)

    async def acknowledged(self, channel: str) -> str:
        """The entry up to which a mailbox is acknowledged, `0-0` when none is."""
        return await self._meta(channel, "acknowledged")

    async def request(self, channel: str, payload: Payload, timeout: float) -> Payload:
        """Send, and wait for the answer in this participant's mailbox; NoReplyError after `timeout` s."""
        mailbox = direct(self.name)
        inboxes = await self._open_inboxes([mailbox], {mailbox: "$"})
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout), aclosing(self._listen(inboxes)) as incoming:
                sent = await self.send(channel, payload)
                async for item in incoming:
                    if isinstance(item, Received) and item.envelope.correlation == sent.id:
                        return item.payload
        raise NoReplyError(
            f"nobody answered a {payload.type_name} on {channel} in {timeout} s",
            cause="its receiver is busy or not running; it may still be carried out",
            next_step="see `mawep status` before you try again",
        )

    async def leave(self) -> None:
        """Remove this participant's own mailbox, unread or not: for a visitor who does not come back."""
        await self._connection.execute("UNLINK", *self._keys.of(direct(self.name)))

    def _next_seq(self, channel: str) -> int:
        # Milliseconds only make a good first guess for a participant that was here before;
        # the server names the right number when the guess is behind.
        guess = int(self._clock.now().timestamp() * 1000)
        self._last_seq[channel] = max(self._last_seq.get(channel, guess) + 1, 1)
        return self._last_seq[channel]

    async def _append(self, channel: str, pending: _Pending) -> None:
        keys, quota = self._keys.of(channel), self._quota if is_mailbox(channel) else 0
        while True:
            sealed = pending.envelope
            args = (sealed.id, self.name, sealed.seq, sealed.to_bytes(), quota)
            reply = await self._connection.call("mawep_send", keys, args)
            if reply[0] != b"behind":
                break
            # Somebody else speaks under this name (a second process, or this one before a crash).
            self._last_seq[channel] = max(self._last_seq[channel], int(reply[1]))
            renumbered = sealed.model_copy(update={"seq": self._next_seq(channel)})
            pending.envelope = seal(renumbered, run=self.run, channel=channel, identity=self._identity)
        if reply[0] == b"full":
            with suppress(KeyError, ValueError):
                self._outbox[channel].remove(pending)
            raise QuotaError(
                f"{channel} is full",
                cause=f"{reply[1].decode()} envelopes wait to be acknowledged",
                next_step="see why its reader does not keep up",
            )
        pending.entry = reply[1].decode()
        self.counters.sent += reply[0] == b"sent"
        self._settle(channel, reply[2].decode())

    def _settle(self, channel: str, acknowledged: str) -> None:
        waiting = self._outbox.get(channel)
        while waiting and waiting[0].entry is not None and not later(waiting[0].entry, acknowledged):
            waiting.popleft()

    async def _open_inboxes(self, channels: Sequence[str], after: Mapping[str, str]) -> dict[str, Inbox]:
        inboxes = {}
        for channel in channels:
            raw = await self._connection.execute("HGETALL", self._keys.meta(checked_channel(channel)))
            meta = {key.decode(): value.decode() for key, value in raw.items()}
            last, start = meta.get("last", START), after.get(channel, START)
            # A server that lost its newest entries goes on behind `start`: what it has now is all new.
            inbox = Inbox(channel, last if start == "$" or later(start, last) else start)
            if is_mailbox(channel):
                inbox.restore(meta, self._inboxes.get(channel))
            inboxes[self._keys.stream(channel)] = inbox
        return inboxes

    async def _meta(self, channel: str, field: str) -> str:
        value = await self._connection.execute("HGET", self._keys.meta(checked_channel(channel)), field)
        return value.decode() if value else START

    async def _take(self, inbox: Inbox, entry: str, raw: bytes) -> Received | None:
        try:
            received = inbox.take(entry, raw, run=self.run, keyring=self._keyring)
        except BadEnvelopeError as error:
            await self._bury(inbox.channel, entry, error, raw)
            return None
        if received is None:
            self.counters.duplicates += 1
            return None
        self.counters.received += 1
        if self._observe is not None:
            self._observe(inbox.channel, max(0.0, (self._clock.now() - received.envelope.at).total_seconds()))
        return received

    async def _bury(self, channel: str, entry: str, error: BadEnvelopeError, raw: bytes) -> None:
        self.counters.dead_letters += 1
        keys = self._keys.of(DEAD_LETTERS)
        detail = error.detail.encode(errors="replace")
        args: list[str | bytes] = [channel, entry, error.reason, detail, raw[:_KEPT_OF_DEAD_LETTER]]
        await self._connection.call("mawep_bury", keys, args)


async def forget_run(connection: Connection, run: str) -> int:
    """Remove every key of `run` from the server; return how many. For an archived run only."""
    count = 0
    async for key in connection.scan(Keyspace(run).prefix + "*"):
        count += await connection.execute("UNLINK", key)
    return count
