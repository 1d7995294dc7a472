"""Documents with keys, merged key by key."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mawep.merging.candidates import candidates
from mawep.merging.documents import document
from mawep.merging.offers import Trust
from mawep.merging.rungs import TREES, trees, trusted
from mawep.merging.threeway import Hunk, split


def merged(path: str, base: str, ours: str, theirs: str) -> str | None:
    """What the rung alone makes of whole texts."""
    hunk = Hunk(split(base), split(ours), split(theirs))
    return next(("".join(offer.lines) for offer in trees.offers(hunk, path)), None)


JSON = '{\n  "scripts": {\n    "build": "make"\n  }\n}\n'
YAML = "jobs:\n  test:\n    runs-on: old\n    steps: 1\n"
TOML = "[tool.a]\nx = 1\n\n[tool.b]\ny = 1\n"


def test_objects_that_both_added_get_their_commas() -> None:
    ours = '{\n  "scripts": {\n    "build": "make",\n    "test": {\n      "run": 1\n    }\n  }\n}\n'
    theirs = '{\n  "scripts": {\n    "build": "make all",\n    "lint": [\n      2\n    ]\n  },\n  "private": true\n}\n'
    text = (
        '{\n  "scripts": {\n    "build": "make all",\n    "test": {\n      "run": 1\n    },\n'
        '    "lint": [\n      2\n    ]\n  },\n  "private": true\n}\n'
    )
    assert merged("package.json", JSON, ours, theirs) == text
    found = next(candidates(JSON, ours, theirs, "package.json", trusted(Trust.LIKELY)))
    assert found.text == text and TREES.name in {applied.rung for applied in found.applied}


def test_comments_stay_with_the_keys_below_them() -> None:
    ours = "jobs:\n  # the tests\n  test:\n    runs-on: new\n    steps: 1\n  lint:\n    runs-on: a\n"
    theirs = "jobs:\n  test:\n    runs-on: old\n    steps: 2\n  # the docs\n  docs:\n    runs-on: b\n"
    assert merged("a.yml", YAML, ours, theirs) == (
        "jobs:\n  # the tests\n  test:\n    runs-on: new\n    steps: 2\n"
        "  lint:\n    runs-on: a\n  # the docs\n  docs:\n    runs-on: b\n"
    )


def test_tables_and_values_of_several_lines_stay_whole() -> None:
    ours = "[tool.a]\nx = 1\nz = [\n  'w = 1',\n]\n\n[tool.b]\ny = 2\n"
    theirs = '[tool.a]\nx = 1\n# why\nw = """\n[tool.x]\n"""\n\n[tool.b]\ny = 1\n\n[tool.c]\nq = 1\n'
    found = next(candidates(TOML, ours, theirs, "a.toml", trusted(Trust.LIKELY)))
    assert found.text == (
        '[tool.a]\nx = 1\nz = [\n  \'w = 1\',\n]\n# why\nw = """\n[tool.x]\n"""\n\n[tool.b]\ny = 2\n\n[tool.c]\nq = 1\n'
    )


def test_of_two_versions_the_later_one_stands() -> None:
    base, ours, theirs = (f'{{\n  "a": "{version}"\n}}\n' for version in ("1.0.0", "1.1.0", "1.2.0"))
    assert merged("a.json", base, ours, theirs) == theirs


def test_lines_end_as_they_did() -> None:
    base = '{\r\n  "a": "1.0"\r\n}'
    ours = '{\r\n  "a": "1.1",\r\n  "b": {\r\n    "x": 1\r\n  }\r\n}'
    theirs = '{\r\n  "a": "1.2",\r\n  "c": [\r\n    2\r\n  ]\r\n}'
    assert merged("a.json", base, ours, theirs) == (
        '{\r\n  "a": "1.2",\r\n  "b": {\r\n    "x": 1\r\n  },\r\n  "c": [\r\n    2\r\n  ]\r\n}'
    )


def test_a_key_that_one_side_took_out_is_gone() -> None:
    assert merged("a.toml", "x = 1\ny = 1\n", "x = 1\n", "x = 2\ny = 1\n") == "x = 2\n"


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs"),
    [
        ("a.json", '{\n  "a": 1\n}\n', '{\n  "a": 2\n}\n', '{\n  "a": 3\n}\n'),
        ("a.toml", "x = 1\ny = 1\n", "x = 1\n", "x = 1\ny = 2\n"),
        ("a.yaml", "a:\n  b: 1\n", "a:\n  b: 2\n", "a: 3\n"),
        ("a.yaml", "a: 1\n", "a: 2\na: 3\n", "a: 1\nb: 1\n"),
        ("a.yaml", "a: 1\n", "a: [\n", "a: 1\nb: 1\n"),
        ("a.yaml", "- a\n", "- b\n", "- c\n"),
        ("a.json", "[1]\n", "[2]\n", "[3]\n"),
        ("a.json", '{"a": 1, "b": 1}\n', '{"a": 2, "b": 1}\n', '{"a": 1, "b": 2}\n'),
        ("a.txt", "a: 1\n", "a: 2\n", "a: 1\nb: 1\n"),
    ],
)
def test_what_both_want_otherwise_and_what_is_no_document_is_left(
    path: str, base: str, ours: str, theirs: str
) -> None:
    assert merged(path, base, ours, theirs) is None


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=4),
        st.recursive(
            st.integers() | st.text(max_size=5) | st.booleans(),
            lambda inside: (
                st.lists(inside, max_size=2) | st.dictionaries(st.text(max_size=3), inside, max_size=3)
            ),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_a_document_is_all_of_its_lines(value: dict[str, object]) -> None:
    lines = split(json.dumps(value, indent=2) + "\n")
    entry = document(lines, "a.json")
    assert entry is None or entry.lines == lines
