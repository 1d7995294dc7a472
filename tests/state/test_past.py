"""How long issues took, from the journals of earlier runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mawep.core import events as ev
from mawep.core.estimate import Took
from mawep.core.model import FailureReason, Issue, Question, Rules
from mawep.core.suited import ROUGHLY, SMOOTHLY, Did
from mawep.state.journal import Journal
from mawep.state.past import past_issues, past_work
from mawep.state.runs import directory_of

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
LEASE = START + timedelta(days=1)
ISSUES = (
    Issue(1, "one", labels=("backend",), estimate_hours=2.0),
    Issue(2, "two", estimate_hours=1.0),
    Issue(3, "three"),
)
HOUR = 60


async def write(common: Path, run: str, *events: tuple[float, ev.AnyEvent]) -> None:
    """A run with these events, each so many minutes after its start."""
    directory = directory_of(common, run)
    directory.make()
    journal = Journal.create(directory.journal, run)
    started = ev.RunStarted(run, "t", "main", "0" * 40, ISSUES, Rules())
    for minutes, event in ((0, started), *events):
        journal.append(event, START + timedelta(minutes=minutes))
    await journal.commit()
    journal.close()


def assigned(issue: int, attempt: int = 1) -> ev.AnyEvent:
    return ev.AttemptAssigned(issue, attempt, 0, "b", "n", "0" * 40, (), LEASE)


def landed(*issues: int) -> ev.AnyEvent:
    return ev.TargetMoved("a", "b", tuple(ev.Step(issue, "c", "t") for issue in issues))


async def test_from_the_agent_to_the_target(tmp_path: Path) -> None:
    await write(tmp_path, "r1", (0, assigned(1)), (30, assigned(2)), (2 * HOUR, landed(1, 2)))
    assert past_issues(tmp_path) == [Took(frozenset({"backend"}), 2.0, 2.0), Took(frozenset(), 1.5, 1.0)]


async def test_without_the_time_that_it_waited(tmp_path: Path) -> None:
    """For a person, for its provider, for a retry, and while nobody conducted the run."""
    question = Question("q", "which?")
    await write(
        tmp_path,
        "r1",
        (0, assigned(2)),
        (HOUR, ev.QuestionAsked(2, 2, question)),
        (9 * HOUR, ev.QuestionAnswered(2, "q", "that", "ada")),
        (10 * HOUR, ev.ProviderLimitHit(2, 2, None, "")),
        (15 * HOUR, ev.AttemptContinued(2, 1, LEASE)),
        (16 * HOUR, ev.AttemptFailed(2, 2, FailureReason.STALLED)),
        (20 * HOUR, assigned(2, 2)),
        (21 * HOUR, ev.LeasesExtended((2,), LEASE)),
        (40 * HOUR, ev.RunResumed("x")),
        (41 * HOUR, landed(2)),
    )
    assert past_issues(tmp_path) == [Took(frozenset(), 5.0, 1.0, smoothly=False)]


async def test_repairs_are_not_smooth_and_what_did_not_land_tells_nothing(tmp_path: Path) -> None:
    await write(
        tmp_path,
        "r1",
        (0, assigned(1)),
        (1, assigned(2)),
        (2, ev.RepairIntended(1, 1, 1, "red", LEASE)),
        (HOUR, landed(1)),
    )
    assert past_issues(tmp_path) == [Took(frozenset({"backend"}), 1.0, 2.0, smoothly=False)]


async def test_the_newest_runs_come_first_and_unreadable_ones_tell_nothing(tmp_path: Path) -> None:
    await write(tmp_path, "r1", (0, assigned(1)), (HOUR, landed(1)))
    await write(tmp_path, "r2", (0, assigned(2)), (HOUR, landed(2)))
    broken = directory_of(tmp_path, "r3")
    broken.make()
    broken.journal.write_text("no database\n")
    directory_of(tmp_path, "r4").make()
    assert [took.estimated for took in past_issues(tmp_path)] == [1.0, 2.0]


async def test_an_issue_without_an_estimate_is_judged_by_its_text(tmp_path: Path) -> None:
    await write(tmp_path, "r1", (0, assigned(3)), (HOUR, landed(3)))
    (found,) = past_issues(tmp_path)
    assert found.estimated > 0


def test_no_runs_tell_nothing(tmp_path: Path) -> None:
    assert past_issues(tmp_path) == []
    assert past_work(tmp_path) == []


def given(issue: int, runtime: str, attempt: int = 1) -> ev.AnyEvent:
    return ev.AttemptAssigned(issue, attempt, 0, "b", "n", "0" * 40, (), LEASE, runtime)


async def test_what_became_of_issues_is_told_by_how_they_were_driven(tmp_path: Path) -> None:
    await write(
        tmp_path,
        "r1",
        (0, given(1, "codex")),
        (1, given(2, "gemini")),
        (2, ev.AttemptFailed(2, 3, FailureReason.GATE_FAILED)),
        (3, given(2, "gemini", 2)),
        (4, given(3, "codex")),
        (5, landed(1, 2)),
        (6, ev.AttemptFailed(3, 6, FailureReason.AGENT_ERROR)),
    )
    nowhere: frozenset[str] = frozenset()
    assert sorted(past_work(tmp_path), key=lambda did: (did.runtime, did.worth)) == [
        Did("codex", nowhere, nowhere, 0.0),
        Did("codex", frozenset({"backend"}), nowhere, SMOOTHLY),
        Did("gemini", nowhere, nowhere, ROUGHLY),
    ]


async def test_what_failed_through_no_fault_of_its_agent_tells_nothing_of_it(tmp_path: Path) -> None:
    lost = ev.AttemptFailed(1, 2, FailureReason.LOST)
    await write(tmp_path, "r1", (0, given(1, "codex")), (1, given(2, "codex")), (2, lost))
    assert past_work(tmp_path) == []
