"""Who changes the same files, and who is likely to: said in few words, however many there are."""

from __future__ import annotations

import msgspec

from mawep.core import events as ev
from mawep.core.model import Issue, Likely, Rules
from mawep.observe.sharing import (
    MOST_SENTENCES,
    likely_ahead,
    likely_files,
    likely_with,
    shared_of,
    shared_warnings,
)
from tests.core.driver import Driver, issue


def likely(one: Issue, *paths: str) -> Issue:
    return msgspec.structs.replace(one, predicted=tuple(Likely(path, 0.9, "named") for path in paths))


def touch(run: Driver, number: int, *paths: str) -> None:
    run.go(ev.FilesTouched(number, run.fence(number), paths))


def test_files_that_the_same_issues_share_are_one_sentence() -> None:
    run = Driver(*map(issue, (1, 2, 3))).start(1, 2, 3)
    touch(run, 1, *"abcdefgh", "own")
    touch(run, 2, *"abcdefgh", "a\x1b[31m")
    touch(run, 3, "h", "a\x1b[31m")
    assert shared_warnings(run.state) == [
        "#1, #2 all change a, b, c, d, e and 2 more",
        "#1, #2, #3 all change h",
        "#2, #3 all change a",
    ]
    assert [(one["with"], one["files"]) for one in shared_of(run.state, 3)] == [
        ([1, 2], ["h"]),
        ([2], ["a\x1b[31m"]),
    ]


def test_a_person_is_not_told_more_than_a_person_reads() -> None:
    run = Driver(*map(issue, range(1, 12)), rules=Rules(max_agents=11)).start(*range(1, 12))
    for number in range(1, 11):
        touch(run, number, f"{number}", f"{number + 1}")
    said = shared_warnings(run.state)
    assert len(said) == MOST_SENTENCES + 1 and said[-1] == "and others change the same files"


def test_what_is_likely_is_said_of_what_has_not_begun() -> None:
    issues = (
        likely(issue(1, hours=9), "a"),
        likely(issue(2, hours=9), "b"),
        likely(issue(3), "a"),
        likely(issue(4, 3), "a"),
        issue(5),
    )
    run = Driver(*issues, rules=Rules(max_agents=2))
    ahead = [(pair.a, pair.b, pair.files) for pair in likely_ahead(run.state)]
    assert ahead == [(1, 3, ("a",)), (1, 4, ("a",))], "#4 waits for #3"
    assert [one["with"] for one in likely_with(run.state, 3)] == [1]
    run.land(1)
    assert likely_with(run.state, 1) == likely_with(run.state, 3) == []


def test_files_are_told_with_what_speaks_for_them() -> None:
    files = [{"path": path, "share": share, "why": "named"} for path, share in (("a", 0.9), ("b", 0.05))]
    assert likely_files(files) == "a 90% (named in its text)"
    assert likely_files(files[1:]) == ""
