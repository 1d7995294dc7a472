"""What is true of the views of any run, whatever befell it: runs of the simulator, with all its faults."""

from __future__ import annotations

import io
import json
from itertools import pairwise

import pytest
from rich.console import Console

from mawep.core.model import IssueState
from mawep.observe.attempts import attempts_of
from mawep.observe.documents import explain_document, result_document
from mawep.observe.figures import figures_of
from mawep.observe.report import report
from mawep.observe.status import status_of, to_json
from mawep.observe.timeline import Span, course_of
from mawep.observe.tui import compact, render
from mawep.simulate.hall import Hall, Run
from mawep.simulate.scenario import scenario

SEEDS = range(25)


@pytest.fixture(scope="module", params=SEEDS)
def run(request: pytest.FixtureRequest) -> Run:
    """A simulated run."""
    return Hall(scenario(request.param)).run()


def test_figures_never_contradict_one_another(run: Run) -> None:
    figures = figures_of(course_of(run.journal))
    if figures.lower_bound_s is not None and figures.critical_path_s is not None:
        assert figures.makespan_s is not None
        assert figures.critical_path_s <= figures.lower_bound_s <= figures.makespan_s + 0.01
    if figures.agent_utilization is not None:
        assert 0 <= figures.agent_utilization <= 1.0001


def test_spans_of_a_slot_and_of_an_issue_never_overlap(run: Run) -> None:
    course = course_of(run.journal)

    def assert_apart(spans: list[Span]) -> None:
        for before, after in pairwise(sorted(spans, key=lambda span: (span.start, span.end))):
            assert before.end <= after.start

    for number in course.state.issues:
        assert_apart([span for span in course.spans if span.issue == number])
    for slot in range(course.state.rules.max_agents):
        assert_apart([s for s in course.spans if s.slot == slot and s.state.holds_slot])


def test_documents_agree_with_the_state(run: Run) -> None:
    document = result_document(run.state, run.journal)
    json.dumps(document)
    for issue in document["issues"]:
        record = run.state.issues[issue["number"]]
        assert (issue["state"], issue["attempts"]) == (record.state, record.runs)
        assert (issue["reason"] is None) == (record.state is IssueState.LANDED)
    tries = attempts_of(run.journal)
    for number, record in run.state.issues.items():
        assert [one.number for one in tries.get(number, [])] == list(range(1, record.runs + 1))
        explained = explain_document(run.state, number, run.journal[-1].at, run.journal)
        assert bool(explained["refusals"]) == (record.state is not IssueState.LANDED)


def test_any_moment_can_be_shown(run: Run) -> None:
    middle = run.journal[: len(run.journal) // 2]
    for records in (middle, run.journal):
        now = records[-1].at
        status = status_of(course_of(records).state, now, None, records)
        json.loads(to_json(status))
        for width, height in ((80, 24), (30, 8), (160, 50)):
            console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
            console.print(render(status, width, height))
            console.print(compact(status, width, height))
        assert report(course_of(records).state, records, now).startswith("# MAWEP run ")
