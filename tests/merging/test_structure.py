"""What speaks against a merged text, whatever was merged how."""

from __future__ import annotations

import pytest

from mawep.merging.structure import faults

ONE, TWO = "def f():\n  return 1\n", "def f():\n  return 2\n"
LINE = "the same line\n"
IMPORT = "from m import load\n"
CASES = [
    ("it does not parse", "a.py", "x = 1\n", "x = (1)\n", "x = 2\n", "x = (2\n"),
    ("it does not parse", "a.json", '{"a": 1}', '{"a": 1, "b": 1}', '{"a": 2}', '{"a": 2 "b": 1}'),
    ("it does not parse", "a.toml", "a = 1\n", "a = 1\nb = 1\n", "a = 2\n", "a = 2\na = 1\n"),
    ("it does not parse", "a.yaml", "a: 1\n", "a: 1\nb: 1\n", "a: 2\n", "a: [2\nb: 1\n"),
    ("it does not parse", "a.ts", "let x = 1;\n", "let x: number = 1;\n", "let x = 2;\n", "let x: number = ;\n"),
    ("a is what neither side made it", "a.json", '{"a": 1}', '{"a": 2}', '{"a": 3}', '{"a": 4}'),
    ("f is there 2 times", "a.py", "", "def f(): pass\n", "def f(): return 1\n", "def f(): pass\ndef f(): return 1\n"),
    ("b is there 2 times", "a.py", "f(a)\n", "f(a, b=1)\n", "f(a, b=2)\n", "f(a, b=1, b=2)\n"),
    ("b is there 2 times", "a.js", "x = {}", "x = {b: 1}", "x = {b: 2}", "x = {b: 1, b: 2}"),
    ("b is there 2 times", "a.py", "def f(a): 1", "def f(a, b): 1", "def f(a, b=2): 1", "def f(a, b, b=2): 1"),
    ("unreachable: return 2", "a.py", "", ONE, TWO, ONE + "  return 2\n"),
    ("dead: x", "a.py", "x = 0\n", "x = 1\n", "x = 2\n", "x = 1\nx = 2\n"),
    ("load is used and not defined", "a.py", IMPORT, "pass\n", IMPORT + "load()\n", "load()\n"),
    ("it holds conflict markers", "a.txt", "a\n", "b\n", "c\n", "<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs\n"),
    ("twice: thesameline", "a.txt", "a\nb\n", LINE + "a\nb\n", "a\nb\n" + LINE, LINE + "a\nb\n" + LINE),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "path", "base", "ours", "theirs", "merged"), CASES)
def test_a_fault_is_named(fault: str, path: str, base: str, ours: str, theirs: str, merged: str) -> None:
    assert any(fault in found for found in faults(base, ours, theirs, merged, path))


@pytest.mark.parametrize(
    ("path", "ours", "theirs"),
    [
        ("a.py", "@overload\ndef f(): ...\n@overload\ndef f(a): ...\n", "@overload\ndef f(): ...\n"),
        ("a.py", "print 1\n", "print 1; print 2\n"),
        ("a.js", "class A { get x() {} set x(v) {} }\n", "class A {}\n"),
        ("a.json", "// no JSON\n{}", "{}"),
        ("a.unknown", "anything\n", "else\n"),
    ],
)
def test_what_a_side_has_is_no_fault_of_the_merge(path: str, ours: str, theirs: str) -> None:
    assert faults(theirs, ours, theirs, ours, path) == ()


def test_what_was_there_before_may_stay() -> None:
    before = "def f():\n    return 1\n    return 2\n"
    assert faults(before, before + "x = 1\n", before, before + "x = 1\n", "a.py") == ()


@pytest.mark.parametrize(
    ("path", "ours", "theirs"),
    [
        ("a.py", "def f():\n    import math\n    return 1\n", "def g():\n    import math\n    return 2\n"),
        ("a.py", "@case(1)\n@mark.slow\ndef f(): ...\n", "@case(2)\n@mark.slow\ndef g(): ...\n"),
        ("a.js", "class A {\n  run() { go(); }\n}\n", "class B {\n  run() { go(); }\n}\n"),
    ],
)
def test_different_definitions_may_say_the_same_line(path: str, ours: str, theirs: str) -> None:
    assert faults("", ours, theirs, ours + theirs, path) == ()


def test_a_definition_may_say_again_what_it_said_before() -> None:
    body = "def f(x):\n    x = first(x)\n    return_to(x)\n"
    one, two = (f"    {name}(x)\n    return_to(x)\n" for name in ("one", "two"))
    assert faults(body, body + one, body + two, body + one + two, "a.py") == ()


def test_different_entries_may_say_the_same_line() -> None:
    one, two = (
        "".join([f'    "{name}": Format(\n', "        width=80,\n", "    ),\n"]) for name in ("a", "b")
    )
    base, ours, theirs, merged = (f"formats = {{\n{inside}}}\n" for inside in ("", one, two, one + two))
    assert faults(base, ours, theirs, merged, "a.py") == ()
