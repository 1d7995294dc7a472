"""Claims: what covers what, who overlaps, and that they are exclusive, expiring and given back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mawep.core.claims import ClaimTable, Conflict, covers, is_protected, overlap
from tests.core.driver import START

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
