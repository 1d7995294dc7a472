"""Combinations come in the order of what they give up."""

from __future__ import annotations

from itertools import islice, product

from hypothesis import given
from hypothesis import strategies as st

from mawep.merging.best_first import best_first


def test_the_best_of_all_comes_first_and_then_what_is_one_place_worse() -> None:
    found = list(best_first([[0, 1, 2], [0, 1]]))
    assert found == [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (2, 1)]


@given(st.lists(st.integers(1, 4), max_size=4))
def test_every_combination_comes_once_and_none_before_a_better_one(sizes: list[int]) -> None:
    options = [range(size) for size in sizes]
    found = list(best_first(options))
    assert sorted(found) == sorted(product(*options))
    assert [sum(one) for one in found] == sorted(map(sum, found))


def test_the_first_of_many_files_are_there_at_once() -> None:
    assert len(list(islice(best_first([range(6)] * 40), 6))) == 6


def test_where_something_has_no_choice_there_is_no_combination() -> None:
    assert list(best_first([[1], []])) == []
