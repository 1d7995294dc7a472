"""What one attempt may take of the machine, and that a continued one waits for what is left of its predecessor."""

from __future__ import annotations

import pytest

from mawep.core.model import FailureReason
from mawep.stages.attempt import Limits, turn
from tests.worker.shop import Shop, hold_lock, lives


@pytest.mark.parametrize(
    ("limits", "script", "said"),
    [
        (
            Limits(stall=10, turn=60, processes=5),
            "for n in 1 2 3 4 5 6 7; do sleep 60 & done; wait",
            "processes, the limit is 5",
        ),
        (
            Limits(stall=10, turn=60, memory=80 * 2**20),
            "exec python3 -c 'import time; held = b\"x\" * 200_000_000; time.sleep(60)'",
            "MiB of memory, the limit is 80",
        ),
        (
            Limits(stall=10, turn=60, disk=10_000_000),
            "head -c 30000000 /dev/urandom > big; while :; do :; done",
            "GB on the disk, the limit is 0.01",
        ),
        (
            Limits(stall=10, turn=60, disk=10_000_000),
            'head -c 30000000 /dev/urandom > "$TMPDIR/big"; while :; do :; done',
            "GB on the disk, the limit is 0.01",
        ),
    ],
    ids=["processes", "memory", "worktree", "scratch"],
)
async def test_limits_of_an_attempt_end_it_and_keep_its_work(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, limits: Limits, script: str, said: str
) -> None:
    monkeypatch.setattr(turn, "DISK_SECONDS", 0.1)
    shop.limits = limits
    shop.agent(101, f"echo $$ > ../../pid; echo half > half.txt; {script}")
    shop.open()
    await shop.assign(101)
    result = await shop.result(101)
    assert result.reason == FailureReason.AGENT_ERROR
    assert said in result.detail
    assert result.salvage is not None
    assert shop.show(f"{result.salvage}:half.txt") == "half"
    assert not lives(int(await shop.appears("pid")))


async def test_spawn_on_resume_waits_until_the_lock_of_the_dead_attempt_is_free(shop: Shop) -> None:
    """Whatever an earlier process of ours left behind may still write in the worktree."""
    shop.agent(101, "echo half > half.txt; exit 3")
    shop.open()
    await shop.assign(101, fence=1)
    await shop.result(101, fence=1)
    await shop.close()
    holder = hold_lock(shop.directory / "attempts" / "101-a1" / "lock")
    try:
        shop.open()
        await shop.assign(101, fence=2, resume=True, ended_fence=1)
        await shop.leased(101)
        (shop.root / "trees" / "agent-0-issue-101" / "late.txt").write_text("late\n")
    finally:
        holder.communicate(b"\n")
    result = await shop.result(101, fence=2)
    assert result.reason == FailureReason.LOST
    assert shop.show(f"{result.salvage}:late.txt") == "late", "it looked before the lock was free"
