"""The chart of a run, and the table of what became of it."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType
from syrupy.assertion import SnapshotAssertion

from mawep.core import events as ev
from mawep.core.model import FailureReason, Issue
from mawep.observe.documents import result_document
from mawep.observe.gantt import gantt, gantt_lines
from mawep.observe.results import outcome_line, reasons, result_table
from mawep.observe.text import duration
from mawep.observe.timeline import Course, course_of
from tests.observe.play import HOUR, Part, Play, payment_sprint


def drawn(view: RenderableType, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def eventful() -> Play:
    """102 fails and is tried again, 103 is repaired, 104 asks."""
    play = payment_sprint(
        i102=Part(6.0, fails=FailureReason.STALLED, detail="no sign of life"), i104=Part(9.0, asks="May I?")
    )
    play.until(30)
    play.tell(ev.QuestionAnswered(104, "q-104", "yes", "ada"))
    play.parts = {**play.parts, 102: Part(5.0)}
    play.tell(ev.IssueReopened(102, "ada"))
    play.finish()
    return play


@pytest.mark.parametrize("width", [80, 120])
def test_the_chart_of_an_eventful_sprint(snapshot: SnapshotAssertion, width: int) -> None:
    assert drawn(gantt(course_of(eventful().records), width), width) == snapshot


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_an_eventful_sprint(snapshot: SnapshotAssertion, width: int) -> None:
    play = eventful()
    assert drawn(result_table(result_document(play.state, play.records), width), width) == snapshot


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_the_chart_fits_its_width(width: int) -> None:
    issues = tuple(Issue(n, "支払いゲートウェイ " * 3 + f"[red]{n}[/]") for n in range(1, 8))
    play = Play(issues, {n: Part(float(n)) for n in range(1, 8)})
    play.finish()
    course = course_of(play.records)
    assert all(cell_len(line.plain) <= width for line in gantt_lines(course, width)[:-1])
    assert drawn(gantt(course, width), width).count("\n") == 7 + 1  # the legend is cut, not wrapped


def test_the_time_in_which_nobody_conducted_the_run_is_not_drawn() -> None:
    play = payment_sprint()
    play.until(20)
    play.die(away=100 * HOUR)
    play.finish()
    course = course_of(play.records)
    axis = gantt_lines(course, 100)[-2].plain
    assert axis.split()[-1] == duration(course.settled)
    assert course.settled < 70


def test_of_many_issues_those_that_took_longest_are_drawn() -> None:
    issues = tuple(Issue(n, f"issue {n}") for n in range(1, 31))
    play = Play(issues, {n: Part(float(n % 7 + 1)) for n in range(1, 31)})
    play.finish()
    lines = [line.plain for line in gantt_lines(course_of(play.records), 100, most=5)]
    assert len(lines) == 5 + 3
    assert lines[5].strip() == "and 25 more"


def test_there_is_no_chart_of_nothing() -> None:
    play = payment_sprint()
    empty = Course(play.state, (), 0.0, 0.0)
    assert gantt_lines(empty, 80) == []
    assert gantt_lines(course_of(play.records), 80) == []
    assert drawn(gantt(empty, 80), 80) == ""


def test_a_line_says_how_the_run_went() -> None:
    play = payment_sprint()
    landed = outcome_line(result_document(play.finish(), play.records)).plain
    assert landed == "landed: 5 of 5 issues on main in 0:57, lower bound 0:57, agents busy 37% of the time"
    begun = payment_sprint()
    document = result_document(begun.state, begun.records[:1])
    assert outcome_line(document).plain == "interrupted: 0 of 5 issues on main in 0.0 s"


def test_what_did_not_land_says_why() -> None:
    play = payment_sprint(i104=Part(3.0, fails=FailureReason.STALLED))
    play.finish()
    said = [line.plain for line in reasons(result_document(play.state, play.records))]
    assert said == [
        "#104 stalled  (mawep explain 104)",
        "#105 #104 is failed (stalled)  (mawep explain 105)",
    ]
