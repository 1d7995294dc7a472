"""How long it will take: only by what was measured, and unknown where anything is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mawep.core.graph import build
from mawep.core.model import Dependency, Estimate, Issue, Number, Risk, Rules, Span
from mawep.core.state import replace
from mawep.observe.outlook import expected_of, left_of_issue, left_of_run
from mawep.observe.status import status_of
from tests.core.driver import Driver


def issue(number: Number, *on: Number, takes: float | None = 1.0) -> Issue:
    span = Span(takes / 2, takes, takes * 2) if takes is not None else None
    estimate = Estimate(Span(1, 2, 4), Risk.LOW, "text", takes=span)
    return Issue(number, f"issue {number}", depends_on=tuple(map(Dependency, on)), estimate=estimate)


def test_a_plan_takes_its_longest_chain_or_all_hours_on_all_agents() -> None:
    graph = build([issue(1), issue(2, 1), issue(3), issue(4)])
    assert expected_of(graph, 2) == Span(1.0, 2.0, 4.0)
    assert expected_of(graph, 1) == Span(2.0, 4.0, 8.0)


def test_one_unknown_issue_leaves_the_plan_unknown() -> None:
    assert expected_of(build([issue(1), issue(2, takes=None)]), 2) is None
    assert expected_of(build([]), 2) is None


def test_what_is_left_counts_down_then_from_the_high_end_and_then_is_unknown() -> None:
    run = Driver(issue(1), issue(2, 1), rules=Rules(lease_seconds=1e9)).start(1)
    moments = [run.now + timedelta(hours=hours) for hours in (0, 0.75, 1.5, 2.5)]
    left = [(left_of_issue(run.state, 1, now), left_of_run(run.state, now)) for now in moments]
    assert left == [(3600, 7200), (900, 4500), (1800, 5400), (None, None)]
    assert left_of_issue(run.state, 2, run.now) is None


def test_while_the_run_is_paused_or_waits_for_a_person_nobody_knows() -> None:
    run = Driver(issue(1)).start(1)
    assert left_of_run(run.state, run.now) == 3600
    assert left_of_run(replace(run.state, paused="ada"), run.now) is None


@pytest.mark.parametrize("takes", [1.0, None])
def test_a_status_says_by_whose_word(takes: float | None) -> None:
    run = Driver(issue(1, takes=takes)).start(1)
    status = status_of(run.state, run.now)
    (one,) = status.issues
    assert (one.eta_s, one.eta_by, status.eta_s) == (
        (3600, "estimate", 3600) if takes else (None, None, None)
    )
    assert status_of(run.state, run.now, alive=False).eta_s is None
