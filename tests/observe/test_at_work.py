"""What one agent does just now, in a line and in some lines."""

from __future__ import annotations

import msgspec

from mawep.core.model import IssueState
from mawep.observe.at_work import detail, summary, thousands, ticks
from mawep.observe.live import Live
from mawep.observe.readmodel import IssueStatus, PlanLine
from mawep.observe.status import status_of
from tests.observe.play import payment_sprint

PLAN = (
    PlanLine("Look", "completed"),
    PlanLine("Write \x1b[2Jit", "in_progress"),
    PlanLine("Test", "pending"),
)


def issue(**fields: object) -> IssueStatus:
    """One that an agent works on."""
    play = payment_sprint()
    play.until(20)
    status = status_of(play.state, play.clock.now(), Live())
    working = next(one for one in status.issues if one.state is IssueState.WORKING)
    return msgspec.structs.replace(working, **fields)


def test_everything_that_is_known_is_told() -> None:
    files = tuple(f"{number}.py" for number in range(7))
    known = issue(
        plan=PLAN,
        activity="pytest -q",
        files=files,
        tokens=12_400,
        cost_usd=0.031,
        context_used=26_000,
        context_size=200_000,
        runtime="acp",
    )
    assert summary(known).plain == "✓▸· 1/3  7 files  12.4k tokens  $0.03  ctx 13%"
    head, *rest = (line.plain for line in detail(known))
    assert head.endswith("  acp  12.4k tokens  $0.03  ctx 13% (26k of 200k)")
    assert rest == [
        "  ✓ Look",
        "  ▸ Write it",
        "  · Test",
        "  → pytest -q",
        "  touched 3 more and 3.py, 4.py, 5.py, 6.py",
    ]


def test_what_is_not_known_is_left_out() -> None:
    nothing = issue(plan=(), activity="", files=(), tokens=None, cost_usd=None, runtime=None)
    assert summary(nothing).plain == ""
    assert len(detail(nothing)) == 1
    assert detail(msgspec.structs.replace(nothing, state=IssueState.LANDED)) == []


def test_a_context_that_is_nearly_full_is_marked() -> None:
    full = issue(plan=(), files=(), tokens=None, cost_usd=None, context_used=190_000, context_size=200_000)
    assert [str(span.style) for span in summary(full).spans] == ["yellow"]


def test_a_long_plan_is_only_counted() -> None:
    assert ticks(PLAN * 5).plain == "✓ 5/15"


def test_numbers_are_told_shortly() -> None:
    assert [thousands(number) for number in (0, 950, 1000, 12_400, 1_250_000)] == [
        "0",
        "950",
        "1k",
        "12.4k",
        "1.2M",
    ]
