"""Words of a text: names in their parts, endings cut, empty words left out."""

from __future__ import annotations

import pytest

from mawep.core.predict.words import LONGEST, counted, words_of


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("readTree", ("readtree", "read", "tree")),
        ("read_tree", ("read_tree", "read", "tree")),
        ("HTTPServer", ("httpserver", "http", "server")),
        ("parsing", ("pars",)),
        ("parsed", ("pars",)),
        ("uses", ("uses",)),
        ("of", ()),
        ("fixed", ()),
        ("größe", ("größe",)),
        ("x" * (LONGEST + 1), ()),
    ],
)
def test_a_name_gives_its_words(name: str, words: tuple[str, ...]) -> None:
    assert words_of(name)[: len(words)] == words
    assert bool(words_of(name)) == bool(words)


def test_a_text_counts_its_words() -> None:
    assert counted("Fix the readTree: tree 12, tree!") == {"readtree": 1, "read": 1, "tree": 3}
