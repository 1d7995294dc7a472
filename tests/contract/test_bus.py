"""What the bus promises, on every server it may run on."""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import tempfile
from contextlib import aclosing
from pathlib import Path

import pytest

from mawep.adapters.valkey import Connection, open_client
from mawep.clock import SystemClock
from mawep.coordination.bus import Bus, NoReplyError, QuotaError, forget_run
from mawep.coordination.channels import BLOCKERS, DEAD_LETTERS, ORCHESTRATOR, RESULTS, Keyspace, direct
from mawep.coordination.envelopes import MAX_BYTES
from mawep.coordination.identity import Identity, Keyring, visitor
from mawep.coordination.inbox import Gap, Received
from mawep.coordination.leases import Leases
from mawep.coordination.payloads import Blocker, Ping, Reply, Send
from mawep.coordination.sealing import EnvelopeTooLargeError, seal
from mawep.errors import BusGoneError, MawepError, UsageError
from tests.support.participants import BusOf, take, texts

MAILBOX = direct(ORCHESTRATOR)


def say(text: str) -> Send:
    return Send(target="101", text=text)


def blocker(text: str) -> Blocker:
    return Blocker(issue=1, attempt=1, kind="quota", text=text)


async def put(connection: Connection, run: str, channel: str, raw: bytes) -> None:
    """Append behind the bus's back, as somebody with access to the server could."""
    await connection.execute("XADD", Keyspace(run).stream(channel), "*", "envelope", raw)


async def dead_letters(connection: Connection, run: str) -> list[dict[str, str]]:
    entries = await connection.execute("XRANGE", Keyspace(run).stream(DEAD_LETTERS), "-", "+")
    return [
        {key.decode(): value.decode(errors="replace") for key, value in fields.items()}
        for _, fields in entries
    ]


async def test_what_is_sent_is_read_in_order_with_everything_it_carries(bus_of: BusOf) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    sent = [
        await worker.send(MAILBOX, say(f"{n}"), correlation="c", fence=7, traceparent="00-ab-cd-01")
        for n in range(3)
    ]
    received = await take(orchestrator.read([MAILBOX]), 3)
    assert [item.envelope for item in received if isinstance(item, Received)] == sent
    first = received[0]
    assert isinstance(first, Received)
    assert isinstance(first.payload, Send)
    assert (first.envelope.to, first.envelope.sender, first.envelope.fence) == (ORCHESTRATOR, "worker-0", 7)
    assert [envelope.seq for envelope in sent] == sorted({envelope.seq for envelope in sent})


async def test_a_reader_waits_for_what_comes(bus_of: BusOf) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    reading = asyncio.create_task(texts(orchestrator.read([MAILBOX, BLOCKERS]), 2))
    await worker.send(BLOCKERS, blocker("first"))
    await worker.send(MAILBOX, say("second"))
    assert sorted(map(str, await reading)) == ["first", "second"]


