"""The doorman: who may ask for a run gets one, one at a time, and once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mawep.cli import doorman as doormen
from mawep.cli.doorman import Doorman, Premises
from mawep.clock import VirtualClock
from mawep.coordination.payloads import Look
from mawep.errors import MawepError
from mawep.state.door_book import DoorBook
from mawep.state.runs import RunSummary, directory_of
from mawep.trackers.base import Permission
from tests.support.forge import FakeForge
from tests.support.waiting import eventually, let_pass


class Run:
    """A run that goes on until it is let go."""

    pid = 4711

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.stopped = False

    async def wait(self) -> object:
        await self.over.wait()
        return 0

    async def stop(self, grace: float) -> object:
        self.stopped = True
        self.over.set()
        return 130


class House:
    def __init__(self, place: Path) -> None:
        self.place = place
        self.forge = FakeForge()
        self.world = self.forge.world
        self.clock: VirtualClock = self.world.clock  # type: ignore[assignment]
        self.world.people |= {"ann": Permission.WRITE, "eve": Permission.READ}
        self.numbers = [self.world.seed(f"issue {n}") for n in range(3)]
        self.clock.advance(3600)
        self.started: list[tuple[str, ...]] = []
        self.runs: list[Run] = []
        self.broken = False

    async def launch(self, arguments: Sequence[str]) -> Run:
        if self.broken:
            raise MawepError("it does not start")
        self.started.append(tuple(arguments))
        self.runs.append(Run())
        return self.runs[-1]

    def say(self, number: int, text: str, author: str = "ann") -> None:
        self.clock.advance(1)
        self.world.say(number, text, author=author)

    @asynccontextmanager
    async def doorman(self, *, hooked: bool = True) -> AsyncIterator[Doorman]:
        book = DoorBook(self.place / "book.db")
        premises = Premises(
            self.forge, self.place, book, self.launch, every=3600.0, hooked=hooked, options=("-c", "x")
        )
        doorman = Doorman(premises, self.clock)
        task = asyncio.create_task(doorman.run())
        try:
            await eventually("it has looked", lambda: self.forge.calls["recent_comments"])
            self.forge.calls.clear()
            yield doorman
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            book.close()

    async def rung(self, doorman: Doorman) -> None:
        doorman.ring()
        await eventually("it has looked again", lambda: self.forge.calls["recent_comments"])
        await asyncio.sleep(0)
        self.forge.calls.clear()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_who_may_write_starts_a_run(house: House) -> None:
    async with house.doorman() as doorman:
        house.say(2, "/mawep start")
        doorman.ring()
        await eventually("a run is started", lambda: house.started)
        assert house.started == [("start", "--issues", "2", "-c", "x")]


async def test_hazard_who_may_not_write_starts_nothing(house: House) -> None:
    async with house.doorman() as doorman:
        house.say(2, "/mawep start", author="eve")
        house.say(2, "/mawep stop")
        house.say(2, "> /mawep start")
        await house.rung(doorman)
        assert house.started == []


async def test_runs_are_started_one_at_a_time(house: House) -> None:
    async with house.doorman() as doorman:
        house.say(1, "/mawep start")
        house.say(2, "/mawep start")
        doorman.ring()
        await eventually("the first is started", lambda: house.started)
        await house.rung(doorman)
        assert len(house.started) == 1
        house.runs[0].over.set()
        await eventually("the second is started", lambda: len(house.started) == 2)
        assert doorman.health()["waiting"] is None


async def test_hazard_a_run_is_asked_for_once_whenever_the_server_dies(house: House) -> None:
    async with house.doorman() as doorman:
        house.say(1, "/mawep start")
        doorman.ring()
        await eventually("it is started", lambda: house.started)
    assert house.runs[0].stopped, "it ends with the server"
    async with house.doorman() as doorman:
        await eventually("it is started again, as it was no run yet", lambda: len(house.started) == 2)
        house.runs[1].over.set()
        await house.rung(doorman)
    async with house.doorman() as doorman:
        await house.rung(doorman)
        assert len(house.started) == 2


async def test_a_comment_while_no_server_was_there_is_heard_by_the_next(house: House) -> None:
    async with house.doorman():
        pass
    house.say(1, "hello")
    async with house.doorman() as doorman:
        await house.rung(doorman)
    house.say(1, "/mawep start")
    async with house.doorman():
        await eventually("it is started", lambda: house.started)


async def test_a_comment_from_before_the_first_server_starts_nothing(house: House) -> None:
    house.say(1, "/mawep start")
    house.clock.advance(600)
    async with house.doorman() as doorman:
        await house.rung(doorman)
        assert house.started == []


async def test_a_run_that_does_not_start_keeps_nobody_waiting(house: House) -> None:
    house.broken = True
    async with house.doorman() as doorman:
        house.say(1, "/mawep start")
        await house.rung(doorman)
        house.broken = False
        house.say(2, "/mawep start")
        doorman.ring()
        await eventually("the next is started", lambda: house.started)
        assert house.started[0][2] == "2"


async def test_a_forge_that_cannot_be_reached_is_said_and_tried_again(house: House) -> None:
    async with house.doorman() as doorman:
        house.forge.unreachable = True
        await house.rung(doorman)
        await eventually("it says so", lambda: doorman.health()["trouble"])
        house.forge.unreachable = False
        house.say(1, "/mawep start")
        doorman.ring()
        await eventually("it is started", lambda: house.started)
        assert doorman.health()["trouble"] == ""


async def test_a_run_is_told_once_that_webhooks_come_and_the_forge_is_not_asked_for_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    begun = RunSummary(directory_of(house.place, "a-run"), "main", "", ended=False, alive=True)

    async def ask(common_dir: Path, run: RunSummary, verb: Look) -> str:
        told.append(run.directory.run)
        return ""

    monkeypatch.setattr(doormen, "ask", ask)
    monkeypatch.setattr(doormen, "GLANCE_SECONDS", 0.01)
    monkeypatch.setattr(doormen, "issues_of", lambda run: frozenset[int]())
    async with house.doorman() as doorman:
        monkeypatch.setattr(doormen, "list_runs", lambda common_dir: [begun])
        await eventually("it has been told", lambda: told)
        await let_pass(0.1)
        assert told == ["a-run"]
        assert house.forge.calls["recent_comments"] == 0
        doorman.ring()
        await eventually("it has been told to look", lambda: told == ["a-run"] * 2)
        assert house.forge.calls["recent_comments"] == 1
