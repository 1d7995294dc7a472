"""A turn that its provider's limit ends is no failure: everything stays where it is until it goes on."""

from __future__ import annotations

from datetime import UTC, datetime

from mawep.coordination import payloads as wire
from tests.support.repos import git
from tests.worker.shop import Shop

LATER = """\
if [ -n "$MAWEP_FEEDBACK_FILE" ]; then cat > ../../stdin.txt; echo rest >> work.txt; exit 0; fi
echo half > work.txt; echo 'usage limit reached'; echo 2031-01-31T09:30:00+01:00; exit 75
"""


async def limited(shop: Shop, fence: int) -> wire.TurnResult:
    result = await shop.result(101, fence=fence)
    assert (result.outcome, result.head, result.salvage) == ("limited", None, None)
    return result


async def test_it_is_told_with_its_moment_and_nothing_is_committed(shop: Shop) -> None:
    shop.agent(101, LATER)
    shop.open()
    await shop.assign(101, fence=1)
    result = await limited(shop, 1)
    assert result.until == datetime(2031, 1, 31, 8, 30, tzinfo=UTC)
    assert "usage limit reached" in result.detail
    assert (shop.root / "trees" / "agent-0-issue-101" / "work.txt").read_text() == "half\n"
    assert git(shop.checkout, "rev-parse", "defect/101-thing") == git(shop.checkout, "rev-parse", "main")


async def test_it_goes_on_in_its_worktree(shop: Shop) -> None:
    shop.agent(101, LATER)
    shop.open()
    await shop.assign(101, fence=1)
    await limited(shop, 1)
    await shop.repair(101, fence=2, feedback="go on")
    result = await shop.result(101, fence=2)
    assert result.outcome == "finished"
    assert shop.show("defect/101-thing:work.txt") == "half\nrest"
    assert shop.file("stdin.txt").read_text() == "the prompt\n\ngo on"


async def test_another_process_goes_on_with_it(shop: Shop) -> None:
    shop.agent(101, LATER)
    shop.open()
    await shop.assign(101, fence=1)
    await limited(shop, 1)
    await shop.close()
    shop.open()
    await shop.repair(101, fence=2, feedback="go on")
    assert (await shop.result(101, fence=2)).outcome == "finished"
    assert shop.show("defect/101-thing:work.txt") == "half\nrest"


async def test_a_limit_without_a_moment_has_none(shop: Shop) -> None:
    shop.agent(101, "echo 2031-01-31; exit 75")
    shop.open()
    await shop.assign(101, fence=1)
    assert (await limited(shop, 1)).until is None


async def test_what_waits_can_be_stopped_and_is_salvaged(shop: Shop) -> None:
    shop.agent(101, LATER)
    shop.open()
    await shop.assign(101, fence=1)
    await limited(shop, 1)
    await shop.stop(101, fence=2)
    result = await shop.result(101, fence=2)
    assert (result.outcome, result.salvage is not None) == ("stopped", True)
    assert shop.show(f"{result.salvage}:work.txt") == "half"
