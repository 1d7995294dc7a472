"""The renewal watch: renews while it can, and says in time when it cannot."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from mawep.adapters.valkey import Connection
from mawep.adapters.valkey_embedded import EmbeddedServer
from mawep.clock import VirtualClock
from mawep.coordination.leases import Lease, Leases, RenewalWatch
from mawep.errors import BusGoneError, LeaseLostError, MawepError, StaleFenceError

TTL = 30.0


class PatientClock(VirtualClock):
    """Stops the watch once it slept long enough; `suspend` is a machine that sleeps meanwhile."""

    def __init__(self, *, stop_after: float = 1e9, suspend: float = 0.0) -> None:
        super().__init__()
        self.naps: list[float] = []
        self._stop_after = stop_after
        self._suspend = suspend

    async def sleep(self, seconds: float) -> None:
        if self.awake() >= self._stop_after:
            raise asyncio.CancelledError
        self.naps.append(seconds)
        await super().sleep(seconds + self._suspend)


async def watch(leases: Leases, lease: Lease, clock: PatientClock) -> tuple[list[MawepError], list[Lease]]:
    lost: list[MawepError] = []
    renewed: list[Lease] = []

    async def on_lost(reason: MawepError) -> None:
        lost.append(reason)

    await RenewalWatch(leases, lease, clock, lost=on_lost, renewed=renewed.append).run()
    return lost, renewed


async def test_it_renews_every_sixth_of_the_ttl(connection: Connection, run: str) -> None:
    clock = PatientClock(stop_after=600)
    leases = Leases(connection, run, TTL, clock)
    lease = await leases.acquire("1/1", "worker-0", 1, "a")
    renewed: list[Lease] = []

    async def lost(reason: MawepError) -> None:
        raise reason

    with pytest.raises(asyncio.CancelledError):
        await RenewalWatch(leases, lease, clock, lost=lost, renewed=renewed.append).run()
    assert set(clock.naps) == {TTL / 6}
    assert [lease.expires_boottime for lease in renewed] == [5.0 * n + TTL for n in range(1, 121)]


async def test_a_greater_fence_is_a_loss_at_once(connection: Connection, run: str) -> None:
    clock = PatientClock()
    leases = Leases(connection, run, TTL, clock)
    lease = await leases.acquire("1/1", "worker-0", 1, "a")
    await leases.acquire("1/1", "worker-1", 2, "b")
    lost, renewed = await watch(leases, lease, clock)
    assert [type(reason) for reason in lost] == [StaleFenceError]
    assert renewed == []
    assert clock.awake() == TTL / 6


async def test_without_a_server_it_is_lost_before_the_server_would_say_so(tmp_path: Path) -> None:
    server = await EmbeddedServer.ensure(tmp_path / "valkey")
    connection = await Connection.connect(server.url)
    clock = PatientClock()
    leases = Leases(connection, "r", TTL, clock)
    lease = await leases.acquire("1/1", "worker-0", 1, "a")
    os.kill(server.pid, signal.SIGKILL)
    lost, _ = await watch(leases, lease, clock)
    assert [type(reason) for reason in lost] == [BusGoneError]
    assert clock.awake() == pytest.approx(0.9 * TTL)
    await connection.close()
    await server.restart()
    await server.stop()


async def test_a_short_outage_costs_nothing(tmp_path: Path) -> None:
    server = await EmbeddedServer.ensure(tmp_path / "valkey")
    connection = await Connection.connect(server.url)

    class Outage(PatientClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if len(self.naps) == 1:
                os.kill(server.pid, signal.SIGKILL)
            elif len(self.naps) == 3:
                await server.restart()

    clock = Outage(stop_after=60)
    leases = Leases(connection, "r", TTL, clock)
    lease = await leases.acquire("1/1", "worker-0", 1, "a")
    with pytest.raises(asyncio.CancelledError):
        await watch(leases, lease, clock)
    holder = await leases.holder("1/1")
    assert holder is not None
    assert holder[:2] == ("worker-0", 1)
    await connection.close()
    await server.stop()


async def test_leases_use_boottime_so_suspended_time_counts(connection: Connection, run: str) -> None:
    clock = PatientClock(suspend=3600)
    leases = Leases(connection, run, TTL, clock)
    lease = await leases.acquire("1/1", "worker-0", 1, "a")
    lost, renewed = await watch(leases, lease, clock)
    assert [type(reason) for reason in lost] == [LeaseLostError]
    assert "suspended" in lost[0].cause
    assert renewed == []


async def test_a_server_that_hangs_is_not_waited_for_past_the_margin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mawep.adapters.valkey.ANSWER_TIMEOUT", 60.0)
    server = await EmbeddedServer.ensure(tmp_path / "valkey")
    connection = await Connection.connect(server.url)
    clock = PatientClock()
    leases = Leases(connection, "r", 0.6, clock)
    lease = await leases.acquire("1/1", "worker-0", 1, "a")
    os.kill(server.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(30):  # less than the minute that the server has to answer
            lost, _ = await watch(leases, lease, clock)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert [reason.cause for reason in lost] == ["the server did not answer in time"]
    await connection.close()
    await server.stop()
