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
from mawep.errors import BusGoneError, LeaseLostError, StaleFenceError, UsageError

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
    """Renews a lease every sixth of its ttl, and says so when it could not for nine tenths of it."""

    def __init__(
        self,
        leases: Leases,
        lease: Lease,
        clock: Clock,
        *,
        lost: Callable[[Exception], Awaitable[None]],
        renewed: Callable[[Lease], None],
    ) -> None:
        self.lease = lease
        self._leases = leases
        self._clock = clock
        self._lost = lost
        self._renewed = renewed
        self._margin = 0.9 * leases.ttl

    async def run(self) -> None:
        """Renew until cancelled or lost; `lost` is awaited once, with the reason, before this returns."""
        last = self.lease.expires_boottime - self._leases.ttl
        reason: Exception = BusGoneError(
            "the lease was not renewed in time", cause="this machine was suspended"
        )
        while self._clock.boottime() - last < self._margin:
            try:
                async with asyncio.timeout(max(0.0, last + self._margin - self._clock.boottime())):
                    self.lease = await self._leases.renew(self.lease)
            except LeaseLostError as error:
                return await self._lost(error)
            except (BusGoneError, TimeoutError) as error:
                reason = error
            else:
                last = self.lease.expires_boottime - self._leases.ttl
                self._renewed(self.lease)
            left = last + self._margin - self._clock.boottime()
            await self._clock.sleep(max(0.0, min(self._leases.ttl / 6, left)))
        return await self._lost(reason)
