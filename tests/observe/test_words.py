"""Every event can be told in one sentence."""

from __future__ import annotations

import typing
from datetime import UTC, datetime

import msgspec
import pytest

from mawep.core import events as ev
from mawep.core.model import (
    CommandResult,
    FailureReason,
    Far,
    GateRecord,
    GateResult,
    Issue,
    IssueState,
    Question,
    Rules,
    Session,
)
from mawep.core.verdict import ReviewRecord, Verdict
from mawep.observe.words import ROUTINE, describe, noteworthy
from tests.observe.play import Part, Play, payment_sprint, sha

EVENTS = typing.get_args(ev.AnyEvent)
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def say(event: ev.AnyEvent) -> str:
    return describe(ev.Recorded(1, AT, event))


def example(kind: type) -> typing.Any:
    """An event of a kind with the plainest values."""
    plain = {
        int: 1,
        str: "x",
        bool: True,
        datetime: AT,
        FailureReason: FailureReason.LOST,
        Question: Question("q", "why?"),
        Rules: Rules(),
        Session: Session("s"),
        ReviewRecord: ReviewRecord(1, 1, sha("c"), sha("t"), Verdict.NONE),
        Issue: Issue(1, "x"),
        Far: Far("acme/api", 5),
        IssueState: IssueState.FAILED,
        GateRecord: GateRecord("k", sha("t"), GateResult.NONE, (), 1.0, "log"),
    }

    def value(hint: typing.Any) -> object:
        if typing.get_origin(hint) is tuple:
            element = typing.get_args(hint)[0]
            return (plain[element],) if element in plain else ()
        if typing.get_origin(hint) is not None or not isinstance(hint, type):
            hint = next(arg for arg in typing.get_args(hint) if arg in plain)
        return plain[hint]

    fields = [field for field in msgspec.structs.fields(kind) if field.required]
    return kind(**{field.name: value(field.type) for field in fields})


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_has_a_sentence(kind: type) -> None:
    said = say(example(kind))
    assert said
    assert "\n" not in said
    assert not said.endswith(".")
    assert "None" not in said


def test_routine_is_not_noteworthy() -> None:
    assert set(EVENTS) > ROUTINE
    assert noteworthy(ev.RunEnded("landed"))
    assert not noteworthy(ev.LeasesExtended((1,), AT))


def test_a_run_reads_like_a_story() -> None:
    play = payment_sprint()
    play.finish()
    told = [describe(recorded) for recorded in play.records if noteworthy(recorded.event)]
    assert told[0] == "The run starts: 5 issues for main at 1405df6"
    assert told[1] == "agent-0 takes #101 on feature/101-payment"
    assert "#103: its agent is asked to repair it, round 1" in told
    assert told[-2].startswith("#105 has landed: the target is at ")
    assert told[-1] == "The run ended: landed"


def test_a_failure_is_told_with_its_first_line() -> None:
    detail = "\n  E assert 3 == 4\nand much more"
    assert say(ev.AttemptFailed(7, 1, FailureReason.STALLED, detail, "refs/mawep/r/salvage/7-a1")) == (
        "#7 failed as stalled (work kept): E assert 3 == 4"
    )
    assert (
        say(ev.StopIntended(7, 1, None, "cancelled by ada")) == "#7 is stopped, no failure: cancelled by ada"
    )


def test_conflicts_are_told() -> None:
    step = ev.Step(1, sha("m"), sha("t"))
    conflict = ev.MergeConflict(2, ("a.py",), "<<<<<<<", (1,))
    assert say(ev.LandingComposed(sha("b"), (step,), (conflict,))).endswith("; #2 in conflict")
    assert say(ev.LandingComposed(sha("b"), (), (conflict,))) == "Nothing merged; #2 in conflict"
    ways = tuple(ev.Step(2, sha(name), sha(name)) for name in "ab")
    assert (
        say(ev.LandingComposed(sha("b"), (), (conflict,), ways))
        == "#2 in conflict; 2 ways to merge by rule found"
    )


def test_a_hostile_word_stays_on_its_line() -> None:
    said = say(ev.QuestionAsked(7, 1, Question("q", "\x1b]0;x\x07may\nI?")))
    assert said == "#7 asks: may I?"


def test_all_of_a_troubled_run_can_be_told() -> None:
    play = Play(
        payment_sprint().issues,
        {101: Part(red=9), 102: Part(fails=FailureReason.STALLED)},
        red_together=frozenset({102}),
    )
    play.finish()
    assert all(describe(recorded) for recorded in play.records)


def test_a_gate_that_ran_into_its_time_limit_says_so() -> None:
    late = CommandResult("make test", None, 15, 900.0, "0" * 64, timed_out=True)
    record = GateRecord("k", sha("t"), GateResult.RED, (late,), 900.2, "log")
    assert say(ev.GateFinished(record)).endswith("after 15:00, at its time limit")


def test_a_gate_that_was_run_again_says_what_came_of_it() -> None:
    red = GateRecord("k", sha("t"), GateResult.RED, (), 900.2, "log", reruns=2)
    assert say(ev.GateFinished(red)).endswith("after 15:00, also when run again 2 times")
    green = GateRecord("k", sha("t"), GateResult.GREEN, (), 900.2, "log", reruns=1)
    assert say(ev.GateFinished(green)).endswith("after 15:00, run again once: it is flaky")
