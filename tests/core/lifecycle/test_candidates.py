"""Imports and gates: what passes, what does not, and what comes too late."""

from __future__ import annotations

import pytest

from mawep.core import events as ev
from mawep.core.model import FailureReason, GateResult, IssueState, Rules
from mawep.core.state import Progress
from tests.core.driver import Driver, green, issue, verdict

IMPORTED = ev.CandidateImported(1, 1, "c-1", "t-1", ("a.py",))
REFUSED = ev.ImportRefused(1, 1, FailureReason.PROTECTED_PATH, "touches .github", True)


def test_an_imported_candidate_waits_for_its_gate() -> None:
    run = Driver(issue(1)).start(1).finish(1)
    assert (run.attempt(1).progress, list(run.state.effects)) == (Progress.IMPORTING, ["import:1"])
    run.go(IMPORTED)
    attempt = run.attempt(1)
    assert (attempt.progress, attempt.commit, attempt.tree, attempt.files) == (
        Progress.IMPORTED,
        "c-1",
        "t-1",
        ("a.py",),
    )
    assert (list(run.state.effects), dict(run.state.gating)) == (["gate:t-1"], {"t-1": "#1"})


def test_a_refused_import_that_can_be_undone_is_repaired() -> None:
    run = Driver(issue(1)).start(1).finish(1)
    run.go(REFUSED)
    assert run.last(ev.RepairIntended).feedback == "touches .github"
    assert run.attempt(1).refusal is None


def test_a_refused_import_that_cannot_be_undone_ends_the_attempt() -> None:
    run = Driver(issue(1)).start(1).finish(1)
    run.go(ev.ImportRefused(1, 1, FailureReason.NO_CHANGES, "nothing changed"))
    stop = run.last(ev.StopIntended)
    assert (stop.reason, stop.detail) == (FailureReason.NO_CHANGES, "nothing changed")


@pytest.mark.parametrize("answer", [IMPORTED, REFUSED])
def test_an_import_that_ends_after_its_attempt_was_stopped_is_no_news(answer: ev.AnyEvent) -> None:
    run = Driver(issue(1)).start(1).finish(1)
    run.go(ev.IssueCancelled(1, "ada"))
    run.go(answer)
    assert run.attempt(1).progress is Progress.STOPPING
    assert list(run.state.effects) == ["stop:1"]


@pytest.mark.parametrize("answer", [IMPORTED, REFUSED])
def test_an_import_of_an_earlier_attempt_is_no_news(answer: ev.AnyEvent) -> None:
    run = Driver(issue(1), rules=Rules(max_retries=1)).start(1)
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR))
    run.start(1).finish(1)
    run.tell(answer)
    assert run.attempt(1).progress is Progress.IMPORTING


def test_two_candidates_with_one_tree_share_one_gate_run() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(gate_slots=2)).start(1, 2).finish(1, 2)
    for number in (1, 2):
        run.go(ev.CandidateImported(number, 1, f"c-{number}", "same", ()))
    assert run.count(ev.GateIntended) == 1
    run.go(green("same"))
    assert [run.at(n) for n in (1, 2)] == [IssueState.LANDING, IssueState.LANDING]


def test_a_gate_without_a_verdict_fails_the_candidate_without_a_repair() -> None:
    run = Driver(issue(1)).verify(1)
    run.go(verdict("t-1", GateResult.NONE))
    assert run.last(ev.StopIntended).reason is FailureReason.GATE_FAILED
    assert run.count(ev.RepairIntended) == 0


def test_a_verdict_that_nobody_waits_for_is_kept() -> None:
    run = Driver(issue(1))
    run.go(green("t-9"))
    assert run.state.gates["t-9"].result is GateResult.GREEN
