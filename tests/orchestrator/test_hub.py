"""The hub, with real halls and journals: dependencies across repositories hold, agents are shared, nobody hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from mawep.clock import SystemClock
from mawep.core import events as ev
from mawep.core.engine import evolve, replay
from mawep.core.model import FailureReason, Far, Issue, IssueState, Rules
from mawep.core.schedule import assignments
from mawep.core.state import State
from mawep.errors import BusGoneError, InfrastructureError
from mawep.orchestrator import Hub, Orchestrator
from mawep.state import journal as journals
from mawep.state.journal import Journal
from tests.core.driver import issue
from tests.core.test_far import far
from tests.orchestrator.test_hall import World, landing_world
from tests.support.waiting import eventually

API, WEB = "acme/api", "acme/web"
PATIENCE = 60.0


class House:
    """Runs of several repositories in one process, as the command line conducts them."""

    def __init__(self, place: Path, agents: int) -> None:
        self.place, self.agents, self.clock = place, agents, SystemClock()
        self.halls: dict[str, Orchestrator] = {}
        self.worlds: dict[str, World] = {}
        self.most = 0
        self.kept = ExitStack()

    async def begin(self, **runs: tuple[Issue, ...]) -> Hub:
        """Write the first event of each, and let a hub know all of them."""
        rules = Rules(max_agents=self.agents, shared=True)
        for name, issues in runs.items():
            with closing(Journal.create(self.path(name), name)) as journal:
                started = ev.RunStarted(name, "t", "main", "0" * 40, issues, rules)
                journal.append(started, self.clock.now())
                await journal.commit()
        return self.again(*runs)

    def again(self, *names: str) -> Hub:
        """The same in another process."""
        hub = Hub(self.agents, [f"acme/{name}" for name in names], self.clock)
        for name in names:
            journal = self.kept.enter_context(closing(Journal.open(self.path(name))))
            state = replay(journals.read(self.path(name)))
            hall = Orchestrator(journal, state, self.clock, [self._count])
            self.halls[f"acme/{name}"], self.worlds[f"acme/{name}"] = hall, landing_world()
        return hub

    def path(self, name: str) -> Path:
        return self.place / f"{name}.db"

    def _count(self, recorded: ev.Recorded, state: State) -> None:
        at_work = sum(len(hall.state.slots) for hall in self.halls.values())
        self.most = max(self.most, at_work)

    async def conduct(self, hub: Hub, repository: str, resumed: ev.RunResumed | None = None) -> State:
        hall = self.halls[repository]
        hub.join(repository, hall)
        try:
            if await hub.admitted(repository):
                await hall.run(self.worlds[repository], resumed)
            return hall.state
        finally:
            hub.leave(repository)

    def tell(self, repository: str, *events: ev.AnyEvent) -> None:
        self.halls[repository].tell(*events)

    async def at_work(self, repository: str, number: int) -> int:
        """Wait until an agent has the issue; the fence of its turn."""
        hall = self.halls[repository]
        await eventually(
            f"an agent works on {repository}#{number}",
            lambda: hall.state.issues[number].state.holds_slot,
            PATIENCE,
        )
        attempt = hall.state.issues[number].attempt
        assert attempt is not None
        return attempt.fence

    async def finish(self, repository: str, number: int) -> None:
        fence = await self.at_work(repository, number)
        self.tell(repository, ev.TurnEnded(number, fence, "h" * 40, "end_turn"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, agents=2)
    with house.kept:
        yield house


async def test_an_issue_starts_when_what_it_needs_elsewhere_has_landed(house: House) -> None:
    hub = await house.begin(api=(issue(1),), web=(far(7, f"{API}#1"),))
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        runs = [group.create_task(house.conduct(hub, name)) for name in (API, WEB)]
        await house.at_work(API, 1)
        await eventually("the other one knows it", lambda: Far(API, 1) in house.halls[WEB].state.far)
        assert house.halls[WEB].state.issues[7].state is IssueState.WAITING
        await house.finish(API, 1)
        await house.finish(WEB, 7)
    assert [run.result().ended for run in runs] == ["landed", "landed"]


async def test_there_are_never_more_agents_than_all_may_have(house: House) -> None:
    hub = await house.begin(api=tuple(map(issue, range(1, 5))), web=tuple(map(issue, range(7, 10))))
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        runs = [group.create_task(house.conduct(hub, name)) for name in (API, WEB)]
        for repository, numbers in ((API, range(1, 5)), (WEB, range(7, 10))):
            for number in numbers:
                group.create_task(house.finish(repository, number))
    assert [run.result().ended for run in runs] == ["landed", "landed"]
    assert house.most == 2


async def test_what_fails_in_one_repository_blocks_in_the_other_and_isolates(house: House) -> None:
    hub = await house.begin(api=(issue(1),), web=(far(7, f"{API}#1"), issue(8)))
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        runs = [group.create_task(house.conduct(hub, name)) for name in (API, WEB)]
        fence = await house.at_work(API, 1)
        house.tell(API, ev.AttemptFailed(1, fence, FailureReason.STALLED))
        await house.finish(WEB, 8)
    assert [run.result().ended for run in runs] == ["failed", "partial"]
    assert house.halls[WEB].state.issues[7].blocked_by == Far(API, 1)


async def test_nobody_waits_for_a_run_that_broke(house: House) -> None:
    hub = await house.begin(api=(issue(1),), web=(far(7, f"{API}#1"),))

    async def breaks() -> None:
        with pytest.raises(InfrastructureError):
            await house.conduct(hub, API)

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        group.create_task(breaks())
        other = group.create_task(house.conduct(hub, WEB))
        await house.at_work(API, 1)
        house.halls[API].fail(BusGoneError("the bus is gone"))
    assert other.result().ended == "failed"
    known = other.result().far[Far(API, 1)]
    assert known.told == "assigned (its run stopped)"


async def test_nobody_waits_for_a_run_that_never_began(house: House) -> None:
    await house.begin(web=(far(7, f"{API}#1"),))
    hub = Hub(2, [API, WEB], house.clock)
    hub.leave(API)
    async with asyncio.timeout(PATIENCE):
        assert (await house.conduct(hub, WEB)).ended == "failed"


async def test_a_run_that_had_ended_is_known_by_how_it_stood(house: House) -> None:
    await house.begin(api=(issue(1),), web=(far(7, f"{API}#1"),))
    house.tell(API, ev.IssueCancelled(1, "closed as completed on the tracker by ada"))
    hub = Hub(2, [API], house.clock)
    async with asyncio.timeout(PATIENCE):
        landed = await house.conduct(hub, API)
    hub = Hub(2, [API, WEB], house.clock)
    hub.leave(API, landed)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        run = group.create_task(house.conduct(hub, WEB))
        await house.finish(WEB, 7)
    assert run.result().ended == "landed"


async def test_ctrl_c_reaches_all_and_nobody_is_blocked_by_it(house: House) -> None:
    hub = await house.begin(api=(issue(1),), web=(far(7, f"{API}#1"),))
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        runs = [group.create_task(house.conduct(hub, name)) for name in (API, WEB)]
        fence = await house.at_work(API, 1)
        hub.interrupt()
        hub.interrupt()
        hub.interrupt()
        await eventually("the agent is to be stopped", lambda: house.worlds[API].did(ev.StopIntended))
        house.tell(API, ev.AttemptInterrupted(1, fence))
    assert [run.result().ended for run in runs] == [None, None]
    assert [run.result().interrupted for run in runs] == [2, 2]
    assert house.halls[WEB].state.issues[7].state is IssueState.WAITING


async def test_a_resumed_group_knows_again_what_it_knew(house: House) -> None:
    hub = await house.begin(api=(issue(1),), web=(far(7, f"{API}#1"),))
    async with asyncio.timeout(PATIENCE):
        tasks = [asyncio.create_task(house.conduct(hub, name)) for name in (API, WEB)]
        await house.at_work(API, 1)
        await eventually("it is told", lambda: house.halls[WEB].state.far)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        house.kept.close()
        hub = house.again("api", "web")
        resumed = ev.RunResumed("another process")
        async with asyncio.TaskGroup() as group:
            runs = [group.create_task(house.conduct(hub, name, resumed)) for name in (API, WEB)]
            reclaimed = house.worlds[API]
            await eventually("its turn is looked after", lambda: reclaimed.did(ev.AttemptReclaimed))
            await house.finish(API, 1)
            await house.finish(WEB, 7)
    assert [run.result().ended for run in runs] == ["landed", "landed"]


async def test_who_waits_at_the_door_is_turned_away_by_ctrl_c(house: House) -> None:
    await house.begin(api=(issue(1), issue(2)), web=(issue(7), issue(8)))
    for hall in house.halls.values():  # both had all agents, at different times, when their processes died
        for event in (ev.AgentsAllowed(2), *_assignments(hall)):
            hall.state = _after(hall.state, event)
    hub = Hub(2, [API, WEB], house.clock)
    for repository, hall in house.halls.items():
        hub.join(repository, hall)
    assert await hub.admitted(API)
    door = asyncio.create_task(hub.admitted(WEB))
    await asyncio.sleep(0)
    assert not door.done()
    hub.interrupt()
    assert await door is False


def _after(state: State, event: ev.AnyEvent) -> State:
    return evolve(state, ev.Recorded(state.seq + 1, SystemClock().now(), event))


def _assignments(hall: Orchestrator) -> list[ev.AttemptAssigned]:
    now = SystemClock().now()
    return assignments(_after(hall.state, ev.AgentsAllowed(2)), now)
