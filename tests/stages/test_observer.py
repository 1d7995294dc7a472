"""Files that change are seen to change, whatever clocks and agents say about their times."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mawep.stages.attempt import observer
from mawep.stages.attempt.observer import Files, footprint
from tests.support.waiting import eventually_now

COARSE = getattr(time, "CLOCK_REALTIME_COARSE", time.CLOCK_REALTIME)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "old.txt").write_text("old\n")
    written = (tmp_path / "deep" / "old.txt").stat().st_ctime_ns
    # A file system may stamp files with a clock that stands still for some milliseconds.
    eventually_now("what changes is later", lambda: time.clock_gettime_ns(COARSE) > written)
    return tmp_path


def looked(files: Files, clock: Clock) -> float | None:
    clock.now += 100.0
    return files.look(clock)


def test_nothing_that_changes_is_nothing(worktree: Path) -> None:
    files, clock = Files((worktree,), 0.0), Clock()
    looked(files, clock)
    assert looked(files, clock) is None


@pytest.mark.parametrize("change", ["write", "make", "remove", "touch"])
def test_any_change_is_seen_and_its_age_is_known(worktree: Path, change: str) -> None:
    files, clock, old = Files((worktree,), 0.0), Clock(), worktree / "deep" / "old.txt"
    looked(files, clock)
    match change:
        case "write":
            old.write_text("new\n")
        case "make":
            (worktree / "new.txt").write_text("")
        case "remove":
            old.unlink()
        case _:  # a time that an agent has made up, in the past and in the future
            os.utime(old, (1, 1))
    age = looked(files, clock)
    assert age is not None and age < 50
    assert looked(files, clock) is None


def test_a_time_in_the_future_keeps_nobody_alive(worktree: Path) -> None:
    """Times of modification are whatever an agent says; times of change are not."""
    files, clock = Files((worktree,), 0.0), Clock()
    looked(files, clock)
    os.utime(worktree / "deep" / "old.txt", (4e9, 4e9))
    looked(files, clock)
    assert looked(files, clock) is None


@pytest.mark.parametrize("jump", [1e6, -1e6])
def test_a_clock_that_jumps_hides_no_change_and_makes_none(
    worktree: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    files, clock, real = Files((worktree,), 0.0), Clock(), time.time
    looked(files, clock)
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    assert looked(files, clock) is None
    (worktree / "new.txt").write_text("")
    age = looked(files, clock)
    assert age is not None and 0 <= age <= 100


def test_the_first_look_believes_an_age_that_can_be_true(worktree: Path) -> None:
    clock = Clock()
    age = looked(Files((worktree,), 0.0), clock)
    assert age is not None and age < 50, "written after the turn began"
    assert Files((worktree,), clock.now).look(clock) is None, "written before"


def test_a_look_is_bounded_and_costs_its_share(worktree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "SCAN_LIMIT", 1)
    assert footprint((worktree,)).entries == 2
    assert footprint((worktree / "nowhere",)).entries == 0
    files, clock = Files((worktree, worktree), 0.0), Clock()

    def slow() -> float:
        clock.now += 1.0
        return clock.now

    files.look(slow)
    assert files.rest_until == clock.now + 1.0 / observer.SCAN_SHARE
