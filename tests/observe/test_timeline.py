"""How long things took, by the run's own clock, and what follows from it."""

from __future__ import annotations

import pytest

from mawep.core import events as ev
from mawep.core.model import FailureReason, Issue, IssueState, Rules
from mawep.observe.attempts import attempts_of
from mawep.observe.figures import Figures, figures_of
from mawep.observe.timeline import Timeline, course_of
from tests.observe.play import HOUR, START, USAGE, Part, Play, payment_sprint, sprint


def spans_of(play: Play, issue: int) -> list[tuple[str, int, float]]:
    return [
        (span.state.value, span.attempt, round(span.seconds, 3))
        for span in course_of(play.records).spans
        if span.issue == issue and span.seconds
    ]


def test_an_issue_goes_from_span_to_span() -> None:
    play = payment_sprint()
    play.finish()
    assert spans_of(play, 101) == [
        ("assigned", 1, 0.5),
        ("working", 1, 7.5),
        ("verifying", 1, 2.1),
        ("landing", 1, 2.3),
    ]
    assert [state for state, _, _ in spans_of(play, 103)] == [
        *("assigned", "working", "verifying"),
        *("assigned", "working", "verifying", "landing"),
    ]


def test_attempts_are_told_apart() -> None:
    play = Play(
        sprint()[:1], {101: Part(3.0, fails=FailureReason.STALLED)}, Rules(max_retries=1, lease_seconds=HOUR)
    )
    play.finish()
    assert [(state, attempt) for state, attempt, _ in spans_of(play, 101)] == [
        ("assigned", 1),
        ("working", 1),
        ("assigned", 2),
        ("working", 2),
    ]


def test_the_clock_stands_still_while_no_process_conducts_the_run() -> None:
    play = payment_sprint()
    play.until(5)
    play.die(away=HOUR)
    play.finish()
    course = course_of(play.records)
    assert (play.records[-1].at - START).total_seconds() > HOUR
    assert course.seconds < 70
    assert 0 < sum(seconds for _, _, seconds in spans_of(play, 101)) < 20


def test_the_clock_stands_still_between_an_end_and_a_retry() -> None:
    play = payment_sprint(i101=Part(3.0, fails=FailureReason.STALLED))
    play.finish()
    play.clock.advance(HOUR)
    play.parts = {}
    play.tell(ev.IssueReopened(101, "ada"))
    play.finish()
    assert play.state.ended == "landed"
    assert course_of(play.records).seconds < 70


def test_a_clock_that_is_set_back_takes_no_time_away() -> None:
    play = payment_sprint()
    play.until(9)
    play.clock._now = START
    play.tell(ev.DispatchPaused("ada"))
    assert course_of(play.records).seconds == pytest.approx(8.1)


def test_figures_of_a_sprint() -> None:
    play = payment_sprint()
    play.finish()
    assert figures_of(course_of(play.records)) == Figures(
        makespan_s=57.3, critical_path_s=57.3, lower_bound_s=57.3, agent_utilization=0.3654
    )


def test_nothing_is_said_about_what_was_not_measured() -> None:
    assert figures_of(course_of([])) == Figures()
    play = payment_sprint()
    assert figures_of(course_of(play.records)).agent_utilization is None
    only_start = [play.records[0]]
    assert figures_of(course_of(only_start)) == Figures(makespan_s=0.0)


def test_time_in_the_queue_is_not_on_the_critical_path() -> None:
    issues = tuple(Issue(number, f"issue {number}") for number in range(1, 7))
    play = Play(
        issues, {n: Part(5.0 + n) for n in range(1, 7)}, Rules(max_agents=6, batch=1, lease_seconds=HOUR)
    )
    play.finish()
    course = course_of(play.records)
    in_queue = {n: sum(s for state, _, s in spans_of(play, n) if state == "queued") for n in range(1, 7)}
    on_it = {n: sum(s for state, _, s in spans_of(play, n) if state != "queued") for n in range(1, 7)}
    assert max(in_queue.values()) > 1
    assert figures_of(course).critical_path_s == pytest.approx(max(on_it.values()))


def test_a_timeline_can_begin_in_the_middle() -> None:
    play = payment_sprint()
    play.until(5)
    timeline = Timeline(play.state)
    begun = len(play.records)
    play.until(9)
    ended = [span for recorded in play.records[begun:] for span in timeline.see(recorded)]
    assert [(span.issue, span.state) for span in ended] == [(101, IssueState.WORKING)]
    assert timeline.state == play.state
    (going_on,) = timeline.open(play.clock.now())
    assert (going_on.state, round(going_on.seconds, 1)) == (IssueState.VERIFYING, 1.0)
    assert timeline.at(play.clock.now()) == pytest.approx(timeline.seconds + 0.9)


def test_attempts_carry_what_became_of_them() -> None:
    play = payment_sprint(i102=Part(4.0, fails=FailureReason.AGENT_ERROR, detail="it broke", usage=USAGE))
    play.finish()
    play.parts = {**play.parts, 102: Part(4.0, usage=USAGE)}
    play.tell(ev.IssueReopened(102, "ada"))
    play.finish()
    tries = attempts_of(play.records)
    failed, landed = tries[102]
    assert (failed.outcome, failed.reason, failed.detail) == ("failed", "agent_error", "it broke")
    assert failed.salvage is not None
    assert failed.usage.tokens == landed.usage.tokens == 15_000
    assert (landed.number, landed.outcome, landed.reason) == (2, "landed", None)
    assert [record.result.value for record in tries[103][0].gates] == ["red", "green"]
    assert tries[103][0].repairs == 1
    assert list(tries) == [101, 102, 103, 104, 105]


def test_an_attempt_that_goes_on_is_told_as_running() -> None:
    play = payment_sprint(i101=Part(8.0, asks="may I?"))
    play.until(9)
    (running,) = attempts_of(play.records)[101]
    assert (running.outcome, running.ended_at, running.agent) == ("running", None, "agent-0")


def test_interrupted_and_cancelled_attempts_are_no_failures() -> None:
    play = payment_sprint()
    play.until(3)
    play.tell(ev.Interrupted(2))
    play.until(10)
    assert [one.outcome for one in attempts_of(play.records)[101]] == ["interrupted"]
    play = payment_sprint()
    play.until(3)
    play.tell(ev.IssueCancelled(101, "ada"))
    play.until(10)
    assert [one.outcome for one in attempts_of(play.records)[101]] == ["cancelled"]
