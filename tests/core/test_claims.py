"""Claims: what covers what, who overlaps, and that they are exclusive, expiring and given back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mawep.core import events as ev
from mawep.core.claims import MOST_ASKED, ClaimTable, Conflict, covers, is_protected, overlap
from mawep.core.model import FailureReason, IssueState, Rules
from mawep.core.schedule import RefusalKind, refusals
from tests.core.driver import START, Driver, issue

LATER = START + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("src/pay.py", "src/pay.py", True),
        ("./src/pay.py", "src/pay.py", True),
        ("src", "src/pay.py", True),
        ("src/", "src/a/b.py", True),
        ("src", "srcs/pay.py", False),
        ("src/pay.py", "src", False),
        ("docs/*.md", "docs/use.md", True),
        ("docs/*.md", "docs/use.txt", False),
        ("src/p*", "src/pay/gate.py", True),
        ("*.md", "README.md", True),
        ("**", "anything/at/all", True),
        ("src/[ab].py", "src/a.py", True),
        ("src/?.py", "src/ab.py", False),
    ],
)
def test_a_claim_covers_its_path_and_all_below(pattern: str, path: str, covered: bool) -> None:
    assert covers(pattern, path) is covered


@pytest.mark.parametrize(
    ("a", "b", "overlapping"),
    [
        ("src/a.py", "src/a.py", True),
        ("src/a.py", "src/b.py", False),
        ("src", "src/a.py", True),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "docs/a.py", False),
        ("src/*.py", "src", True),
        ("src/pay/*.py", "src", True),
        ("*.py", "src", True),
        ("a/*/c.py", "a/b", True),
        ("a/*/c.py", "b", False),
        ("src/*.py", "src/data.json", False),
        ("src/*", ".github", False),
        ("src/*.py", "src/*.md", False),
        ("src/*.py", "src/*.py", True),
        ("src/*", "src/*.md", True),
        ("src/*/a.py", "src/pay/*", True),
        ("src/a/*", "src/b/*", False),
        ("*", "docs/*.md", True),
        ("src/a[0-9].py", "src/*.py", True),
    ],
)
def test_two_claims_overlap_both_ways_or_not_at_all(a: str, b: str, overlapping: bool) -> None:
    assert overlap(a, b) is overlap(b, a) is overlapping


def conflicts(table: ClaimTable, *patterns: str, asking: int = 9) -> list[Conflict]:
    return list(table.conflicts(patterns, asking=asking, now=START))


def test_a_conflict_names_path_claim_and_holder() -> None:
    table = ClaimTable().take(1, ("./src/", "README.md"), LATER)
    assert table.held_by(1) == ("src", "README.md")
    assert conflicts(table, "src/pay.py") == [Conflict("src/pay.py", "src", 1)]
    assert conflicts(table, "src/pay.py", asking=1) == []
    assert conflicts(table, "docs") == []


@pytest.mark.parametrize("wanted", ["a/b/x.py", "a/b", "a", "a/*/x.py", "a/b/*"])
@pytest.mark.parametrize("held", ["a/b/x.py", "a/b", "a/b/*.py"])
def test_the_index_finds_claims_above_below_and_across(held: str, wanted: str) -> None:
    assert conflicts(ClaimTable().take(1, (held,), None), wanted) == [Conflict(wanted, held, 1)]


def test_what_is_given_back_is_free_and_the_rest_stays() -> None:
    table = ClaimTable().take(1, ("src/a.py", "src/b.py", "x*/y"), LATER).take(2, ("src/c.py",), None)
    assert [c.holder for c in conflicts(table, "src")] == [1, 2]
    table = table.drop(1).drop(1)
    assert [c.holder for c in conflicts(table, "src", "x1/y")] == [2]
    assert table.drop(2) == ClaimTable()


def test_two_claims_in_one_directory_are_given_back() -> None:
    assert ClaimTable().take(1, ("src/a.py", "src/b.py", "src"), LATER).drop(1) == ClaimTable()


def test_taking_again_replaces_what_was_held() -> None:
    table = ClaimTable().take(1, ("a", "a"), LATER).take(1, ("b",), LATER)
    assert table.held_by(1) == ("b",)
    assert table.take(1, (), LATER) == ClaimTable()
    assert ClaimTable().held_by(1) == ()


def test_a_path_that_passed_on_stays_with_its_new_holder() -> None:
    table = ClaimTable().take(1, ("a.py",), START).take(2, ("a.py",), LATER).drop(1)
    assert conflicts(table, "a.py") == [Conflict("a.py", "a.py", 2)]


def test_a_claim_lapses_unless_it_is_extended() -> None:
    table = ClaimTable().take(1, ("a.py",), START)
    assert conflicts(table, "a.py") == []
    assert conflicts(table.extend(1, LATER), "a.py") != []
    assert conflicts(table.extend(1, None), "a.py") != []
    assert table.extend(2, None) == table


@pytest.mark.parametrize(
    ("path", "protected"),
    [
        (".github/workflows/ci.yml", True),
        (".GitHub/x", True),
        ("mawep.yaml", True),
        ("src/mawep.yaml", False),
    ],
)
def test_protected_paths_are_found_whatever_their_case(path: str, protected: bool) -> None:
    assert is_protected(path, (".github/**", "mawep.yaml")) is protected


# --- claims that agents ask for at run time


def asked(run: Driver, number: int, *paths: str) -> tuple[str, ...]:
    """The agent on `number` asks for paths; what the issue holds afterwards."""
    run.go(ev.ClaimsTaken(number, run.fence(number), paths))
    return run.state.claims.held_by(number)


def test_an_agent_gets_what_nobody_holds() -> None:
    run = Driver(issue(1, files=["api"]), issue(2, files=["web"]))
    run.start(1, 2)
    assert asked(run, 1, "docs/a.md", "b.py") == ("api", "docs/a.md", "b.py")
    assert asked(run, 2, "docs/a.md") == ("web",)
    assert asked(run, 2, "new.py", "api/pay.py") == ("web",)  # all of it or nothing


def test_what_an_agent_took_keeps_others_from_starting_until_it_ends() -> None:
    run = Driver(issue(1), issue(2, 3, files=["docs/a.md"]), issue(3))
    run.start(1, 3)
    asked(run, 1, "docs/a.md")
    run.land(3)
    assert [refusal.kind for refusal in refusals(run.state, 2, run.now)] == [RefusalKind.CLAIM]
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR))
    assert run.at(2) is IssueState.ASSIGNED
    assert run.state.claims.held_by(1) == ()


def test_a_claim_asked_for_is_bounded() -> None:
    run = Driver(issue(1))
    run.start(1)
    for path in ("**", "*", "src/*.py", "a?", "[ab].py", "/etc/passwd", "../x", ""):
        assert asked(run, 1, path) == (), path
    assert asked(run, 1, *(f"f{n}.py" for n in range(MOST_ASKED + 1))) == ()
    assert len(asked(run, 1, *(f"f{n}.py" for n in range(MOST_ASKED)))) == MOST_ASKED
    assert len(asked(run, 1, "one-more.py")) == MOST_ASKED


def test_nothing_is_taken_from_a_holder_that_may_still_be_heard_of() -> None:
    run = Driver(issue(1, files=["api"]), issue(2))
    run.start(1, 2)
    run.go(ev.LeasesExtended((run.fence(2),), run.now + timedelta(seconds=1000)))
    run.now += timedelta(seconds=100)  # the first lease has run off, and nobody has looked yet
    run.tell(ev.ClaimsTaken(2, run.fence(2), ("api/pay.py",)))
    assert run.state.claims.held_by(2) == ()


def test_what_is_asked_under_an_old_fence_is_late() -> None:
    run = Driver(issue(1))
    run.start(1)
    run.go(ev.ClaimsTaken(1, run.fence(1) - 1, ("a.py",)))
    assert (run.state.claims.held_by(1), run.state.late) == ((), 1)


# --- what a claim is against others


def test_claims_that_are_not_exclusive_are_in_nobodys_way() -> None:
    table = ClaimTable(exclusive=False).take(1, ("a.py", "src/*.py"), LATER).take(2, ("a.py", "src"), LATER)
    assert (conflicts(table, "a.py", "src/b.py"), table.reserved_from(2)) == ([], {})
    assert table.holding("a.py") == (1, 2)
    assert table.holding("src/b.py") == (1, 2)
    assert table.holding("srcs") == table.keepers("a.py") == ()
    assert table.drop(1).holding("a.py") == (2,)
    assert table.drop(2).drop(1) == ClaimTable(exclusive=False)


def test_what_others_hold_may_not_be_written() -> None:
    table = ClaimTable().take(1, ("a.py", "src"), LATER).take(2, ("b.py",), None)
    assert table.reserved_from(2) == {"a.py": 1, "src": 1}
    assert table.reserved_from(9) == {"a.py": 1, "src": 1, "b.py": 2}
    assert (table.keepers("src/x"), table.keepers("c.py")) == ((1,), ())


@pytest.mark.parametrize(
    ("policy", "at_work", "held"),
    [("refuse", [1], ("a.py",)), ("warn", [1, 2], ("a.py",)), ("off", [1, 2], ())],
)
def test_issues_that_declare_the_same_run_together_unless_it_is_refused(
    policy: str, at_work: list[int], held: tuple[str, ...]
) -> None:
    issues = issue(1, files=["a.py"]), issue(2, files=["a.py"])
    run = Driver(*issues, rules=Rules(on_claim_conflict=policy))
    assert list(run.state.active) == at_work
    assert {run.state.claims.held_by(number) for number in at_work} == {held}
