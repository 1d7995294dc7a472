"""The third comparison of the order of work: what shares least with work under way goes first, and nobody idles."""

from __future__ import annotations

import msgspec

from mawep.core import events as ev
from mawep.core.model import FailureReason, Issue, Likely, Priority, Rules
from tests.core.driver import Driver, green, issue


def likely(one: Issue, *paths: str) -> Issue:
    return msgspec.structs.replace(one, predicted=tuple(Likely(path, 0.5, "text") for path in paths))


def started(run: Driver) -> list[int]:
    return [rec.event.issue for rec in run.journal if isinstance(rec.event, ev.AttemptAssigned)]


def order(*issues: Issue, agents: int = 2) -> list[int]:
    return started(Driver(*issues, rules=Rules(max_agents=agents)))


def test_of_issues_as_urgent_the_one_furthest_from_work_under_way_starts() -> None:
    assert order(likely(issue(1), "a"), likely(issue(2), "a"), likely(issue(3), "b")) == [1, 3]
    assert order(likely(issue(1), "a"), likely(issue(2), "a"), issue(3)) == [1, 3]


def test_no_slot_is_left_free_while_work_is_ready() -> None:
    assert order(likely(issue(1), "a"), likely(issue(2), "a"), agents=3) == [1, 2]


def test_what_is_more_urgent_goes_first_whatever_it_touches() -> None:
    urgent = msgspec.structs.replace(likely(issue(2), "a"), priority=Priority.HIGH)
    first = msgspec.structs.replace(likely(issue(1), "a"), priority=Priority.HIGH)
    assert order(first, urgent, likely(issue(3), "b")) == [1, 2]
    assert order(likely(issue(1, hours=9), "a"), likely(issue(2, hours=9), "a"), issue(3, hours=1)) == [1, 2]


def test_paths_that_are_nearly_as_long_count_as_equal() -> None:
    long, nearly = likely(issue(2, hours=3), "a"), likely(issue(3, hours=2), "b")
    assert order(likely(issue(1, hours=4), "a"), long, nearly) == [1, 3]


def test_the_second_choice_of_a_round_counts_the_first() -> None:
    run = Driver(*(likely(issue(n), path) for n, path in ((1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c"))))
    assert started(run) == [1, 3, 5, 2, 4]


def test_what_an_attempt_really_changed_counts_instead_of_what_was_predicted() -> None:
    issues = (likely(issue(1), "a"), likely(issue(2), "b"), likely(issue(3), "a"))
    run = Driver(*issues, rules=Rules(max_agents=1)).start(1).finish(1)
    (intent,) = [rec.event for rec in run.journal if isinstance(rec.event, ev.ImportIntended)]
    run.go(ev.CandidateImported(1, 1, intent.head, "t1", ("b",)), green("t1"))
    assert started(run) == [1, 3]


def test_what_an_agent_was_seen_to_change_counts_beside_what_was_predicted() -> None:
    issues = [likely(issue(n), path) for n, path in ((1, "a"), (2, "x"), (3, "b"), (4, "c"))]
    run = Driver(*issues, rules=Rules(max_agents=2)).start(1, 2)
    run.go(ev.FilesTouched(1, run.fence(1), ("b",)))
    run.go(ev.AttemptFailed(2, run.fence(2), FailureReason.AGENT_ERROR))
    assert started(run) == [1, 2, 4]
