"""Leases: the right of one owner to work under one fence, kept on the server, by the server's clock.

The journal mints fences; the server only accepts a greater one than it has seen. The last accepted fence may
renew and commit, however late, until a greater one is accepted: a short outage does not end healthy work, and
of two owners only the later can write a result. A committed fence is done; a greater one reopens the lease.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from mawep.adapters.valkey import Connection
from mawep.clock import Clock, SystemClock
from mawep.coordination.channels import RESULTS, Keyspace
from mawep.errors import BusGoneError, LeaseLostError, MawepError, StaleFenceError, UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")


@dataclass(frozen=True)
class Lease:
    """A held lease. `expires_boottime` is this machine's CLOCK_BOOTTIME, never later than the server's."""

    run: str
    name: str
    owner: str
    fence: int
    expires_boottime: float


class Leases:
    """The leases of one run. `ttl` is seconds."""

    def __init__(self, connection: Connection, run: str, ttl: float, clock: Clock | None = None) -> None:
        self.ttl = ttl
        self._connection = connection
        self._keys = Keyspace(run)
        self._clock = clock or SystemClock()

    async def acquire(self, name: str, owner: str, fence: int, request_id: str, *, floor: int = 0) -> Lease:
        """Take the lease with a fence greater than `floor` and than any the server has seen for `name`.

        The same request made again succeeds again while it holds the lease. Raises StaleFenceError.
        """
        expires = self._expiry()
        reply = await self._call("mawep_acquire", name, owner, fence, request_id, self._ttl_ms, floor)
        lease = Lease(self._keys.run, name, owner, fence, expires)
        self._expect(b"held", reply, lease)
        return lease

    async def renew(self, lease: Lease) -> Lease:
        """Extend the lease by the ttl, even past its expiry; LeaseLostError once it is not ours any more."""
        expires = self._expiry()
        reply = await self._call("mawep_renew", lease.name, lease.owner, lease.fence, self._ttl_ms)
        self._expect(b"held", reply, lease)
        return replace(lease, expires_boottime=expires)

    async def release(self, lease: Lease) -> None:
        """Give the lease back without a result; LeaseLostError when it is not ours any more."""
        self._expect(
            b"released", await self._call("mawep_release", lease.name, lease.owner, lease.fence), lease
        )

    async def commit(self, lease: Lease, payload: bytes) -> str:
        """Append `payload` to the results stream, once, and mark the fence done; return the entry's id.

        The same payload committed again returns the same id. Raises LeaseLostError, or StaleFenceError
        when a greater fence was accepted or this fence already committed something else.
        """
        results = [self._keys.stream(RESULTS), self._keys.meta(RESULTS)]
        digest = hashlib.sha256(payload).hexdigest()
        reply = await self._connection.call(
            "mawep_commit",
            [self._lease_key(lease.name), *results],
            [lease.owner, lease.fence, payload, digest],
        )
        if reply == [b"lost", b"done"]:
            raise StaleFenceError(
                f"fence {lease.fence} of {lease.name} has committed another result already",
                next_step="compare the two results; only the first one counts",
            )
        self._expect(b"committed", reply, lease)
        return str(reply[1].decode())

    async def holder(self, name: str) -> tuple[str, int, int] | None:
        """(owner, fence, remaining milliseconds), or None when nobody holds the lease now."""
        reply = await self._call("mawep_holder", name)
        return (reply[0].decode(), int(reply[1]), int(reply[2])) if reply else None

    @property
    def _ttl_ms(self) -> int:
        return int(self.ttl * 1000)

    def _expiry(self) -> float:
        return self._clock.boottime() + self.ttl

    def _lease_key(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot name a lease", next_step="use letters, digits, '.', '_', '/', '-'"
            )
        return self._keys.lease(name)

    async def _call(self, function: str, name: str, *args: str | int) -> Any:
        return await self._connection.call(function, [self._lease_key(name)], args)

    def _expect(self, wanted: bytes, reply: list[bytes], lease: Lease) -> None:
        if reply[0] == wanted:
            return
        what = f"{lease.owner} does not hold {lease.name} under fence {lease.fence}"
        step = "stop this work; its commits are kept"
        if reply[0] == b"stale":
            raise StaleFenceError(what, cause=f"fence {int(reply[1])} was accepted", next_step=step)
        raise LeaseLostError(what, cause=f"the lease is {reply[1].decode()}", next_step=step)


class RenewalWatch:
    """Renews a lease every sixth of its ttl, and says so when it could not for nine tenths of it.

    Time is CLOCK_BOOTTIME: a machine that was suspended for too long has lost the lease when it wakes up.
    `renewed` is called with each renewed lease, so that deadlines that hang on it can follow.
    """

    def __init__(
        self,
        leases: Leases,
        lease: Lease,
        clock: Clock,
        *,
        lost: Callable[[MawepError], Awaitable[None]],
        renewed: Callable[[Lease], None] | None = None,
    ) -> None:
        self.lease = lease
        self._leases = leases
        self._clock = clock
        self._lost = lost
        self._renewed = renewed

    async def run(self) -> None:
        """Renew until cancelled or lost; `lost` is awaited once, with the reason, before this returns."""
        reason: MawepError | None = None
        while True:
            await self._clock.sleep(max(0.0, min(self._leases.ttl / 6, self._left())))
            if self._left() <= 0:
                return await self._lost(reason or self._silence("this process or machine was suspended"))
            try:
                async with asyncio.timeout(self._left()):
                    self.lease = await self._leases.renew(self.lease)
            except LeaseLostError as error:
                return await self._lost(error)
            except BusGoneError as error:
                reason = error
            except TimeoutError:
                reason = self._silence("the server did not answer in time")
            else:
                reason = None
                if self._renewed is not None:
                    self._renewed(self.lease)

    def _left(self) -> float:
        """Seconds until the lease counts as lost."""
        return self.lease.expires_boottime - 0.1 * self._leases.ttl - self._clock.boottime()

    def _silence(self, cause: str) -> LeaseLostError:
        return LeaseLostError(
            f"the lease {self.lease.name} was not renewed for {0.9 * self._leases.ttl:.0f} s",
            cause=cause,
            next_step="stop this work; its commits are kept",
        )
