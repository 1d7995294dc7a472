"""What leases promise, on every server they may be kept on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mawep.adapters.valkey import Connection
from mawep.clock import VirtualClock
from mawep.coordination.bus import forget_run
from mawep.coordination.channels import RESULTS, Keyspace
from mawep.coordination.leases import Lease, Leases
from mawep.errors import LeaseLostError, StaleFenceError, UsageError

NAME = "101/1"


@pytest.fixture
def leases(connection: Connection, run: str) -> Leases:
    return Leases(connection, run, 300)


@pytest.fixture
def lapsing(connection: Connection, run: str) -> Leases:
    """Leases that have run out by the time anybody looks."""
    return Leases(connection, run, 0.001)


async def results(connection: Connection, run: str) -> list[bytes]:
    entries = await connection.execute("XRANGE", Keyspace(run).stream(RESULTS), "-", "+")
    return [fields[b"envelope"] for _, fields in entries]


async def run_out(leases: Leases) -> None:
    async with asyncio.timeout(20):
        while await leases.holder(NAME) is not None:
            await asyncio.sleep(0)


async def test_acquire_accepts_only_a_greater_fence(leases: Leases) -> None:
    lease = await leases.acquire(NAME, "worker-0", 5, "a")
    assert (lease.name, lease.owner, lease.fence) == (NAME, "worker-0", 5)
    for fence in (1, 4, 5):
        with pytest.raises(StaleFenceError, match=f"under fence {fence}"):
            await leases.acquire(NAME, "worker-1", fence, "b")
    assert await leases.holder(NAME) is not None
    await leases.acquire(NAME, "worker-1", 6, "b")
    holder = await leases.holder(NAME)
    assert holder is not None
    assert holder[:2] == ("worker-1", 6)
    assert 240_000 < holder[2] <= 300_000


async def test_acquire_is_idempotent_per_request_id(leases: Leases) -> None:
    await leases.acquire(NAME, "worker-0", 5, "a")
    await leases.acquire(NAME, "worker-0", 5, "a")
    with pytest.raises(StaleFenceError):
        await leases.acquire(NAME, "worker-0", 5, "another request")
    with pytest.raises(StaleFenceError):
        await leases.acquire(NAME, "worker-1", 5, "a")


async def test_acquire_takes_the_journals_floor(leases: Leases) -> None:
    with pytest.raises(StaleFenceError, match="fence 9 was accepted"):
        await leases.acquire(NAME, "worker-0", 9, "a", floor=9)
    assert (await leases.acquire(NAME, "worker-0", 10, "a", floor=9)).fence == 10


async def test_a_finished_request_does_not_acquire_again(leases: Leases) -> None:
    lease = await leases.acquire(NAME, "worker-0", 5, "a")
    await leases.release(lease)
    with pytest.raises(StaleFenceError):
        await leases.acquire(NAME, "worker-0", 5, "a")
    lease = await leases.acquire(NAME, "worker-0", 6, "b")
    await leases.commit(lease, b"{}")
    with pytest.raises(StaleFenceError):
        await leases.acquire(NAME, "worker-0", 6, "b")


async def test_a_late_renew_works_while_nobody_greater_came(leases: Leases, lapsing: Leases) -> None:
    lease = await lapsing.acquire(NAME, "worker-0", 5, "a")
    await run_out(leases)
    renewed = await leases.renew(lease)
    assert renewed.expires_boottime > lease.expires_boottime
    assert await leases.holder(NAME) is not None
    await leases.acquire(NAME, "worker-1", 6, "b")
    with pytest.raises(StaleFenceError, match="fence 6 was accepted"):
        await leases.renew(renewed)


async def test_renew_and_release_need_owner_and_fence(leases: Leases) -> None:
    lease = await leases.acquire(NAME, "worker-0", 5, "a")
    for other in (replace(lease, owner="worker-1"), replace(lease, fence=6), replace(lease, name="102/1")):
        with pytest.raises(LeaseLostError):
            await leases.renew(other)
        with pytest.raises(LeaseLostError):
            await leases.release(other)
    await leases.release(lease)
    assert await leases.holder(NAME) is None
    with pytest.raises(LeaseLostError, match="does not hold") as lost:
        await leases.renew(lease)
    assert lost.value.cause == "the lease is released"


async def test_commit_appends_once(leases: Leases, connection: Connection, run: str) -> None:
    lease = await leases.acquire(NAME, "worker-0", 5, "a")
    entry = await leases.commit(lease, b"result")
    assert await leases.commit(lease, b"result") == entry
    with pytest.raises(StaleFenceError, match="has committed another result already"):
        await leases.commit(lease, b"another result")
    assert await results(connection, run) == [b"result"]


async def test_commit_requires_held_and_not_done(
    leases: Leases, lapsing: Leases, connection: Connection, run: str
) -> None:
    never = Lease(run, NAME, "worker-0", 5, 0.0)
    with pytest.raises(LeaseLostError):
        await leases.commit(never, b"never acquired")
    released = await leases.acquire(NAME, "worker-0", 5, "a")
    await leases.release(released)
    with pytest.raises(LeaseLostError):
        await leases.commit(released, b"released")
    lapsed = await lapsing.acquire(NAME, "worker-0", 6, "b")
    await run_out(leases)
    await leases.commit(lapsed, b"late, but nobody greater came")
    for refused in (leases.renew, leases.release):
        with pytest.raises(LeaseLostError):
            await refused(lapsed)
    assert await results(connection, run) == [b"late, but nobody greater came"]


async def test_a_stale_commit_is_refused_even_repeated(
    leases: Leases, connection: Connection, run: str
) -> None:
    lease = await leases.acquire(NAME, "worker-0", 5, "a")
    await leases.commit(lease, b"result")
    again = await leases.acquire(NAME, "worker-1", 6, "b")
    with pytest.raises(StaleFenceError):
        await leases.commit(lease, b"result")
    await leases.commit(again, b"result")
    assert await results(connection, run) == [b"result", b"result"]


async def test_a_greater_fence_reopens_a_done_lease(leases: Leases) -> None:
    await leases.commit(await leases.acquire(NAME, "worker-0", 5, "a"), b"{}")
    assert await leases.holder(NAME) is None
    lease = await leases.acquire(NAME, "worker-0", 6, "b")
    await leases.renew(lease)


async def test_of_many_at_once_the_greatest_fence_holds(leases: Leases) -> None:
    async def attempt(fence: int) -> bool:
        try:
            await leases.acquire(NAME, f"worker-{fence}", fence, "a")
        except StaleFenceError:
            return False
        return True

    won = await asyncio.gather(*(attempt(fence) for fence in (3, 1, 4, 15, 9, 2, 6)))
    assert won[3]
    holder = await leases.holder(NAME)
    assert holder is not None
    assert holder[:2] == ("worker-15", 15)


async def test_expiry_is_told_on_this_machines_boottime(connection: Connection, run: str) -> None:
    clock = VirtualClock()
    clock.advance(100)
    leases = Leases(connection, run, 30, clock)
    lease = await leases.acquire(NAME, "worker-0", 5, "a")
    assert lease.expires_boottime == 130
    clock.advance(5)
    assert (await leases.renew(lease)).expires_boottime == 135


@pytest.mark.parametrize("name", ["", "a b", "a}b", "../x:y", "x" * 200])
async def test_a_name_that_could_mean_another_key_is_refused(leases: Leases, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a lease"):
        await leases.acquire(name, "worker-0", 1, "a")


@dataclass
class Model:
    """A lease in twelve lines."""

    fence: int = 0
    owner: str = ""
    request: str = ""
    state: str = "free"
    committed: bytes = b""

    def acquire(self, owner: str, fence: int, request: str) -> bool:
        repeated = (owner, fence, request, "held") == (self.owner, self.fence, self.request, self.state)
        if fence > self.fence:
            self.fence, self.owner, self.request, self.state = fence, owner, request, "held"
        return repeated or (owner, fence, request, "held") == (
            self.owner,
            self.fence,
            self.request,
            self.state,
        )

    def use(self, owner: str, fence: int, becomes: str) -> bool:
        held = (owner, fence, "held") == (self.owner, self.fence, self.state)
        if held:
            self.state = becomes
        return held

    def commit(self, owner: str, fence: int, payload: bytes) -> bool:
        if (owner, fence, "done") == (self.owner, self.fence, self.state):
            return payload == self.committed
        if not self.use(owner, fence, "done"):
            return False
        self.committed = payload
        return True


OWNERS = st.sampled_from(["worker-0", "worker-1"])
FENCES = st.integers(1, 6)
STEPS = st.one_of(
    st.tuples(st.just("acquire"), OWNERS, FENCES, st.sampled_from(["a", "b"])),
    st.tuples(st.just("renew"), OWNERS, FENCES, st.none()),
    st.tuples(st.just("release"), OWNERS, FENCES, st.none()),
    st.tuples(st.just("commit"), OWNERS, FENCES, st.sampled_from([b"x", b"y"])),
)


@given(steps=st.lists(st.tuples(STEPS, st.booleans()), max_size=30))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_leases_do_what_the_model_does(
    connection: Connection, run: str, steps: list[tuple[tuple[str, str, int, str | bytes | None], bool]]
) -> None:
    """Whether a lease has run out changes nothing: only a greater fence does."""
    await forget_run(connection, run)
    model, lasting, lapsing = Model(), Leases(connection, run, 30), Leases(connection, run, 0.001)
    expected: list[bytes] = []
    for (step, owner, fence, extra), lapses in steps:
        leases, lease = lapsing if lapses else lasting, Lease(run, NAME, owner, fence, 0.0)
        if step == "acquire":
            allowed = model.acquire(owner, fence, str(extra))
            action = leases.acquire(NAME, owner, fence, str(extra))
        elif step == "commit":
            payload = bytes(extra)  # type: ignore[arg-type]
            fresh = model.state == "held"
            allowed = model.commit(owner, fence, payload)
            expected += [payload] if allowed and fresh else []
            action = leases.commit(lease, payload)  # type: ignore[assignment]
        else:
            allowed = model.use(owner, fence, "released" if step == "release" else "held")
            action = getattr(leases, step)(lease)
        assert await _succeeds(action) == allowed, (step, owner, fence, extra)
    assert await results(connection, run) == expected


async def _succeeds(action: object) -> bool:
    try:
        await action  # type: ignore[misc]
    except LeaseLostError:
        return False
    return True
