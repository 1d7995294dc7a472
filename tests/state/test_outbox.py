"""The outbox: what is done outside is done once, whenever MAWEP dies and however late a request arrives."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from mawep.clock import VirtualClock
from mawep.state.outbox import SETTLE_SECONDS, Outbox, OutboxError, Stage
from tests.support.waiting import eventually

KEY = "comment/102"


class Lost(Exception):
    """A request without an answer."""


class Refused(Exception):
    """An answer that says no."""


class Outside:
    """A place where posts stay. `late`: posts that are under way, by when they arrive."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.posts: list[str] = []
        self.late: list[tuple[float, str]] = []
        self.looks = 0

    async def look(self) -> int | None:
        self.looks += 1
        for when, post in list(self.late):
            if when <= self.clock.awake():
                self.late.remove((when, post))
                self.posts.append(post)
        return 0 if self.posts else None

    async def act(self) -> int:
        self.posts.append("hello")
        return len(self.posts) - 1

    def fails(self, error: Exception, *, arrives_in: float | None = None) -> Callable[[], Awaitable[int]]:
        """An act that ends in `error`; its post arrives so many seconds later, or never."""

        async def act() -> int:
            if arrives_in is not None:
                self.late.append((self.clock.awake() + arrives_in, "hello"))
            raise error

        return act


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def outside(clock: VirtualClock) -> Outside:
    return Outside(clock)


@asynccontextmanager
async def opened(path: Path, clock: VirtualClock) -> AsyncIterator[Outbox]:
    outbox = Outbox(path / "outbox.db", clock, certain=(Refused,))
    try:
        yield outbox
    finally:
        outbox.close()


async def test_done_once_and_what_it_returned_is_kept(
    tmp_path: Path, clock: VirtualClock, outside: Outside
) -> None:
    async with opened(tmp_path, clock) as outbox:
        assert await outbox.once(KEY, outside.look, outside.act, as_=int) == 0
        assert await outbox.once(KEY, outside.look, outside.act, as_=int) == 0
    async with opened(tmp_path, clock) as outbox:
        assert await outbox.once(KEY, outside.look, outside.act, as_=int) == 0
        assert outbox.done(KEY)
    assert outside.posts == ["hello"]
    assert outside.looks == 0, "nobody has to look for what is known"


async def test_keys_do_not_know_each_other(tmp_path: Path, clock: VirtualClock, outside: Outside) -> None:
    async with opened(tmp_path, clock) as outbox:
        await outbox.once("a", outside.look, outside.act, as_=int)
        await outbox.once("b", outside.look, outside.act, as_=int)
    assert len(outside.posts) == 2


async def test_asked_for_twice_at_once_it_is_done_once(
    tmp_path: Path, clock: VirtualClock, outside: Outside
) -> None:
    async with opened(tmp_path, clock) as outbox:
        both = (outbox.once(KEY, outside.look, outside.act, as_=int) for _ in range(2))
        assert await asyncio.gather(*both) == [0, 0]
    assert outside.posts == ["hello"]


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("arrives_in", [0.0, 1.0, SETTLE_SECONDS])
async def test_a_request_that_arrives_late_is_not_made_again(
    tmp_path: Path, clock: VirtualClock, outside: Outside, arrives_in: float, reopened: bool
) -> None:
    async with opened(tmp_path, clock) as outbox:
        with pytest.raises(Lost):
            await outbox.once(KEY, outside.look, outside.fails(Lost(), arrives_in=arrives_in), as_=int)
        if not reopened:
            assert await outbox.once(KEY, outside.look, outside.act, as_=int) == 0
    if reopened:
        async with opened(tmp_path, clock) as outbox:
            assert [entry.stage for entry in outbox.unfinished()] == [Stage.OPEN]
            assert await outbox.once(KEY, outside.look, outside.act, as_=int) == 0
    assert outside.posts == ["hello"]
    assert not outside.late


async def test_a_request_that_never_arrived_is_made_again_after_the_second_look(
    tmp_path: Path, clock: VirtualClock, outside: Outside
) -> None:
    async with opened(tmp_path, clock) as outbox:
        with pytest.raises(Lost):
            await outbox.once(KEY, outside.look, outside.fails(Lost()), as_=int)
        before = clock.awake()
        await outbox.once(KEY, outside.look, outside.act, as_=int)
    assert clock.awake() - before == SETTLE_SECONDS
    assert (outside.looks, outside.posts) == (2, ["hello"])


