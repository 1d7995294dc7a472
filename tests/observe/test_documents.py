"""The documents that programs read: every key, always, and nothing invented."""

from __future__ import annotations

import json

import pytest
from syrupy.assertion import SnapshotAssertion

from mawep.core import events as ev
from mawep.core.graph import build
from mawep.core.model import Dependency, FailureReason, Issue
from mawep.observe.documents import explain_document, plan_document, result_document
from tests.observe.play import HOUR, RUN, Part, Play, payment_sprint, sprint

ISSUE_KEYS = {
    *("number", "title", "state", "reason", "attempts", "branch", "commit", "landed_as", "reverted_as"),
    *("started_at", "landed_at", "files", "tokens", "cost_usd", "reviews", "pull_request"),
}


def troubled() -> Play:
    """102 fails, 104 is in conflict with the target, 105 is blocked by it."""
    play = payment_sprint(
        i102=Part(4.0, fails=FailureReason.STALLED, detail="no sign of life for 5 minutes"),
        i104=Part(6.0, conflict=()),
    )
    play.finish()
    return play


def test_the_result_of_a_landed_run(snapshot: SnapshotAssertion) -> None:
    play = payment_sprint()
    document = result_document(play.finish(), play.records)
    assert document == snapshot
    assert document == json.loads(json.dumps(document))


def test_the_result_of_a_troubled_run(snapshot: SnapshotAssertion) -> None:
    play = troubled()
    document = result_document(play.state, play.records)
    assert document == snapshot
    assert {issue["number"]: issue["reason"] for issue in document["issues"]} == {
        101: None,
        102: "stalled",
        103: None,
        104: "does not merge cleanly with main: src/app.py",
        105: "#104 is parked",
    }


def test_the_result_has_these_keys_and_no_others() -> None:
    play = payment_sprint()
    document = result_document(play.state, play.records)
    assert set(document) == {
        *("run", "outcome", "target", "issues"),
        *("makespan_s", "critical_path_s", "lower_bound_s", "agent_utilization"),
    }
    assert set(document["target"]) == {"branch", "before", "after"}
    assert all(set(issue) == ISSUE_KEYS for issue in document["issues"])


def test_an_unfinished_run_is_interrupted() -> None:
    play = payment_sprint()
    play.until(20)
    play.tell(ev.Interrupted(2))
    play.until(21)
    document = result_document(play.state, play.records)
    assert (document["run"], document["outcome"]) == (RUN, "interrupted")
    by_number = {issue["number"]: issue for issue in document["issues"]}
    assert by_number[102]["reason"] == "the run was interrupted"
    assert by_number[105]["reason"] == "waits for #104 (ready) to land; the run was interrupted"
    assert by_number[105]["branch"] is None
    assert by_number[105]["started_at"] is None
    assert document["makespan_s"] == pytest.approx(20.5)


def test_the_result_of_a_run_that_was_resumed_counts_only_its_own_time() -> None:
    play = payment_sprint()
    play.until(20)
    play.die(away=HOUR)
    document = result_document(play.finish(), play.records)
    assert document["outcome"] == "landed"
    assert document["makespan_s"] < 80


def test_the_explanation_of_an_issue_that_waits(snapshot: SnapshotAssertion) -> None:
    play = payment_sprint(i104=Part(6.0, asks="May I rename it?"))
    play.until(20)
    assert explain_document(play.state, 105, play.clock.now(), play.records) == snapshot


def test_the_explanation_of_an_issue_that_failed(snapshot: SnapshotAssertion) -> None:
    play = payment_sprint(i103=Part(4.0, red=9))
    play.finish()
    document = explain_document(play.state, 103, play.clock.now(), play.records)
    assert document == snapshot
    assert [gate["result"] for gate in document["attempts"][0]["gates"]] == ["red"] * 3


def test_the_explanation_of_a_parked_and_a_blocked_issue() -> None:
    play = troubled()
    parked = explain_document(play.state, 104, play.clock.now(), play.records)
    assert (parked["state"], parked["files"]) == ("parked", ["src/app.py"])
    assert parked["hunks"].startswith("<<<<<<<")
    assert parked["refusals"] == [
        {"kind": "parked", "detail": "does not merge cleanly with main: src/app.py"}
    ]
    blocked = explain_document(play.state, 105, play.clock.now(), play.records)
    assert (blocked["state"], blocked["blocked_by"], blocked["attempts"]) == ("blocked", 104, [])
    assert blocked["depends_on"] == [{"number": 104, "state": "parked"}]


def test_the_explanation_of_a_question() -> None:
    play = payment_sprint(i101=Part(3.0, asks="May I?"))
    play.until(5)
    document = explain_document(play.state, 101, play.clock.now(), play.records)
    assert document["question"] == {
        "id": "q-101",
        "text": "May I?",
        "options": ["yes", "no"],
        "asked_at": "2026-03-02T09:00:03Z",
    }
    assert document["refusals"][0]["kind"] == "input"


def test_an_issue_of_another_run_has_no_explanation() -> None:
    play = payment_sprint()
    with pytest.raises(KeyError):
        explain_document(play.state, 7, play.clock.now())


def test_the_plan_of_the_sprint(snapshot: SnapshotAssertion) -> None:
    assert plan_document(sprint(), build(sprint()), 5) == snapshot


def test_an_edge_leads_from_what_lands_first_and_names_its_source() -> None:
    issues = (
        Issue(1, "one"),
        Issue(2, "two", depends_on=(Dependency(1, "front_matter"), Dependency(1, "body"))),
    )
    assert plan_document(issues, build(issues), 1)["edges"] == [
        {"from": 1, "to": 2, "source": "front_matter"}
    ]


@pytest.mark.parametrize(
    ("hours", "agents", "bound"),
    [
        ((2.0, 3.0), 1, 5.0),
        ((2.0, 3.0), 2, 3.0),
        ((2.0, None), 2, None),
        ((None, None), 2, None),
        ((), 2, None),
    ],
)
def test_the_lower_bound_needs_every_estimate(
    hours: tuple[float | None, ...], agents: int, bound: float | None
) -> None:
    issues = tuple(Issue(n, "x", estimate_hours=estimate) for n, estimate in enumerate(hours, 1))
    assert plan_document(issues, build(issues), agents)["lower_bound_hours"] == bound