async def test_a_mere_listener_hears_by_pattern_subscription(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    async with connection.client.pubsub() as subscription:
        await subscription.psubscribe("mawep:*")
        assert (await subscription.get_message(timeout=5))["type"] == "psubscribe"
        sent = await bus_of("worker-0").send(BLOCKERS, blocker("heard"))
        heard = await subscription.get_message(timeout=5)
    assert heard["channel"].decode() == f"mawep:{{{run}}}:{BLOCKERS}"
    assert json.loads(heard["data"])["id"] == sent.id


async def test_a_second_reader_starts_where_it_is_told(bus_of: BusOf) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    for n in range(4):
        await worker.send(BLOCKERS, blocker(f"{n}"))
    second = (await take(orchestrator.read([BLOCKERS]), 4))[1]
    assert isinstance(second, Received)
    assert await texts(orchestrator.read([BLOCKERS], {BLOCKERS: second.stream_id}), 2) == ["2", "3"]


async def test_from_now_on_skips_what_was_before(bus_of: BusOf) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    await worker.send(BLOCKERS, blocker("before"))
    incoming = orchestrator.read([BLOCKERS], {BLOCKERS: "$"})
    reading = asyncio.create_task(texts(incoming, 1))

    while not reading.done():
        await worker.send(BLOCKERS, blocker("now"))
    assert await reading == ["now"]


async def test_resend_keeps_ids_and_adds_nothing_that_is_there(bus_of: BusOf) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    sent = [await worker.send(MAILBOX, say(f"{n}")) for n in range(3)]
    assert await worker.resend() == 3
    assert await texts(orchestrator.read([MAILBOX]), 3) == ["0", "1", "2"]
    assert worker.counters.sent == 3
    assert (await orchestrator.acknowledged(MAILBOX)) == "0-0"
    assert worker.unacknowledged == len(sent)


async def test_the_outbox_lets_go_of_what_was_acknowledged(bus_of: BusOf) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    for n in range(3):
        await worker.send(MAILBOX, say(f"{n}"))
    second = (await take(orchestrator.read([MAILBOX]), 2))[1]
    assert isinstance(second, Received)
    await orchestrator.acknowledge(MAILBOX, second.stream_id)
    assert await worker.resend() == 1
    assert worker.unacknowledged == 1


async def test_what_the_server_lost_comes_again_under_its_id_and_is_believed(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    incoming = orchestrator.read([MAILBOX])
    async with aclosing(incoming):
        first = await worker.send(MAILBOX, say("first"))
        assert isinstance(got := await anext(incoming), Received)
        assert got.envelope.id == first.id
        await worker.send(MAILBOX, say("second"))
        await forget_run(connection, run)  # as a failover does that loses the tail
        await worker.send(MAILBOX, say("third"))
        assert await worker.resend() == 3
        assert isinstance(third := await anext(incoming), Received)
        assert isinstance(second := await anext(incoming), Received)
    assert [third.envelope.payload["text"], second.envelope.payload["text"]] == ["third", "second"]
    assert (orchestrator.counters.duplicates, orchestrator.counters.dead_letters) == (1, 0)


async def test_two_processes_under_one_name_do_not_disturb_each_other(bus_of: BusOf) -> None:
    identity = Identity.create("worker-0")
    one, other, orchestrator = bus_of(identity), bus_of(identity), bus_of(ORCHESTRATOR)
    for n in range(5):
        await asyncio.gather(one.send(MAILBOX, say(f"one {n}")), other.send(MAILBOX, say(f"other {n}")))
    assert len(await texts(orchestrator.read([MAILBOX]), 10)) == 10
    assert orchestrator.counters.dead_letters == 0


async def test_sends_at_the_same_time_are_all_believed(bus_of: BusOf) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    await asyncio.gather(*(worker.send(MAILBOX, say(f"{n}")) for n in range(50)))
    assert await texts(orchestrator.read([MAILBOX]), 50) == [f"{n}" for n in range(50)]


async def test_a_participant_with_a_clock_that_went_back_is_still_believed(bus_of: BusOf) -> None:
    identity = Identity.create("worker-0")
    orchestrator, before = bus_of(ORCHESTRATOR), bus_of(identity)
    before._last_seq[MAILBOX] = 2**52
    await before.send(MAILBOX, say("before"))
    await bus_of(identity).send(MAILBOX, say("after"))
    assert await texts(orchestrator.read([MAILBOX]), 2) == ["before", "after"]


async def test_over_quota_is_an_error_to_the_sender(bus_of: BusOf) -> None:
    worker, orchestrator = bus_of("worker-0", quota=3), bus_of(ORCHESTRATOR)
    for n in range(3):
        await worker.send(MAILBOX, say(f"{n}"))
    with pytest.raises(QuotaError, match="direct:orchestrator is full"):
        await worker.send(MAILBOX, say("one too many"))
    assert worker.unacknowledged == 3
    last = (await take(orchestrator.read([MAILBOX]), 3))[-1]
    assert isinstance(last, Received)
    await orchestrator.acknowledge(MAILBOX, last.stream_id)
    await worker.send(MAILBOX, say("fits"))
    assert await texts(orchestrator.read([MAILBOX]), 1) == ["fits"]


async def test_trim_only_behind_the_acknowledged_cursor(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    for n in range(6):
        await worker.send(MAILBOX, say(f"{n}"))
    items = [item for item in await take(orchestrator.read([MAILBOX]), 6) if isinstance(item, Received)]
    await orchestrator.acknowledge(MAILBOX, items[2].stream_id)
    await orchestrator.acknowledge(MAILBOX, items[1].stream_id)  # late and out of order: changes nothing
    assert await orchestrator.acknowledged(MAILBOX) == items[2].stream_id
    kept = await connection.execute("XRANGE", Keyspace(run).stream(MAILBOX), "-", "+")
    assert [entry.decode() for entry, _ in kept] == [item.stream_id for item in items[2:]]
    assert await texts(orchestrator.read([MAILBOX]), 3) == ["3", "4", "5"]


async def test_what_nobody_sent_cannot_be_acknowledged(bus_of: BusOf) -> None:
    orchestrator = bus_of(ORCHESTRATOR)
    await bus_of("worker-0").send(MAILBOX, say("one"))
    with pytest.raises(MawepError, match="cannot be acknowledged up to 99999999999999-0"):
        await orchestrator.acknowledge(MAILBOX, "99999999999999-0")
    assert await texts(orchestrator.read([MAILBOX]), 1) == ["one"]


async def test_a_reader_that_fell_behind_the_cap_is_told(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    for n in range(5):
        await worker.send(BLOCKERS, blocker(f"{n}"))
    second = (await take(orchestrator.read([BLOCKERS]), 2))[1]
    assert isinstance(second, Received)
    await connection.execute("XTRIM", Keyspace(run).stream(BLOCKERS), "MAXLEN", "=", 1)
    gap, last = await take(orchestrator.read([BLOCKERS], {BLOCKERS: second.stream_id}), 2)
    assert gap == Gap(BLOCKERS, second.stream_id)
    assert isinstance(last, Received)
    assert last.envelope.payload["text"] == "4"
    assert orchestrator.counters.dropped == 1


async def test_status_streams_are_capped_and_mailboxes_are_not(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    keys = Keyspace(run)
    for channel, quota in ((BLOCKERS, 0), (MAILBOX, 10**9)):
        pipeline = connection.client.pipeline(transaction=False)
        for n in range(1, 10_301):
            pipeline.fcall("mawep_send", 4, *keys.of(channel), f"id-{n}", "worker-0", n, b"{}", quota)
        await pipeline.execute()
    assert 10_000 <= await connection.execute("XLEN", keys.stream(BLOCKERS)) < 10_200
    assert await connection.execute("XLEN", keys.stream(MAILBOX)) == 10_300


async def test_seen_ids_are_kept_longer_than_entries_and_not_for_ever(
    connection: Connection, run: str
) -> None:
    stream, seen, entries, meta = Keyspace(run).of(BLOCKERS)
    pipeline = connection.client.pipeline(transaction=False)
    for n in range(1, 20_101):
        pipeline.fcall("mawep_send", 4, stream, seen, entries, meta, f"id-{n:05}", "worker-0", n, b"{}", 0)
    await pipeline.execute()
    assert await connection.execute("ZCARD", seen) == 20_000
    assert await connection.execute("HLEN", entries) == 20_000
    assert await connection.execute("HEXISTS", entries, "id-00101")
    assert not await connection.execute("HEXISTS", entries, "id-00100")


async def test_what_cannot_be_believed_is_buried_and_the_reader_goes_on(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    stranger = Bus(connection, run, Identity.create("stranger"), Keyring(), SystemClock())
    impostor = Bus(connection, run, Identity.create("worker-0"), Keyring(), SystemClock())
    good = json.loads(worker.seal(MAILBOX, say("good")).to_bytes())
    bad = {
        "malformed": [
            b"",
            b"{",
            b"[]",
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"seq": NaN}',
            b'{"v": 1, "v": 1}',
            json.dumps(good | {"sig": "not hexadecimal"}).encode(),
            json.dumps(good | {"at": "yesterday"}).encode(),
            json.dumps(good | {"seq": 0}).encode(),
            json.dumps(good | {"id": "1"}).encode(),
        ],
        "oversize": [b" " * (MAX_BYTES + 1)],
        "unknown_sender": [stranger.seal(MAILBOX, say("hello")).to_bytes()],
        "forged": [
            impostor.seal(MAILBOX, say("I am worker-0")).to_bytes(),
            json.dumps(good | {"sig": ""}).encode(),
            json.dumps(good | {"fence": 99}).encode(),
            json.dumps(good | {"seq": good["seq"] + 1}).encode(),
            json.dumps(good | {"unknown": "field"}).encode(),
            worker.seal(BLOCKERS, blocker("for another channel")).to_bytes(),
            seal(
                worker.seal(MAILBOX, say("x")), run="another", channel=MAILBOX, identity=worker._identity
            ).to_bytes(),
        ],
        "wrong_recipient": [
            seal(
                worker.seal(MAILBOX, say("x")).model_copy(update={"to": "worker-1"}),
                run=run,
                channel=MAILBOX,
                identity=worker._identity,
            ).to_bytes()
        ],
        "unknown_type": [
            seal(
                worker.seal(MAILBOX, say("x")).model_copy(update={"type": "surprise"}),
                run=run,
                channel=MAILBOX,
                identity=worker._identity,
            ).to_bytes()
        ],
        "bad_payload": [
            seal(
                worker.seal(MAILBOX, say("x")).model_copy(update={"payload": {"target": 1}}),
                run=run,
                channel=MAILBOX,
                identity=worker._identity,
            ).to_bytes()
        ],
    }
    for raws in bad.values():
        for raw in raws:
            await put(connection, run, MAILBOX, raw)
    await connection.execute("XADD", Keyspace(run).stream(MAILBOX), "*", "other", "x", "before", "not an id")
    await worker.send(MAILBOX, say("still here"))
    assert await texts(orchestrator.read([MAILBOX]), 1) == ["still here"]
    buried = await dead_letters(connection, run)
    reasons = [reason for reason, raws in bad.items() for _ in raws] + ["malformed"]
    assert [letter["reason"] for letter in buried] == reasons
    assert orchestrator.counters.dead_letters == len(reasons)
    assert {letter["channel"] for letter in buried} == {MAILBOX}


async def test_a_bad_envelope_is_buried_once_however_often_it_is_read(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    await put(connection, run, BLOCKERS, b"nonsense")
    await worker.send(BLOCKERS, blocker("fine"))
    for _ in range(3):
        assert await texts(orchestrator.read([BLOCKERS]), 1) == ["fine"]
    assert len(await dead_letters(connection, run)) == 1


async def test_replayed_and_reordered_envelopes_are_buried_and_duplicates_dropped(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    older, newer = worker.seal(MAILBOX, say("older")), worker.seal(MAILBOX, say("newer"))
    for envelope in (newer, newer, older):
        await put(connection, run, MAILBOX, envelope.to_bytes())
    await worker.send(MAILBOX, say("newest"))
    assert await texts(orchestrator.read([MAILBOX]), 2) == ["newer", "newest"]
    assert orchestrator.counters.duplicates == 1
    assert [letter["reason"] for letter in await dead_letters(connection, run)] == ["replayed"]


async def test_a_restarted_reader_still_knows_a_replay(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    old = await worker.send(MAILBOX, say("handled"))
    item = (await take(orchestrator.read([MAILBOX]), 1))[0]
    assert isinstance(item, Received)
    await orchestrator.acknowledge(MAILBOX, item.stream_id)
    await put(connection, run, MAILBOX, old.to_bytes())
    await worker.send(MAILBOX, say("next"))
    restarted = bus_of(ORCHESTRATOR)
    assert await texts(restarted.read([MAILBOX]), 1) == ["next"]
    assert [letter["reason"] for letter in await dead_letters(connection, run)] == ["replayed"]


async def test_a_reader_back_from_an_outage_knows_what_it_took_and_did_not_acknowledge(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    first, second = [await worker.send(MAILBOX, say(text)) for text in ("first", "second")]
    items = await take(orchestrator.read([MAILBOX]), 2)
    assert isinstance(items[0], Received)
    await put(connection, run, MAILBOX, first.to_bytes())
    again = await take(orchestrator.read([MAILBOX], {MAILBOX: items[0].stream_id}), 1)
    assert isinstance(again[0], Received)
    assert again[0].envelope.id == second.id
    await worker.send(MAILBOX, say("third"))
    assert await texts(orchestrator.read([MAILBOX], {MAILBOX: again[0].stream_id}), 1) == ["third"]
    assert orchestrator.counters.duplicates == 1


async def test_too_large_is_refused_at_the_sender(bus_of: BusOf) -> None:
    worker = bus_of("worker-0")
    with pytest.raises(EnvelopeTooLargeError, match="too large"):
        await worker.send(MAILBOX, say("x" * MAX_BYTES))
    assert worker.unacknowledged == 0


@pytest.mark.parametrize(
    "channel", ["dead_letters", "seen:results", "broadcast:other", "direct:", "direct:a/b", ""]
)
async def test_only_channels_that_exist_can_be_used(bus_of: BusOf, channel: str) -> None:
    worker = bus_of("worker-0")
    with pytest.raises((UsageError, MawepError)):
        await worker.send(channel, say("x"))
    with pytest.raises((UsageError, MawepError)):
        await take(worker.read([channel]), 1)


async def test_unknown_fields_are_kept(bus_of: BusOf) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    newer = Send.model_validate({"target": "101", "text": "x", "colour": "green"})
    await worker.send(MAILBOX, newer)
    item = (await take(orchestrator.read([MAILBOX]), 1))[0]
    assert isinstance(item, Received)
    assert item.payload.model_dump()["colour"] == "green"


async def test_request_is_answered_by_its_correlation(bus_of: BusOf) -> None:
    asker, orchestrator = bus_of("cli-1"), bus_of(ORCHESTRATOR)

    async def answer() -> None:
        async with aclosing(orchestrator.read([MAILBOX])) as incoming:
            async for item in incoming:
                assert isinstance(item, Received)
                await orchestrator.send(direct("cli-1"), Reply(ok=False, text="not this one"))
                await orchestrator.reply(item.envelope, Reply(ok=True, text="done", data={"n": 1}))

    answering = asyncio.create_task(answer())
    replies = [await asker.request(MAILBOX, Ping(), 20) for _ in range(2)]
    answering.cancel()
    await asyncio.wait([answering])
    assert replies == [Reply(ok=True, text="done", data={"n": 1})] * 2


async def test_a_request_that_nobody_answers_says_so(bus_of: BusOf) -> None:
    with pytest.raises(NoReplyError, match=r"nobody answered a ping on direct:orchestrator in 0\.05 s"):
        await bus_of("cli-1").request(MAILBOX, Ping(), 0.05)


async def test_a_visitor_is_trusted_while_it_is_there_and_leaves_no_mailbox(
    connection: Connection, run: str, tmp_path: Path
) -> None:
    orchestrator = Bus(
        connection,
        run,
        Identity.load_or_create(tmp_path, ORCHESTRATOR),
        Keyring(directory=tmp_path),
        SystemClock(),
    )
    with visitor(tmp_path, "cli") as identity:
        asker = Bus(connection, run, identity, Keyring(directory=tmp_path), SystemClock())
        asking = asyncio.create_task(asker.request(MAILBOX, Ping(), 20))
        item = (await take(orchestrator.read([MAILBOX]), 1))[0]
        assert isinstance(item, Received)
        await orchestrator.reply(item.envelope, Reply(ok=True, text="pong"))
        assert await asking == Reply(ok=True, text="pong")
        await asker.leave()
    assert [key async for key in connection.scan(f"*{identity.name}*")] == []
    assert not Keyring(directory=tmp_path).knows(identity.name)
    assert orchestrator.unacknowledged == 0


async def test_results_of_one_worker_are_believed_in_any_order_and_once_per_fence(
    bus_of: BusOf, connection: Connection, run: str
) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)
    leases = Leases(connection, run, 30)
    held = [await leases.acquire(f"{n}/1", "worker-0", n, "r") for n in (1, 2)]
    sealed = [worker.seal(RESULTS, say(f"{n}"), fence=n).to_bytes() for n in (1, 2)]
    await leases.commit(held[1], sealed[1])
    await leases.commit(held[0], sealed[0])
    await put(connection, run, RESULTS, worker.seal(RESULTS, say("other"), fence=3).to_bytes())
    items = [item for item in await take(orchestrator.read([RESULTS]), 3) if isinstance(item, Received)]
    assert [item.envelope.fence for item in items] == [2, 1, 3]
    await orchestrator.acknowledge(RESULTS, items[1].stream_id)
    await put(connection, run, RESULTS, sealed[0])
    await put(connection, run, RESULTS, worker.seal(RESULTS, say("last"), fence=4).to_bytes())
    assert await texts(bus_of(ORCHESTRATOR).read([RESULTS]), 2) == ["other", "last"]
    assert [letter["reason"] for letter in await dead_letters(connection, run)] == ["replayed"]


async def test_forget_run_leaves_other_runs_alone(bus_of: BusOf, connection: Connection, run: str) -> None:
    other = run + "-other"
    identity = Identity.create("worker-0")
    await bus_of(identity).send(MAILBOX, say("mine"))
    await Bus(connection, other, identity, Keyring(), SystemClock()).send(MAILBOX, say("other"))
    await forget_run(connection, run)
    left = [key async for key in connection.scan("*")]
    assert left and all(key.startswith(f"mawep:{{{other}}}:") for key in left)
    await forget_run(connection, other)


async def test_a_cancelled_reader_ends_every_time(bus_of: BusOf) -> None:
    worker, orchestrator = bus_of("worker-0"), bus_of(ORCHESTRATOR)

    async def read() -> None:
        async for item in orchestrator.read([MAILBOX]):
            assert isinstance(item, Received)
            await orchestrator.acknowledge(item.channel, item.stream_id)

    for n in range(60):
        reading, sending = asyncio.create_task(read()), asyncio.create_task(worker.send(MAILBOX, say(f"{n}")))
        for _ in range(n):
            await asyncio.sleep(0)
        reading.cancel()
        await sending
        done, _ = await asyncio.wait([reading], timeout=10)
        assert done, f"cancelled after {n} turns of the loop, the reader went on"


async def test_a_connection_whose_closing_is_cancelled_leaves_no_socket_open(bus_url: str) -> None:
    for turns in range(1, 8):
        connection = await Connection.connect(bus_url)
        closing = asyncio.create_task(connection.close())
        for _ in range(turns):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        del connection
        gc.collect()  # a socket that is open now is a warning, and a warning is an error


async def test_a_client_whose_user_is_cancelled_while_leaving_it_leaves_no_socket_open(bus_url: str) -> None:
    async def ask(answered: asyncio.Event) -> None:
        async with open_client(bus_url) as client:
            await client.ping()
            answered.set()

    for turns in range(6):
        answered = asyncio.Event()
        asking = asyncio.create_task(ask(answered))
        await answered.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        del asking
        gc.collect()


async def test_observe_is_told_the_age_of_each_envelope(bus_of: BusOf) -> None:
    ages: list[tuple[str, float]] = []
    orchestrator = bus_of(ORCHESTRATOR, observe=lambda channel, seconds: ages.append((channel, seconds)))
    await bus_of("worker-0").send(MAILBOX, say("x"))
    await take(orchestrator.read([MAILBOX]), 1)
    assert [channel for channel, _ in ages] == [MAILBOX]
    assert 0 <= ages[0][1] < 60


async def test_every_failure_to_reach_the_server_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(BusGoneError, match="does not answer") as raised:
        await Connection.connect(f"unix://{tmp_path}/nobody")
    assert raised.value.cause
    assert "mawep resume" in raised.value.next_step


async def test_a_password_is_never_shown() -> None:
    with pytest.raises(BusGoneError) as raised:
        await Connection.connect("redis://someone:secret@127.0.0.1:1/0?password=secret")
    assert "secret" not in str(raised.value)
    with pytest.raises(UsageError, match="not a message bus URL") as refused:
        await Connection.connect("http://someone:secret@127.0.0.1:1")
    assert "secret" not in str(refused.value)


async def test_a_server_without_functions_is_too_old() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(b"-ERR unknown command 'FUNCTION'\r\n")
        writer.close()

    directory = Path(tempfile.mkdtemp(dir="/tmp", prefix="mw-"))
    path = directory / "s"
    async with await asyncio.start_unix_server(answer, path):
        with pytest.raises(UsageError, match="is too old"):
            await Connection.connect(f"unix://{path}")
    shutil.rmtree(directory)


def test_a_run_whose_name_could_mean_other_keys_is_refused() -> None:
    for name in ("", "*", "a}b", "a b", "x" * 65):
        with pytest.raises(UsageError, match="cannot name a run"):
            Keyspace(name)
