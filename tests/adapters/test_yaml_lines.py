"""YAML with the line of every value, every problem at once, and no guess about what a text means."""

from __future__ import annotations

import pytest

from mawep.adapters.yaml_lines import parse


def test_scalars_are_the_text_that_was_written() -> None:
    parsed = parse('a: off\nb: 007\nc: 1.50\nd: "no"\ne: 2024-01-01\nf: true\ng: |\n  two\n  lines\n')
    assert parsed.tree == {
        "a": "off",
        "b": "007",
        "c": "1.50",
        "d": "no",
        "e": "2024-01-01",
        "f": "true",
        "g": "two\nlines\n",
    }


@pytest.mark.parametrize("null", ["", "~", "null", "Null", "NULL"])
def test_null_is_none(null: str) -> None:
    assert parse(f"a: {null}").tree == {"a": None}
    assert parse(null).tree is None


@pytest.mark.parametrize("text", ['a: ""', "a: ''", 'a: "null"'])
def test_a_quoted_text_is_never_null(text: str) -> None:
    assert parse(text).tree in ({"a": ""}, {"a": "null"})


def test_every_value_has_a_line() -> None:
    parsed = parse("a:\n  b: 1\n  c:\n    - x\n    - {d: 2,\n       e: 3}\n", first_line=10)
    assert dict(parsed.lines) == {
        (): 10,
        ("a",): 10,
        ("a", "b"): 11,
        ("a", "c"): 12,
        ("a", "c", 0): 13,
        ("a", "c", 1): 14,
        ("a", "c", 1, "d"): 14,
        ("a", "c", 1, "e"): 15,
    }
    assert parsed.line_of(("a", "c", 1, "z", 5)) == 14


def test_every_problem_is_told() -> None:
    parsed = parse("a: 1\na: 2\nb: &x [1]\nc: *x\n? [k]\n: v\nd: !thing 1\n")
    assert parsed.readable
    assert parsed.problems == (
        (2, "`a` is given twice, first on line 1"),
        (4, "YAML anchors and aliases are not supported; write the value again"),
        (5, "a key must be a plain word"),
        (7, "the YAML tag `!thing` is not supported"),
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [1\n", 3),
        ("a: 1\nb: x: y\n", 2),
        ("a: 1\n---\nb: 1\n", 2),
        ("a: *gone\n", 1),
        ("a: 1\nb: \x01\n", 2),
        ("[" * 3000, 1),
    ],
)
def test_what_is_not_yaml_is_one_problem_with_its_line(text: str, line: int) -> None:
    parsed = parse(text)
    assert not parsed.readable
    assert parsed.tree is None
    assert [where for where, _ in parsed.problems] == [line]


def test_a_text_that_unfolds_without_end_is_refused() -> None:
    layers = "".join(f"l{n}: &l{n} [*l{n - 1}, *l{n - 1}]\n" for n in range(1, 30))
    assert len(parse("l0: &l0 [x]\n" + layers).problems) == 58
    assert parse("a: &a [*a]").problems
