"""The ladder as a whole: whatever it offers holds what both sides changed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mawep.merging.account import account
from mawep.merging.candidates import candidates
from mawep.merging.markers import marked
from mawep.merging.offers import Trust
from mawep.merging.rungs import RUNGS, trusted
from mawep.merging.threeway import merge, split

WORDS = st.sampled_from(
    ["alpha", "beta(1)", "gamma", "x = 1", "x = 2", "v 1.0.1", "v 1.2.0", "- item", "}", ""]
)
TEXTS = st.lists(WORDS, max_size=7).map(lambda lines: "".join(f"{line}\n" for line in lines))
PATHS = st.sampled_from(["a.txt", "a.py", "CHANGES.rst", "package.json", "a.js"])


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS, TEXTS, PATHS)
def test_no_candidate_loses_anything(base: str, ours: str, theirs: str, path: str) -> None:
    for found in candidates(base, ours, theirs, path, RUNGS):
        assert account(base, ours, theirs, found.text, path).lost == ()


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS, PATHS)
def test_what_one_side_alone_changed_is_taken(base: str, side: str, path: str) -> None:
    pieces = merge(split(base), split(side), split(base))
    assert "".join(line for piece in pieces for line in piece.lines) == side  # type: ignore[union-attr]


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS, TEXTS, PATHS)
def test_what_cannot_be_merged_stands_between_markers(base: str, ours: str, theirs: str, path: str) -> None:
    rungs = trusted(Trust.CERTAIN)
    text, hunks = marked(base, ours, theirs, path, rungs)
    assert text.count("<<<<<<< ours\n") == text.count(">>>>>>> theirs\n") == hunks


def test_a_hunk_that_a_rung_merges_is_merged_beside_one_that_none_does() -> None:
    base = "import a\n\n1\n2\n3\n\nx = load(1)\n"
    ours = "import b\n\n1\n2\n3\n\nx = load(2)\n"
    theirs = "import b\nimport c\n\n1\n2\n3\n\nx = load(3)\n"
    text, hunks = marked(base, ours, theirs, "a.py", trusted(Trust.CERTAIN))
    assert hunks == 1
    assert text.startswith("import b\nimport c\n\n1\n2\n3\n\n<<<<<<< ours\nx = load(2)\n||||||| base\n")


def test_an_end_that_is_missing_joins_no_lines() -> None:
    found = next(candidates("a", "a\nb", "a\nc", "AUTHORS"))
    assert found.text == "a\nb\nc"


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs"),
    [
        ("a.js", "x;" * 60_000, "y;" * 60_000, "x;" * 60_000 + "z;"),
        ("a.py", "f(" * 30_000, "f(" * 30_000 + "1", "f(" * 30_000 + "2"),
        ("a.txt", "x\n" * 20_000, "x\n" * 21_000 + "y\n", "x\n" * 19_000 + "z\n"),
        ("a.json", "[" * 60_000, "[" * 60_000 + "1", "[" * 60_000 + "2"),
        ("a.yaml", "a: &a [*a]\nv: 1.0.0\n", "a: &a [*a]\nv: 1.1.0\n", "a: &a [*a]\nv: 1.2.0\n"),
        ("a.yaml", "a: &a {b: *a}\nv: 1.0.0\n", "a: &a {b: *a}\nv: 1.1.0\n", "a: &a {b: *a}\nv: 1.2.0\n"),
        ("a.yaml", " " * 15_000 + "a", " " * 15_000 + "b", " " * 15_000 + "c"),
    ],
)
def test_strange_texts_take_no_time_and_break_nothing(path: str, base: str, ours: str, theirs: str) -> None:
    began = time.monotonic()
    list(candidates(base, ours, theirs, path, RUNGS))
    assert time.monotonic() - began < 60


def test_what_nobody_disputes_is_said_to_be_merged_by_no_rule() -> None:
    assert next(candidates("a\n", "b\n", "a\n", "a.py")).applied == ()
