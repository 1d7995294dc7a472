"""What agents were seen to change: it is their attempt's, and who shares a file is told once."""

from __future__ import annotations

import pytest

from mawep.core import events as ev
from mawep.core import touched
from mawep.core.lifecycle.steps import put
from mawep.core.model import FailureReason, Rules
from mawep.core.state import replace
from mawep.core.touched import MOST_TOUCHED, RESERVED, SHARED, changed, seen, shared, sharers
from tests.core.driver import Driver, green, issue


def look(run: Driver, number: int, *paths: str) -> list[tuple[int, str, str]]:
    """An agent was seen to change these; who is told: the issue, what is said of it, and our lead."""
    events = seen(run.state, number, run.fence(number), paths)
    run.go(*events)
    return [(said.issue, said.text, said.lead) for said in events if isinstance(said, ev.MessageSent)]


def test_who_shares_a_file_is_told_once() -> None:
    run = Driver(issue(1), issue(2), issue(3)).start(1, 2, 3)
    assert look(run, 1, "a.py", "b.py") == []
    assert look(run, 2, "b.py", "own.py") == [
        (2, "#1 changes b.py, too", SHARED),
        (1, "#2 changes b.py, too", SHARED),
    ]
    assert look(run, 2, "b.py", "own.py") == []
    assert look(run, 2, "b.py", "a.py") == [
        (2, "#1 changes a.py, too", SHARED),
        (1, "#2 changes a.py, too", SHARED),
    ]
    assert [to for to, _, _ in look(run, 3, "b.py")] == [3, 1, 3, 2]
    assert len({rec.event.message for rec in run.journal if isinstance(rec.event, ev.MessageSent)}) == 4
    assert shared(run.state, 3, ["b.py", "a.py"]) == {1: ("b.py", "a.py"), 2: ("b.py", "a.py")}
    assert sharers(run.state) == {"a.py": (1, 2), "b.py": (1, 2, 3)}


def test_who_waits_to_land_is_not_told_but_told_of() -> None:
    run = Driver(issue(1), issue(2)).start(1, 2)
    look(run, 1, "b.py")
    run.finish(1).import_(1).go(green("t-1"))
    assert changed(run.state, 1) == ("a.py",), "what was imported is all of it"
    assert look(run, 2, "a.py", "b.py") == [(2, "#1 changes a.py, too", SHARED)]
    assert sharers(run.state) == {"a.py": (1, 2)}
    run.finish(2).import_(2).go(green("t-2"))
    assert sharers(run.state) == {}, "who is still at work?"


def test_what_was_seen_ends_with_its_attempt() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(max_retries=1)).start(1, 2)
    look(run, 1, "a.py")
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR))
    assert changed(run.state, 1) == ()
    assert look(run, 2, "a.py") == []


@pytest.mark.parametrize("policy", ["refuse", "warn", "off"])
def test_a_claimed_file_is_told_of_as_the_policy_says(policy: str) -> None:
    issues = issue(1, files=["src/*.py", "docs"]), issue(2)
    run = Driver(*issues, rules=Rules(on_claim_conflict=policy)).start(1, 2)
    expected = {
        "refuse": [(2, "src/a.py is reserved for #1\ndocs/b is reserved for #1", RESERVED)],
        "warn": [
            (2, "#1 changes src/a.py, too\n#1 changes docs/b, too", SHARED),
            (1, "#2 changes src/a.py, too\n#2 changes docs/b, too", SHARED),
        ],
        "off": [],
    }
    assert look(run, 2, "src/a.py", "docs/b", "free.py") == expected[policy]
    assert look(run, 1, "free.py") == [
        (1, "#2 changes free.py, too", SHARED),
        (2, "#1 changes free.py, too", SHARED),
    ]
    assert sharers(run.state) == {"free.py": (1, 2)}
    assert bool(look(run, 1, "src/a.py")) is (policy != "refuse"), "its holder need not make room"


def test_there_is_an_end_to_what_is_written_down() -> None:
    run = Driver(issue(1)).start(1)
    look(run, 1, *(f"{n}.py" for n in range(MOST_TOUCHED + 10)))
    assert len(changed(run.state, 1)) == MOST_TOUCHED
    assert look(run, 1, "one-more.py") == []
    run.tell(ev.FilesTouched(1, run.fence(1), ("one-more.py",)))
    assert len(changed(run.state, 1)) == MOST_TOUCHED


def test_who_merges_the_target_in_is_not_taken_for_the_author_of_it() -> None:
    run = Driver(issue(1)).start(1)
    merging = replace(run.state.issues[1], attempt=replace(run.attempt(1), merge_rounds=1))
    assert seen(run.state, 1, run.fence(1), ["a.py"]) != []
    assert seen(put(run.state, merging), 1, run.fence(1), ["a.py"]) == []


def test_what_is_no_path_or_comes_too_late_is_no_news() -> None:
    run = Driver(issue(1), issue(2, 1)).start(1)
    assert seen(run.state, 1, run.fence(1), ["/etc/passwd", "../x", "", "a\x00b"]) == []
    assert seen(run.state, 1, run.fence(1) - 1, ["a.py"]) == []
    assert seen(run.state, 2, 1, ["a.py"]) == seen(run.state, 9, 1, ["a.py"]) == []
    assert changed(run.state, 2) == ()
    run.go(ev.FilesTouched(1, run.fence(1) - 1, ("a.py",)))
    assert (run.state.late, touched.changed(run.state, 1)) == (1, ())
