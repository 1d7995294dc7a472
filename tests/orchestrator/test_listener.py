"""What the hall hears: workers' facts, people's verbs, and what is said to everybody."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from mawep.adapters.valkey import Connection
from mawep.clock import SystemClock
from mawep.coordination import channels
from mawep.coordination import payloads as wire
from mawep.coordination.bus import Bus, NoReplyError, forget_run
from mawep.coordination.envelopes import MAX_BYTES
from mawep.coordination.identity import Identity, Keyring
from mawep.coordination.inbox import Received
from mawep.core import events as ev
from mawep.core.engine import replay
from mawep.core.model import FailureReason, Issue, IssueState, Question, Session, Usage
from mawep.core.state import State
from mawep.errors import BusGoneError
from mawep.orchestrator.hall import Orchestrator
from mawep.orchestrator.listener import Listener, announcements, extensions, facts
from mawep.orchestrator.results import result_events
from mawep.orchestrator.verbs import TEXT_LIMIT, Refused, carry_out
from mawep.state import journal as journals
from mawep.state.journal import Journal
from tests.core.driver import Driver, issue
from tests.orchestrator.test_hall import landing_world
from tests.support.servers import embedded_server
from tests.support.waiting import eventually

PATIENCE = 20.0
USAGE = wire.Consumption(input_tokens=7)


def running(*numbers: int) -> Driver:
    """A run in which each of these issues has an attempt."""
    return Driver(*(issue(number) for number in numbers))


def fence(state: State, number: int) -> int:
    attempt = state.issues[number].attempt
    assert attempt is not None
    return attempt.fence


def said(verb: object, state: State) -> tuple[str, list[ev.AnyEvent]]:
    return carry_out(verb, "cli-1", "id-1", state)  # type: ignore[arg-type]


# --- facts of workers


def result(outcome: str, reason: str | None = None, head: str | None = None) -> wire.TurnResult:
    return wire.TurnResult(
        issue=1,
        attempt=1,
        outcome=outcome,  # type: ignore[arg-type]
        reason=reason,
        detail="d",
        head=head,
        salvage="refs/mawep/x",
        usage=USAGE,
        stop_reason="end_turn",
        transcript="t",
        session_id="s1" if head else None,
    )


def test_a_result_is_one_event_under_the_fence_it_came_with() -> None:
    usage = Usage(input_tokens=7)
    assert result_events(result("finished", head="h"), 5) == [
        ev.TurnEnded(1, 5, "h", "end_turn", usage, Session("s1", loadable=True), "t")
    ]
    assert result_events(result("failed", "stalled"), 5) == [
        ev.AttemptFailed(1, 5, FailureReason.STALLED, "d", "refs/mawep/x", usage)
    ]
    assert result_events(result("stopped"), 5) == [ev.AttemptInterrupted(1, 5, "refs/mawep/x", usage)]
    assert result_events(result("stopped", "input_timeout"), 5) == [
        ev.AttemptFailed(1, 5, FailureReason.INPUT_TIMEOUT, "d", "refs/mawep/x", usage)
    ]


@pytest.mark.parametrize("reason", [None, "a reason of a newer version"])
def test_a_failure_for_an_unknown_reason_is_still_a_failure(reason: str | None) -> None:
    (event,) = result_events(result("failed", reason), 5)
    assert isinstance(event, ev.AttemptFailed) and event.reason is FailureReason.AGENT_ERROR


def test_a_finish_without_a_head_is_a_failure() -> None:
    (event,) = result_events(result("finished"), 5)
    assert isinstance(event, ev.AttemptFailed)


def test_what_a_worker_says_becomes_events() -> None:
    state = running(1).state
    started = wire.AttemptStarted(issue=1, attempt=1, agent="a", pid=7, resumed=False, worktree="/w")
    assert facts(started, 5, state) == [ev.AttemptStarted(1, 5, 7, "/w")]
    opened = wire.SessionOpened(issue=1, attempt=1, session_id="s", loadable=True)
    assert facts(opened, 5, state) == [ev.SessionOpened(1, 5, Session("s", loadable=True))]
    asked = wire.Question(issue=1, attempt=1, question_id="q", text="?", options=["a"])
    assert facts(asked, 5, state) == [ev.QuestionAsked(1, 5, Question("q", "?", ("a",)))]
    delivered = wire.Delivered(issue=1, attempt=1, message_id="m")
    assert facts(delivered, 5, state) == [ev.MessageDelivered(1, "m")]
    assert facts(result("failed", "stalled"), 5, state) == result_events(result("failed", "stalled"), 5)
    assert facts(wire.Release(issue=1, attempt=1), 5, state) == []
    assert facts(wire.Delivered(issue=99, attempt=1, message_id="m"), 5, state) == [], "not of this run"


def test_health_extends_leases_of_the_attempts_that_are_alive_and_not_more_often_than_needed() -> None:
    driver = running(1, 2)
    state, now = driver.state, driver.now
    health = wire.Health(
        worker="w",
        at_boottime=1.0,
        attempts=[
            wire.AttemptHealth(
                issue=1, attempt=1, pid=1, cpu_seconds=0, rss_mb=0, idle_seconds=0, fence=fence(state, 1)
            ),
            wire.AttemptHealth(issue=9, attempt=1, pid=1, cpu_seconds=0, rss_mb=0, idle_seconds=0, fence=999),
        ],
    )
    assert extensions(health, state, now) == [], "it has hardly begun"
    later = now + timedelta(seconds=state.rules.lease_seconds / 2)
    until = later + timedelta(seconds=state.rules.lease_seconds)
    assert extensions(health, state, later) == [ev.LeasesExtended((fence(state, 1),), until)]


# --- verbs of people


def test_verbs_become_events_of_who_asked() -> None:
    state = running(1).state
    assert said(wire.Ping(), state) == ("here", [])
    assert said(wire.Pause(), state)[1] == [ev.DispatchPaused("cli-1")]
    assert said(wire.Resume(), state)[1] == [ev.DispatchUnpaused("cli-1")]
    assert said(wire.Cancel(issues=None), state) == ("cancelled #1", [ev.IssueCancelled(1, "cli-1")])
    for target in ("1", "#1", "agent-0"):
        assert said(wire.Send(target=target, text="hi"), state) == (
            "sent to #1",
            [ev.MessageSent(1, "id-1", "hi", "cli-1")],
        )


def test_an_answer_needs_its_question() -> None:
    driver = running(1)
    answer = wire.AnswerQuestion(issue=1, question_id=None, text="yes")
    with pytest.raises(Refused, match="does not wait"):
        said(answer, driver.state)
    driver.tell(ev.QuestionAsked(1, fence(driver.state, 1), Question("q1", "?", ("yes", "no"))))
    assert said(answer, driver.state)[1] == [ev.QuestionAnswered(1, "q1", "yes", "cli-1")]
    assert said(wire.Approve(issue=1), driver.state)[1] == [ev.QuestionAnswered(1, "q1", "yes", "cli-1")]
    with pytest.raises(Refused, match="is not one of: yes, no"):
        said(wire.AnswerQuestion(issue=1, question_id="q1", text="perhaps"), driver.state)
    with pytest.raises(Refused, match="does not wait"):
        said(wire.AnswerQuestion(issue=1, question_id="q0", text="yes"), driver.state)


def test_what_no_message_can_bring_to_an_agent_is_refused() -> None:
    """Journalled first, it would stop the run at every resume."""
    driver = running(1)
    driver.tell(ev.QuestionAsked(1, fence(driver.state, 1), Question("q1", "?")))
    worst = "\0" * TEXT_LIMIT
    for verb in (
        wire.Send(target="1", text=worst),
        wire.AnswerQuestion(issue=1, question_id="q1", text=worst),
    ):
        assert len(said(verb, driver.state)[1]) == 1
        with pytest.raises(Refused, match="too many for a message"):
            said(verb.model_copy(update={"text": worst + "x"}), driver.state)
    deliver = wire.Deliver(issue=1, attempt=1, message_id="m", text=worst, sender="cli-1")
    assert len(deliver.model_dump_json()) < MAX_BYTES * 3 / 4


def test_what_cannot_be_done_is_refused_with_a_reason() -> None:
    driver = Driver(issue(1), issue(2, 1))
    state = driver.state
    refusals = [
        (wire.Cancel(issues=[99]), "not in this run"),
        (wire.Send(target="99", text="x"), "not in this run"),
        (wire.Send(target="2", text="x"), "no agent works on 2"),
        (wire.Send(target="agent-7", text="x"), "no agent works"),
        (wire.Send(target="somebody", text="x"), "no agent works"),
        (wire.Retry(issue=1), "only what failed"),
        (wire.Retry(issue=99), "not in this run"),
    ]
    for verb, why in refusals:
        with pytest.raises(Refused, match=why):
            said(verb, state)


def test_what_failed_can_be_tried_again_and_what_it_blocks_cannot() -> None:
    driver = Driver(issue(1), issue(2, 1))
    driver.go(ev.AttemptFailed(1, fence(driver.state, 1), FailureReason.AGENT_ERROR))
    assert said(wire.Retry(issue=1), driver.state)[1] == [ev.IssueReopened(1, "cli-1")]
    with pytest.raises(Refused, match="blocked by #1") as caught:
        said(wire.Retry(issue=2), driver.state)
    assert "mawep retry 1" in caught.value.next_step


def test_a_revert_names_each_landing_with_its_own_title_and_labels() -> None:
    landings = [
        wire.Landed(issue=8, commit="c" * 40, title="on top", labels=["api"]),
        wire.Landed(issue=7, commit="b" * 40, title="below"),
    ]
    assert said(wire.Revert(landings=landings, by="ann"), running(1).state) == (
        "#7 is being reverted",
        [
            ev.RevertAsked(
                Issue(7, "below"),
                (ev.Landed(8, "c" * 40), ev.Landed(7, "b" * 40)),
                "ann",
                (Issue(8, "on top", labels=("api",)),),
            )
        ],
    )


def test_what_has_landed_or_is_landing_is_not_cancelled() -> None:
    driver = running(1, 2)
    for state in (IssueState.LANDED, IssueState.LANDING):
        changed = replaced(driver.state, 1, state)
        with pytest.raises(Refused, match="cannot be cancelled any more"):
            said(wire.Cancel(issues=[1]), changed)
        assert said(wire.Cancel(issues=None), changed)[1] == [ev.IssueCancelled(2, "cli-1")]


def replaced(state: State, number: int, to: IssueState) -> State:

    record = msgspec.structs.replace(state.issues[number], state=to)
    return msgspec.structs.replace(state, issues=state.issues.set(number, record))


# --- what everybody hears


def test_a_landing_and_a_conflict_are_announced() -> None:
    driver = Driver(issue(1), issue(2, 1), issue(3, 1))
    moved = ev.TargetMoved("a", "b", (ev.Step(1, "c", "t"),))
    assert list(announcements(moved, driver.state)) == [
        (channels.DEPENDENCY_UPDATES, wire.DependencyUpdate(issue=1, commit="c", unblocks=[2, 3]))
    ]
    conflict = ev.MergeConflict(2, ("src/a.py",), "<<<", (1,))
    ((channel, said_),) = announcements(ev.LandingComposed("a", (), (conflict,)), driver.state)
    assert channel == channels.MERGE_CONFLICTS
    assert isinstance(said_, wire.MergeConflict)
    assert (said_.issue, said_.others, said_.files, said_.severity) == (2, [1], ["src/a.py"], "high")
    with_target = ev.MergeConflict(2, ("src/a.py",), "<<<")
    in_company = ev.LandingComposed("a", Driver.steps((1,)), (with_target,), parks=False)
    assert list(announcements(in_company, driver.state)) == []  # it comes again, alone
    assert list(announcements(ev.DispatchPaused("x"), driver.state)) == []


# --- over a real bus


@dataclass
class House:
    """A hall that conducts a run, and a bus on which others can be somebody."""

    connection: Connection
    run: str
    journal: Journal
    keyring: Keyring = field(default_factory=Keyring)
    overheard: list[wire.Payload] = field(default_factory=list)
    tasks: list[asyncio.Task[object]] = field(default_factory=list)

    def bus(self, name: str) -> Bus:
        identity = Identity.create(name)
        self.keyring.add(name, identity.public_key)
        return Bus(self.connection, self.run, identity, self.keyring, SystemClock())

    async def begin(self, *numbers: int, resumed: ev.RunResumed | None = None) -> Orchestrator:
        if self.journal.seq == 0:
            started = ev.RunStarted(
                self.run, "t", "main", "0" * 40, tuple(issue(n) for n in numbers), Driver().state.rules
            )
            self.journal.append(started, SystemClock().now())
            await self.journal.commit()
        state = replay(journals.read(self.journal.path))
        hall = Orchestrator(self.journal, state, SystemClock())
        listener = Listener(self.bus(channels.ORCHESTRATOR), hall, SystemClock(), self.overheard.append)
        hall.attend(listener.witness)
        self.tasks.append(asyncio.create_task(listener.run()))
        self.tasks.append(asyncio.create_task(hall.run(landing_world(), resumed)))
        return hall

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    directory = Path(tempfile.mkdtemp(dir="/tmp", prefix="mw-"))
    try:
        with embedded_server(directory) as url:
            yield url
    finally:
        shutil.rmtree(directory)


@pytest_asyncio.fixture
async def house(server: str, tmp_path: Path) -> AsyncIterator[House]:
    connection = await Connection.connect(server)
    journal = Journal.create(tmp_path / "run" / "journal.db", "r")
    made = House(connection, f"r-{tmp_path.name}"[-60:].replace("_", "-"), journal)
    try:
        yield made
    finally:
        await made.end()
        journal.close()
        await forget_run(connection, made.run)
        await connection.close()


MAILBOX = channels.direct(channels.ORCHESTRATOR)


async def fence_of(hall: Orchestrator, number: int) -> int:
    def known() -> int:
        attempt = hall.state.issues[number].attempt
        return attempt.fence if attempt else 0

    return await eventually(f"#{number} is assigned", known, PATIENCE)


async def test_a_verb_is_answered_after_the_journal_has_it(house: House) -> None:
    hall = await house.begin(1)
    await fence_of(hall, 1)
    reply = await house.bus("cli-1").request(MAILBOX, wire.Pause(), PATIENCE)
    assert isinstance(reply, wire.Reply) and reply.ok
    assert ev.DispatchPaused("cli-1") in [recorded.event for recorded in journals.read(house.journal.path)]
    reply = await house.bus("cli-2").request(MAILBOX, wire.Retry(issue=1), PATIENCE)
    assert isinstance(reply, wire.Reply) and not reply.ok
    assert "only what failed" in reply.text


async def test_a_verb_that_was_sent_to_a_dead_process_is_refused_on_resume(house: House) -> None:
    """Its sender was told nothing, and must not be surprised later."""
    hall = await house.begin(1)
    await fence_of(hall, 1)
    await house.end()
    person = house.bus("cli-1")
    await person.send(MAILBOX, wire.Cancel(issues=None))  # nobody is there who could answer it
    hall = await house.begin(1, resumed=ev.RunResumed("another process"))
    reading = person.read([channels.direct("cli-1")])
    async with asyncio.timeout(PATIENCE):
        async for item in reading:
            if isinstance(item, Received) and isinstance(item.payload, wire.Reply):
                reply = item.payload
                break
    await reading.aclose()
    assert not reply.ok and "say it again" in reply.text
    assert hall.state.issues[1].cancelled_by is None


async def test_facts_of_a_worker_are_journalled_before_they_are_acknowledged(house: House) -> None:
    hall = await house.begin(1)
    current = await fence_of(hall, 1)
    worker = house.bus("worker-0")
    started = wire.AttemptStarted(issue=1, attempt=1, agent="a", pid=7, resumed=False)
    await worker.send(MAILBOX, started, fence=current)
    await eventually("it is known", lambda: hall.state.issues[1].state is IssueState.WORKING, PATIENCE)

    async def settled() -> bool:
        await worker.resend()
        return worker.unacknowledged == 0

    await holds("it is acknowledged", settled)


async def holds(what: str, probe: Callable[[], bool | Awaitable[bool]]) -> None:
    await eventually(what, probe, PATIENCE)


async def test_late_results_under_an_old_fence_are_counted_and_not_applied(house: House) -> None:
    hall = await house.begin(1)
    current = await fence_of(hall, 1)
    worker = house.bus("worker-0")
    await worker.send(MAILBOX, result("failed", "stalled"), fence=current - 1)
    await eventually("it is counted", lambda: hall.state.late == 1, PATIENCE)
    assert hall.state.issues[1].state is IssueState.ASSIGNED


async def test_status_is_shown_and_health_keeps_leases(house: House) -> None:
    hall = await house.begin(1)
    current = await fence_of(hall, 1)
    worker = house.bus("worker-0")
    alive = wire.AttemptHealth(
        issue=1, attempt=1, pid=1, cpu_seconds=0, rss_mb=0, idle_seconds=0, fence=current
    )
    health = wire.Health(worker="worker-0", attempts=[alive], at_boottime=1.0)

    async def heard() -> bool:
        await worker.send(channels.HEALTH_CHECK, health)  # what was said before they listened is gone
        return bool(house.overheard)

    await holds("it is shown", heard)
    assert house.overheard[0] == health


async def test_what_lands_is_announced_to_everybody(house: House) -> None:
    hall = await house.begin(1)
    current = await fence_of(hall, 1)
    worker = house.bus("worker-0")
    await worker.send(MAILBOX, result("finished", head="h" * 40), fence=current)
    reading = worker.read([channels.DEPENDENCY_UPDATES])
    async with asyncio.timeout(PATIENCE):
        async for item in reading:
            if isinstance(item, Received):
                break
    await reading.aclose()
    assert isinstance(item, Received) and isinstance(item.payload, wire.DependencyUpdate)
    assert item.payload.issue == 1


async def test_what_is_announced_last_is_said_before_the_listener_is_gone(house: House) -> None:
    state = Driver(issue(1)).state
    hall = Orchestrator(house.journal, state, SystemClock())
    moved = ev.Recorded(1, SystemClock().now(), ev.TargetMoved("a", "b", (ev.Step(1, "c", "t"),) * 5))
    for turns in range(8):
        bus = house.bus(channels.ORCHESTRATOR)
        listener = Listener(bus, hall, SystemClock(), house.overheard.append)
        listening = asyncio.create_task(listener.run())
        await asyncio.sleep(0)
        listener.witness(moved, state)
        for _ in range(turns):
            await asyncio.sleep(0)
        listening.cancel()
        await asyncio.wait({listening})
        assert bus.counters.sent == 5, f"cancelled after {turns} turns of the loop"


async def test_an_outage_of_the_bus_is_heard_through(house: House) -> None:
    hall = await house.begin(1)
    await fence_of(hall, 1)
    await house.connection.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
    person = house.bus("cli-1")

    async def answered() -> bool:
        with suppress(BusGoneError, NoReplyError):
            reply = await person.request(MAILBOX, wire.Ping(), 1.0)
            return isinstance(reply, wire.Reply) and reply.text == "here"
        return False

    await holds("it answers again", answered)


async def test_an_answer_that_no_envelope_can_carry_does_not_stop_the_run(house: House) -> None:
    hall = await house.begin(1)
    await fence_of(hall, 1)
    person = house.bus("cli-1")
    room = MAX_BYTES - len(person.seal(MAILBOX, wire.Send(target="", text="")).to_bytes())
    with pytest.raises(NoReplyError):
        await person.request(MAILBOX, wire.Send(target="x" * room, text=""), 0.5)
    reply = await house.bus("cli-2").request(MAILBOX, wire.Ping(), PATIENCE)
    assert isinstance(reply, wire.Reply) and reply.text == "here"
