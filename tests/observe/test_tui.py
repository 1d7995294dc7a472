"""The view on a terminal: it fits, it says what matters, and nobody's text can drive it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from datetime import UTC

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType
from syrupy.assertion import SnapshotAssertion

from mawep.core import events as ev
from mawep.core.model import Dependency, FailureReason, Issue, IssueState, Question, Rules
from mawep.observe.look import LOOKS, bar, shares
from mawep.observe.panels import most_urgent
from mawep.observe.readmodel import Status
from mawep.observe.status import status_of
from mawep.observe.tui import Lines, compact, render, show
from tests.observe.play import HOUR, USAGE, Part, Play, payment_sprint, say_progress
from tests.support.waiting import eventually

SIZES = [
    (80, 24),
    (80, 25),
    (81, 23),
    (40, 12),
    (20, 4),
    (10, 2),
    (100, 30),
    (120, 40),
    (200, 60),
    (250, 12),
    (60, 80),
]


def status(play: Play) -> Status:
    return status_of(play.state, play.clock.now(), play.live, play.records)


def drawn(view: RenderableType, width: int) -> list[str]:
    """The lines of a view, without colours."""
    console = Console(
        file=io.StringIO(), width=width, color_system=None, force_terminal=True, legacy_windows=False
    )
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def busy_sprint() -> Play:
    """102 works, 103 asks, 104 works and says nothing, 101 has landed."""
    play = payment_sprint(i103=Part(6.0, asks="May I rename the table `postings`?"))
    play.until(15)
    say_progress(play, 102, 30.0)
    play.until(25)
    say_progress(play, 102, 62.0, "editing payments/card.py")
    return play


def crowd(number: int = 120) -> Play:
    """Many issues in all sorts of states."""
    titles = (
        "Refactor the billing export",
        "日本語のタイトルで支払い",
        "🎉 celebrate 👩‍💻 refunds",
        "x" * 300,
    )
    issues = tuple(
        Issue(
            n,
            f"{titles[n % 4]} {n}",
            depends_on=(Dependency(n // 3),) if n > 3 and n % 4 else (),
            files=(f"src/{n}.py",),
        )
        for n in range(1, number + 1)
    )
    parts = {
        n: Part(
            2.0 + n % 13,
            fails=FailureReason.STALLED if n % 11 == 7 else None,
            conflict=() if n % 17 == 5 else None,
        )
        for n in range(1, number + 1)
    }
    play = Play(issues, parts, Rules(max_agents=9, gate_slots=3, lease_seconds=HOUR))
    play.until(60)
    for issue in play.state.slots.values():
        say_progress(play, issue, 10.0 * (issue % 10))
    return play


@pytest.fixture(scope="module", params=["start", "busy", "crowd", "end", "blocked"])
def any_status(request: pytest.FixtureRequest) -> Status:
    """A run at one of its moments."""
    made: dict[str, Callable[[], Play]] = {"busy": busy_sprint, "crowd": crowd}
    play = made.get(request.param, payment_sprint)()
    if request.param == "end":
        play.finish()
    if request.param == "blocked":
        play.dirty = True
        play.until(30)
    return status(play)


def test_the_view_fits_any_terminal(any_status: Status) -> None:
    for width, height in SIZES:
        lines = drawn(render(any_status, width, height), max(width, 20))
        assert len(lines) <= max(height, 4), (width, height)
        assert all(cell_len(line) <= max(width, 20) for line in lines), (width, height)
        assert len(drawn(compact(any_status, width, height), max(width, 20))) <= max(height, 6)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_a_screen_is_filled_exactly(any_status: Status, width: int, height: int) -> None:
    assert len(drawn(render(any_status, width, height, UTC), width)) == height


@pytest.mark.parametrize(("width", "height"), [(80, 24), (132, 36)])
def test_the_screen_of_a_busy_sprint(snapshot: SnapshotAssertion, width: int, height: int) -> None:
    assert "\n".join(drawn(render(status(busy_sprint()), width, height, UTC), width)) == snapshot


def test_the_screen_of_a_crowd(snapshot: SnapshotAssertion) -> None:
    assert "\n".join(drawn(render(status(crowd()), 100, 30, UTC), 100)) == snapshot


def test_the_compact_view_of_a_busy_sprint(snapshot: SnapshotAssertion) -> None:
    assert "\n".join(drawn(compact(status(busy_sprint()), 80, 24), 80)) == snapshot


def test_what_a_person_has_to_do_is_in_the_header() -> None:
    screen = "\n".join(drawn(render(status(busy_sprint()), 120, 24), 120))
    assert "! #103 asks (mawep answer 103): May I rename the table `postings`?" in screen
    assert "waits for #104 (working) to land" in screen


def test_what_an_agent_told_everybody_is_in_the_header_while_it_works() -> None:
    play = payment_sprint()
    play.until(20)
    now = play.clock.now()
    play.live.blocker(now, 104, 1, kind="question", text="may I?")
    assert not any("may I" in line for line in drawn(render(status(play), 120, 24), 120))
    play.live.blocker(now, 104, 1, kind="network", text="no route to the mirror")
    play.live.breaking_change(
        now,
        102,
        1,
        file="payments/ledger.py",
        change="transfer wants a reference",
        affects=[],
        migration="",
        severity="high",
    )
    head = drawn(render(status(play), 150, 24), 150)[2]
    assert "#104 is held up: no route to the mirror" in head
    assert "#102 breaks what others rely on in payments/ledger.py: transfer wants a reference" in head
    play.finish()
    assert not any("rely on" in line for line in drawn(render(status(play), 150, 24), 150))


def test_a_failure_shows_why() -> None:
    play = payment_sprint(i101=Part(3.0, fails=FailureReason.GATE_FAILED, detail="E assert 3 == 4"))
    play.finish()
    screen = "\n".join(drawn(render(status(play), 100, 24), 100))
    assert "gate_failed: E assert 3 == 4" in screen
    assert "#101 is failed (gate_failed)" in screen


def test_hostile_text_neither_styles_nor_moves_anything() -> None:
    """Markup, escape sequences and turned text in a title, an activity and a question."""
    evil = "[bold red]x[/] \x1b[2J\x1b]0;owned\x07 \u202eback [link=http://e]y[/link]\n\r\ttail"
    issues = (Issue(1, evil, files=(evil,)), Issue(2, evil, files=("b",)))
    play = Play(issues, {1: Part(50.0), 2: Part(3.0, asks=evil)})
    play.until(5)
    say_progress(play, 1, 10.0, evil)
    play.live.blocker(play.clock.now(), 1, 1, kind=evil, text=evil)
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system="truecolor")
    console.print(render(status(play), 160, 40))
    console.print(compact(status(play), 160, 40))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "[bold red]x[/]" in shown
    marks = ("\x1b[2J", "\x1b]0;", "\x1b]8;", "\x07", "\u202e", "\r", "\t")
    assert [mark for mark in marks if mark in shown] == []


def test_the_most_urgent_issues_are_shown_when_not_all_have_room() -> None:
    issues = status(crowd()).issues
    shown = most_urgent(issues, 20)
    assert len(shown) == 19
    under_way = {issue.number for issue in issues if issue.state.holds_slot}
    assert under_way < {issue.number for issue in shown}
    assert not [issue for issue in shown if issue.state in (IssueState.LANDED, IssueState.BLOCKED)]
    assert [issue.number for issue in shown] == [i.number for i in issues if i in shown]
    assert most_urgent(issues, len(issues)) == list(issues)
    assert most_urgent(issues, 1) == []


def test_every_state_looks_different_without_colours() -> None:
    signs = [look.sign for look in LOOKS.values()]
    assert set(LOOKS) == set(IssueState)
    assert len(set(signs)) == len(signs)
    assert all(cell_len(sign) == 1 for sign in signs)


def test_bars_have_their_width() -> None:
    assert [bar(share, 4, "").plain for share in (-1, 0, 0.4, 0.5, 1, 7)] == [
        "────",
        "────",
        "━╸──",
        "━━──",
        "━━━━",
        "━━━━",
    ]
    assert shares([(1, "━", ""), (2, "╍", "")], 4, 8).plain == "━━╍╍╍╍──"
    assert shares([], 0, 4).plain == "────"


async def test_it_is_shown_until_the_run_is_over() -> None:
    play = payment_sprint()
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    seen: list[str] = []

    def look() -> list[tuple[str, Status]]:
        play.until((play.clock.now() - play.records[0].at).total_seconds() + 5)
        seen.append(play.state.ended or "")
        return [("", status(play))]

    ((_, last),) = await show(look, console, refresh=0)
    assert last.outcome == "landed"
    assert seen[-1] == "landed"
    assert len(seen) > 5
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().endswith("\x1b[?25h\x1b[?1049l")  # cursor and screen are given back


async def test_it_is_shown_until_nobody_conducts_the_run() -> None:
    play = payment_sprint()
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    ((_, last),) = await show(
        lambda: [("", status_of(play.state, play.clock.now(), alive=False))], console, screen=False
    )
    assert last.outcome == "interrupted"


async def test_it_can_be_cancelled_and_gives_the_terminal_back() -> None:
    play = payment_sprint()
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    assert isinstance(console.file, io.StringIO)
    file = console.file
    showing = asyncio.create_task(show(lambda: [("", status(play))], console, screen=False))
    await eventually("something is shown", lambda: "mawep" in file.getvalue())
    showing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await showing
    assert file.getvalue().count("\x1b[?25l") == file.getvalue().count("\x1b[?25h")


def test_off_a_terminal_each_event_is_one_plain_line() -> None:
    play = payment_sprint()
    play.finish()
    stream = io.StringIO()
    lines = Lines(stream, UTC)
    for recorded in play.records:
        lines.witness(recorded, play.state)
    said = stream.getvalue().splitlines()
    assert said[0] == "09:00:00  The run starts: 5 issues for main at 1405df6"
    assert said[-1] == "09:00:57  The run ended: landed"
    assert not [line for line in said if "lease" in line or "session" in line]
    assert "\x1b" not in stream.getvalue()


def test_a_stream_that_cannot_say_it_says_something_else() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    play = payment_sprint()
    asked = ev.QuestionAsked(101, 1, Question("q", "日本?"))
    Lines(stream, UTC).witness(ev.Recorded(1, play.clock.now(), asked), play.state)
    assert raw.getvalue() == b"09:00:00  #101 asks: ???\n"


def test_large_numbers_are_shortened() -> None:
    play = payment_sprint(i101=Part(3.0, usage=USAGE.__class__(input_tokens=2_500_000)))
    play.until(20)
    assert "2.5M tokens" in drawn(render(status(play), 100, 24), 100)[1]
