"""Clocks: which of them counts what."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, tzinfo
from typing import Self

import pytest

from mawep import clock
from mawep.clock import SystemClock, VirtualClock


class SetForward(datetime):
    """The time of day after somebody has set the machine's clock forward."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=3)


def test_leases_use_boottime_so_setting_the_clock_ends_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The orchestrator's deadlines are times of day; they must not come nearer when that is set."""
    system = SystemClock()
    before = system.now()
    monkeypatch.setattr(clock, "datetime", SetForward)
    assert timedelta(0) <= system.now() - before < timedelta(hours=1)
    assert SystemClock().now() - before > timedelta(hours=2)


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system has one clock for both")
def test_watchdogs_do_not_count_suspended_time_and_leases_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept for an hour: CLOCK_BOOTTIME went on, CLOCK_MONOTONIC stood still."""
    system, read = SystemClock(), time.clock_gettime
    now, awake, boottime = system.now(), system.awake(), system.boottime()
    monkeypatch.setattr(
        time, "clock_gettime", lambda which: read(which) + 3600 * (which == time.CLOCK_BOOTTIME)
    )
    assert system.awake() - awake < 1800
    assert system.boottime() - boottime > 1800
    assert system.now() - now > timedelta(minutes=30)


async def test_a_virtual_clock_stands_still_until_it_is_moved() -> None:
    virtual = VirtualClock()
    began = virtual.now()
    await virtual.sleep(5)
    virtual.advance_to(began)
    assert (virtual.now() - began, virtual.awake(), virtual.boottime()) == (timedelta(seconds=5), 5.0, 5.0)
