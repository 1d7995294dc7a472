"""Each rung on the conflicts that it is for, and on those that it leaves alone."""

from __future__ import annotations

import pytest

from mawep.merging.candidates import Candidate, candidates
from mawep.merging.offers import Trust
from mawep.merging.rungs import RUNGS, trusted


def best(base: str, ours: str, theirs: str, path: str, trust: Trust = Trust.LIKELY) -> Candidate | None:
    return next(candidates(base, ours, theirs, path, trusted(trust)), None)


CASES = {
    "formatted differently": (
        "same change", "a.py",
        "f(1)\n", "f(1, 2)\n", "f(1,2)\n", "f(1, 2)\n",
    ),
    "formatting is kept": (
        "same change", "a.py",
        "f('a', x)\n", 'f("a", x)\n', "f('a', y)\n", 'f("a", y)\n',
    ),
    "new text where the other changed only formatting": (
        "formatting", "a.py",
        "f('a', x)\n", 'f("a", x)\n', "f('a', x)\ng(y, z)\nh(y, z)\n", 'f("a", x)\ng(y, z)\nh(y, z)\n',
    ),
    "one side goes further": (
        "same change", "a.py",
        "import a\n", "import b\n", "import b\nimport c\n", "import b\nimport c\n",
    ),
    "different tokens of a line": (
        "disjoint tokens", "a.py",
        "def load(path, mode):\n    pass\n", "def load(path: str, mode):\n    pass\n",
        "def load(path, mode, size):\n    pass\n", "def load(path: str, mode, size):\n    pass\n",
    ),
    "a version": (
        "versions", "package.json",
        '{\n  "version": "1.0.0"\n}\n', '{\n  "version": "1.1.0-beta.2"\n}\n', '{\n  "version": "1.1.0"\n}\n',
        '{\n  "version": "1.1.0"\n}\n',
    ),
    "a version that the other side took out": (
        "versions", "a.txt",
        "v 1.0.0\n", "\n", "v 1.0.1\n", "\n",
    ),
    "neighbouring lines": (
        "adjacent lines", "a.py",
        "first()\nsecond()\n", "premier(1)\nsecond()\n", "first()\nzweitens(2)\ndrittens(3)\n",
        "premier(1)\nzweitens(2)\ndrittens(3)\n",
    ),
    "imports": (
        "imports", "a.py",
        "import os\n", "import os\nimport re\n", "import ast\nimport os\nimport sys\n",
        "import ast\nimport os\nimport re\nimport sys\n",
    ),
    "names of an import": (
        "imports", "a.py",
        "from m import a\n", "from m import a, b\n", "from m import a, c\n", "from m import a, b, c\n",
    ),
    "names of an import over several lines": (
        "entries", "a.py",
        "from m import (\n    a,\n)\n", "from m import (\n    a,\n    b,\n)\n", "from m import (\n    a,\n    c,\n)\n",
        "from m import (\n    a,\n    b,\n    c,\n)\n",
    ),
    "names of an import of a script": (
        "imports", "a.js",
        'import { a } from "m";\n', 'import { a, b } from "m";\n', 'import { a, c } from "m";\n',
        'import { a, b, c } from "m";\n',
    ),
    "entries of a section": (
        "news", "CHANGES.md",
        "## 1.0\n\n- one\n", "## 1.0\n\n- one\n- ours, at length\n", "## 1.0\n\n- one\n- theirs, quite different\n",
        "## 1.0\n\n- one\n- ours, at length\n- theirs, quite different\n",
    ),
    "sections": (
        "news", "CHANGES.rst",
        "Changes\n\n1.0\n---\n\n- one\n", "Changes\n\n1.1\n---\n\n- minor\n\n1.0\n---\n\n- one\n",
        "Changes\n\n2.0\n---\n\n- major\n\n1.0\n---\n\n- one\n",
        "Changes\n\n2.0\n---\n\n- major\n\n1.1\n---\n\n- minor\n\n1.0\n---\n\n- one\n",
    ),
    "fields": (
        "entries", "package.json",
        '{\n  "a": "1.0.0",\n  "b": "1.0.0"\n}\n', '{\n  "b": "2.0.0",\n  "c": "1.0.0"\n}\n',
        '{\n  "a": "1.0.1",\n  "b": "1.5.0"\n}\n', '{\n  "b": "2.0.0",\n  "c": "1.0.0"\n}\n',
    ),
    "definitions": (
        "both added", "a.py",
        "x = 1\n", "x = 1\n\n\ndef one():\n    return load('one')\n", "x = 1\n\n\nclass Two:\n    size = 2\n",
        "x = 1\n\n\ndef one():\n    return load('one')\n\n\nclass Two:\n    size = 2\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_rung_merges_what_it_is_for(name: str) -> None:
    rung, path, base, ours, theirs, merged = CASES[name]
    found = best(base, ours, theirs, path)
    assert found is not None
    assert found.text == merged
    assert rung in {applied.rung for applied in found.applied}
    assert all(applied.why for applied in found.applied)
    assert not found.account.lost


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs"),
    [
        ("a.py", "x = load(1)\n", "x = load(2)\n", "x = load(3)\n"),
        ("a.py", "x = load(1)\n", "", "x = load(3)\n"),
        ("a.py", "", "def f():\n    return 1\n", "def f():\n    return 2\n"),
        ("a.txt", "v 1.0.0\n", "v 1.0.1 one\n", "v 1.0.2 other\n"),
        ("package.json", '{\n  "a": "x"\n}\n', '{\n  "a": "y"\n}\n', '{\n  "a": "z"\n}\n'),
        ("a.py", "f('a')\n", "f('b')\n", "g(1, 2)\n"),
        ("a.txt", "a\n", "one\n", "two\n"),
        ("a.py", "import a\n", "import b\n", "import c\n"),
        ("CHANGES.md", "- a thing\n", "- one thing\n", "- some things\n"),
    ],
)
def test_what_needs_somebody_to_decide_is_left(path: str, base: str, ours: str, theirs: str) -> None:
    assert best(base, ours, theirs, path) is None


def test_a_gate_gets_more_to_choose_from() -> None:
    texts = ("a()\n", "a()\nx = one(1)\n", "a()\ny = other(2)\n")
    found = [candidate.text for candidate in candidates(*texts, "a.py", RUNGS)]
    assert found == ["a()\nx = one(1)\ny = other(2)\n", "a()\ny = other(2)\nx = one(1)\n"]


GUESSES = {
    "a frame of new lines": (
        "common lines", "a.py",
        "return make(a)\n",
        "made = make(a)\nif wide:\n    made = widen(made)\nreturn made\n",
        "made = make(a)\nmade += tail\nreturn made\n",
        "made = make(a)\nif wide:\n    made = widen(made)\nmade += tail\nreturn made\n",
    ),
    "parameters of a new definition": (
        "common lines", "a.py",
        "class A:\n    @staticmethod\n    def run(x):\n        pass\n",
        "class A:\n    def __init__(self, one=1):\n        self.one = one\n\n    def run(self, x):\n        pass\n",
        "class A:\n    def __init__(self, two):\n        self.two = two * 2\n\n    def run(self, x):\n        pass\n",
        "class A:\n    def __init__(self, two, one=1):\n        self.two = two * 2\n        self.one = one\n\n"
        "    def run(self, x):\n        pass\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GUESSES)
def test_a_gate_may_try_what_only_guesses_make(name: str) -> None:
    rung, path, base, ours, theirs, merged = GUESSES[name]
    found = [
        candidate for candidate in candidates(base, ours, theirs, path, RUNGS) if candidate.text == merged
    ]
    assert [applied.rung for candidate in found for applied in candidate.applied] == [rung]
    assert best(base, ours, theirs, path) is None


def test_there_are_no_more_candidates_than_asked_for() -> None:
    texts = ("a()\n", "a()\nx = one(1)\n", "a()\ny = other(2)\n")
    assert len(list(candidates(*texts, "a.py", RUNGS, most=1))) == 1


def test_only_what_is_certain_needs_no_look() -> None:
    _, path, base, ours, theirs, merged = CASES["one side goes further"]
    found = best(base, ours, theirs, path, Trust.CERTAIN)
    assert found is not None and found.text == merged
    _, path, base, ours, theirs, _ = CASES["imports"]
    assert best(base, ours, theirs, path, Trust.CERTAIN) is None
