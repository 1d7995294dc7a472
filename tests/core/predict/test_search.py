"""Which documents are about some words."""

from __future__ import annotations

from mawep.core.predict.search import FEW, Search, holders_of


def search(documents: dict[str, dict[str, int]], evens: float = 0.75) -> Search[str]:
    return Search(
        holders_of(documents), {one: sum(words.values()) for one, words in documents.items()}, evens
    )


def test_a_rare_word_weighs_more_than_a_common_one_and_more_of_it_more() -> None:
    found = search({"a": {"pay": 1, "tax": 1}, "b": {"pay": 1, "fee": 1}, "c": {"tax": 3, "pay": 3}}, evens=0)
    scores = found({"pay": 1.0, "tax": 1.0})
    assert scores["c"] > scores["a"] > scores["b"] > 0
    assert found.weight("tax") > found.weight("pay")
    assert found.holding("pay") == 3


def test_long_documents_are_put_back() -> None:
    found = search({"short": {"pay": 1}, "long": {"pay": 1, "other": 99}})
    scores = found({"pay": 1.0})
    assert scores["short"] > scores["long"]


def test_a_word_counts_as_much_as_it_is_given() -> None:
    found = search({"a": {"pay": 1}, "b": {"tax": 1}})
    scores = found({"pay": 1.0, "tax": 0.5})
    assert scores["a"] == 2 * scores["b"]


def test_words_that_nobody_has_or_too_many_have_say_nothing() -> None:
    many = {f"d{number}": {"pay": 1} for number in range(FEW + 1)}
    found = search(many)
    assert found({"pay": 1.0, "unknown": 1.0}) == {}
    assert search({})({"pay": 1.0}) == {}
