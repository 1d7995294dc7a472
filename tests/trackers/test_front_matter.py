"""Front matter of the simple form is read fast, and exactly as the whole parser reads it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mawep.adapters.yaml_lines import parse
from mawep.trackers.front_matter import FIRST_LINE, NotSimpleError, read, read_simple, split

PIECES = st.sampled_from(
    [
        *"ab01_./()-:#,[]{}\"' ~|>&*!%@`?\\=é\xa0\u2028\x85\t+;<$^",
        "null",
        "true",
        "don't",
        "0x1",
        "a: b",
        " #",
    ]
)
WORD = st.lists(PIECES, max_size=6).map("".join)
VALUE = st.one_of(
    WORD,
    WORD.map(lambda word: f'"{word}"'),
    WORD.map(lambda word: f"'{word}'"),
    st.lists(WORD, max_size=3).map(lambda words: f"[{','.join(words)}]"),
    st.lists(WORD, max_size=3).map(lambda words: f"[ {', '.join(words)} ]"),
)
KEY = st.sampled_from(["a", "b", "null", "true", "number", "_x"])
LINE = st.one_of(
    st.tuples(KEY, st.sampled_from([": ", ":", ":  "]), VALUE).map("".join),
    KEY.map(lambda key: f"{key}:"),
    st.tuples(st.sampled_from(["", " ", "  "]), VALUE).map(lambda parts: f"{parts[0]}- {parts[1]}"),
    st.sampled_from(["", " ", "# c", "  # c", "---", " x"]),
)

SIMPLE = """\
number: 101
title: Payment gateway (v2), don't panic: no
# a comment

labels: [backend, 'a b', "c"]
depends_on:
  - 100
  - "#99"

  - 98
files: []
author:
priority: null
"""


@settings(max_examples=1000, deadline=None)
@given(st.lists(LINE, max_size=6).map("\n".join))
def test_both_readers_agree(text: str) -> None:
    try:
        fast = read_simple(text)
    except NotSimpleError:
        return
    slow = parse(text, FIRST_LINE)
    assert (fast.tree, dict(fast.lines), fast.problems) == (slow.tree, dict(slow.lines), slow.problems)


def test_what_people_write_is_simple() -> None:
    simple = SIMPLE.replace(": no", "")
    assert read_simple(simple) == parse(simple, FIRST_LINE)
    assert read_simple("labels:\n- a\n- b\n").tree == {"labels": ["a", "b"]}


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2",
        "a: [1, [2]]",
        "a: [1,]",
        "a: [1",
        "a: {b: 1}",
        "a: x # comment",
        "a: |\n  text",
        "a: x\n  y",
        "a:\n  b: 1",
        "a:\n  - b: 1",
        "a:\n  - 1\n - 2",
        "- a",
        'a: "x\\n"',
        "a: &x 1",
        "a: 'it''s'",
        "a b: 1",
        "a: - b",
        "a: #1",
        "\ta: 1",
    ],
)
def test_anything_more_is_left_to_the_whole_parser(text: str) -> None:
    with pytest.raises(NotSimpleError):
        read_simple(text)
    assert read(text) == parse(text, FIRST_LINE)


def test_a_file_is_taken_apart() -> None:
    parts = split("---\na: 1\n--- \nbody\n---\nmore\n")
    assert (parts.front_matter, parts.body, parts.body_line) == ("a: 1", "body\n---\nmore\n", 4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no front matter"),
        ("# Title\n---\n---\n", "has no front matter"),
        ("---\na: 1\n", "does not end"),
    ],
)
def test_a_file_of_another_form_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        split(text)
