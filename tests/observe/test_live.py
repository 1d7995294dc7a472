"""The live view: what workers tell, and the file in which others read it."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mawep.clock import VirtualClock
from mawep.core.model import FailureReason, PlanEntry, Usage
from mawep.observe.live import KEPT_NOTICES, BusCounts, Disk, Live, LiveFile
from tests.observe.play import Part, payment_sprint, say_progress
from tests.support.waiting import eventually

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def progress(live: Live, percent: float | None = 40.0, at: datetime = AT) -> None:
    live.progress(
        at,
        101,
        1,
        agent="agent-0",
        stage="working",
        percent=percent,
        plan=[PlanEntry("look", "completed")],
        activity="editing",
        files=["a.py"],
        usage=Usage(input_tokens=10),
        eta_seconds=None,
    )


def health(live: Live, at: datetime, cpu: float, pid: int = 7) -> None:
    live.health(at, 101, 1, pid=pid, cpu_seconds=cpu, rss_mb=100.0, idle_seconds=2.0)


def test_progress_and_health_meet_in_one_view() -> None:
    live = Live()
    progress(live)
    health(live, AT, 1.0)
    view = live.of(101, 1)
    assert view is not None
    assert (view.percent, view.activity, view.files, view.pid, view.rss_mb) == (
        40.0,
        "editing",
        ("a.py",),
        7,
        100.0,
    )
    assert live.of(101, 2) is None
    assert live.at == AT


def test_the_share_of_a_processor_comes_from_two_looks_at_one_process() -> None:
    live = Live()
    shares = []
    for seconds, cpu, pid in ((0, 1.0, 7), (5, 3.5, 7), (10, 0.1, 8)):
        health(live, AT + timedelta(seconds=seconds), cpu, pid)
        view = live.of(101, 1)
        shares.append(view and view.cpu_percent)
    assert shares == [None, 50.0, None]


def test_only_the_newest_notices_are_kept() -> None:
    live = Live()
    for number in range(KEPT_NOTICES + 5):
        live.blocker(AT, number, 1, kind="question", text="?")
        live.breaking_change(
            AT,
            number,
            1,
            file="a.py",
            change="renamed",
            affects=["b.py"],
            migration="rename",
            severity="high",
        )
    assert [blocker.issue for blocker in live.blockers] == list(range(5, KEPT_NOTICES + 5))
    assert len(live.breaking_changes) == KEPT_NOTICES
    assert live.breaking_changes[-1].affects == ("b.py",)


def test_an_attempt_that_is_over_is_forgotten() -> None:
    play = payment_sprint(i101=Part(8.0, fails=FailureReason.STALLED))
    play.until(2)
    say_progress(play, 101)
    assert play.live.of(101, 1) is not None
    play.finish()
    assert play.live.attempts == {}


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    live, file = Live(), LiveFile(tmp_path / "live.json")
    progress(live, percent=None)
    health(live, AT, 1.0)
    live.blocker(AT, 101, 1, kind="question", text="?")
    live.count(AT, BusCounts(sent=3, dead_letters=1))
    live.restarted(AT)
    live.room(AT, Disk(used=1, free=2, floor=3))
    file.write(live)
    assert file.read() == live
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file.path]


def test_the_file_is_left_alone_while_nothing_changes(tmp_path: Path) -> None:
    live, file = Live(), LiveFile(tmp_path / "live.json")
    file.write(live)
    before = file.path.stat().st_ino
    live.count(AT, BusCounts())
    file.write(live)
    assert file.path.stat().st_ino == before
    live.restarted(AT)
    file.write(live)
    assert file.path.stat().st_ino != before


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"attempts": 7}', b"\xff\xfe", b"[]"])
def test_nothing_is_read_from_a_file_that_is_not_there_or_not_one(
    tmp_path: Path, content: bytes | None
) -> None:
    file = LiveFile(tmp_path / "live.json")
    if content is not None:
        file.path.write_bytes(content)
    assert file.read() is None


async def test_the_file_follows_the_view_and_has_its_last_word(tmp_path: Path) -> None:
    live, file = Live(), LiveFile(tmp_path / "live.json")
    following = asyncio.create_task(file.follow(live, VirtualClock()))
    await eventually("the view is written", file.path.exists)
    progress(live)
    await eventually("the change is written", lambda: (seen := file.read()) and seen.of(101, 1))
    following.cancel()
    live.restarted(AT)
    with contextlib.suppress(asyncio.CancelledError):
        await following
    seen = file.read()
    assert seen is not None
    assert seen.bus_restarts == 1


async def test_a_disk_that_refuses_costs_the_view_and_not_the_run(tmp_path: Path) -> None:
    file = LiveFile(tmp_path / "gone" / "live.json")
    following = asyncio.create_task(file.follow(Live(), VirtualClock()))
    with pytest.raises(FileNotFoundError):
        file.write(Live())
    file.path.parent.mkdir()
    await eventually("it is written when it can be", file.path.exists)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