async def test_what_was_refused_is_tried_again_without_a_look(
    tmp_path: Path, clock: VirtualClock, outside: Outside
) -> None:
    async with opened(tmp_path, clock) as outbox:
        with pytest.raises(Refused):
            await outbox.once(KEY, outside.look, outside.fails(Refused()), as_=int)
        assert not outbox.done(KEY)
        await outbox.once(KEY, outside.look, outside.act, as_=int)
    assert (outside.looks, outside.posts, clock.awake()) == (0, ["hello"], 0.0)


async def test_one_that_is_cancelled_in_the_middle_is_looked_for(
    tmp_path: Path, clock: VirtualClock, outside: Outside
) -> None:
    async def hangs() -> int:
        outside.posts.append("hello")
        await asyncio.Event().wait()
        return 0

    async with opened(tmp_path, clock) as outbox:
        task = asyncio.create_task(outbox.once(KEY, outside.look, hangs, as_=int))
        await eventually("it has been posted", lambda: outside.posts)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await outbox.once(KEY, outside.look, outside.act, as_=int) == 0
    assert outside.posts == ["hello"]


async def test_what_is_owed_is_on_the_disk_with_what_was_written_down(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with opened(tmp_path, clock) as outbox:
        await outbox.owe("b", "second")
        clock.advance(-5)
        await outbox.owe("a", "first")
        await outbox.owe("b", "said again")
    async with opened(tmp_path, clock) as outbox:
        assert [(entry.key, entry.payload) for entry in outbox.unfinished()] == [
            ("a", "first"),
            ("b", "second"),
        ]


async def test_what_is_remembered_takes_the_place_of_what_was(tmp_path: Path, clock: VirtualClock) -> None:
    async with opened(tmp_path, clock) as outbox:
        assert outbox.recalled("a") == ""
        await outbox.remember("a", "one")
        await outbox.remember("a", "two")
    async with opened(tmp_path, clock) as outbox:
        assert (outbox.recalled("a"), outbox.unfinished()) == ("two", [])


async def test_nothing_is_done_when_the_disk_refuses(
    tmp_path: Path, clock: VirtualClock, outside: Outside
) -> None:
    async with opened(tmp_path, clock) as outbox:
        with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as other:
            other.execute("DROP TABLE entries")
        with pytest.raises(OutboxError, match="cannot be written"):
            await outbox.once(KEY, outside.look, outside.act, as_=int)
    assert outside.posts == []


async def test_a_file_that_is_no_outbox_is_refused(tmp_path: Path, clock: VirtualClock) -> None:
    (tmp_path / "outbox.db").write_text("nothing of the kind, and long enough to be looked at " * 4)
    with pytest.raises(OutboxError, match="cannot be opened"):
        Outbox(tmp_path / "outbox.db", clock)


async def test_it_is_private(tmp_path: Path, clock: VirtualClock) -> None:
    async with opened(tmp_path, clock):
        assert (tmp_path / "outbox.db").stat().st_mode & 0o777 == 0o600


KILLED = '''
"""Does one thing outside through the outbox, and is killed before its nth step; then does it again, undisturbed."""
import asyncio, os, signal, sys, threading
from pathlib import Path

from mawep.clock import VirtualClock
from mawep.state import outbox as module

WATCHED = {module.__file__, __file__}

def act_and_look(place):
    async def look():
        return len(place.read_bytes()) or None
    async def act():
        with open(place, "ab") as file:
            file.write(b"x")
        return 1
    return look, act

def once(directory, number):
    place = directory / f"outside-{number}"
    place.touch()
    look, act = act_and_look(place)
    async def work():
        outbox = module.Outbox(directory / f"{number}.db", VirtualClock())
        assert await outbox.once("key", look, act, as_=int) == 1
        assert outbox.done("key")
        outbox.close()
    asyncio.run(work())

def in_child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def killed_at(step):
    left = [step]
    def trace(frame, event, argument):
        if frame.f_code.co_filename not in WATCHED:
            return None
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    threading.settrace(trace)
    sys.settrace(trace)

directory, step = Path(sys.argv[1]), 0
while True:
    def disturbed():
        killed_at(step)
        once(directory, step)
    code = in_child(disturbed)
    assert code in (0, -signal.SIGKILL), code
    assert in_child(lambda: once(directory, step)) == 0, step
    assert (directory / f"outside-{step}").read_bytes() == b"x", step
    if code == 0:
        break
    step += 1
print(step)
'''


def test_a_report_killed_at_any_step_is_done_once(tmp_path: Path) -> None:
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    directory = tmp_path / "runs"
    directory.mkdir()
    completed = subprocess.run(
        [sys.executable, os.fspath(program), os.fspath(directory)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert completed.returncode == 0, completed.stderr
    assert int(completed.stdout) > 60, "it was not killed at every step"
