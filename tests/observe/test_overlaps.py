"""Which issues declare overlapping paths, found without comparing every two of them."""

from __future__ import annotations

import time
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from mawep.core.claims import clean, overlap
from mawep.core.model import Issue
from mawep.observe.overlaps import MOST_PAIRS, Overlaps, overlaps_of

PARTS = st.sampled_from(["src", "docs", "a.py", "b.md", "*", "*.py", "pkg?", "[ab]"])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


def declaring(*files: tuple[str, ...]) -> list[Issue]:
    return [Issue(number, "x", files=paths) for number, paths in enumerate(files, 1)]


def found(overlaps: Overlaps) -> dict[tuple[int, int], tuple[str, ...]]:
    return {(pair.a, pair.b): pair.paths for pair in overlaps.pairs}


def test_equal_nested_and_matching_paths_overlap() -> None:
    issues = declaring(("src/app.py",), ("./src/app.py",), ("src/",), ("src/*.py",), ("docs/x.md",))
    assert found(overlaps_of(issues)) == {
        (1, 2): ("src/app.py",),
        (1, 3): ("src/app.py",),
        (1, 4): ("src/app.py",),
        (2, 3): ("src/app.py",),
        (2, 4): ("src/app.py",),
        (3, 4): ("src/*.py",),
    }


def test_one_pair_lists_all_that_it_shares() -> None:
    assert found(overlaps_of(declaring(("a", "b", "c"), ("b", "c/d")))) == {(1, 2): ("b", "c/d")}


def test_an_issue_does_not_overlap_with_itself() -> None:
    assert overlaps_of(
        declaring(
            ("src", "src/a.py", "src"),
        )
    ) == Overlaps((), complete=True)


@given(st.lists(st.lists(PATHS, max_size=3).map(tuple), max_size=6))
def test_it_finds_what_comparing_every_two_finds(files: list[tuple[str, ...]]) -> None:
    issues = declaring(*files)
    expected = {
        (a.number, b.number)
        for a, b in combinations(issues, 2)
        if any(overlap(clean(p), clean(q)) or overlap(clean(q), clean(p)) for p in a.files for q in b.files)
    }
    overlaps = overlaps_of(issues)
    assert overlaps.complete
    assert set(found(overlaps)) == expected


def test_ten_thousand_issues_take_no_time() -> None:
    issues = declaring(*((f"src/pkg{n % 100}/m{n}.py", f"docs/{n}.md") for n in range(10_000)))
    began = time.process_time()
    assert overlaps_of(issues) == Overlaps((), complete=True)
    assert time.process_time() - began < 5


def test_too_many_overlaps_are_cut_and_that_is_said() -> None:
    for files in (("README.md",), ("*.md", "README.md")):
        overlaps = overlaps_of(declaring(*([files] * 10_000)))
        assert len(overlaps.pairs) == MOST_PAIRS
        assert not overlaps.complete


def test_patterns_made_to_be_slow_are_given_up() -> None:
    overlaps = overlaps_of(declaring(*((f"*.x{n}",) for n in range(10_000))))
    assert overlaps == Overlaps((), complete=False)
