"""How likely two issues are to change the same file, and what could be done about it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from mawep.core.graph import Graph, build
from mawep.core.model import Likely
from mawep.core.predict.overlap import (
    USUAL,
    Foundation,
    chance,
    foundations,
    likeness,
    profile,
    reach,
    shared_files,
    sharing,
)
from tests.core.driver import issue


def files(why: str = "text", **shares: float) -> tuple[Likely, ...]:
    return tuple(Likely(f"{path}.py", share, why) for path, share in shares.items())


def plan(predicted: Mapping[int, tuple[Likely, ...]], needs: Mapping[int, int] | None = None) -> Graph:
    waits = needs or {}
    return build(
        msgspec.structs.replace(
            issue(number, *(on for one, on in waits.items() if one == number)), predicted=found
        )
        for number, found in predicted.items()
    )


def test_the_same_prediction_is_as_alike_as_can_be_and_none_is_not() -> None:
    one = profile(files(a=0.5, b=0.2))
    assert likeness(one, one) == pytest.approx(1.0)
    assert likeness(one, profile(files(c=0.9))) == 0.0
    assert profile(()) == {}


def test_guesses_are_never_sure_and_told_files_are() -> None:
    guess, told = reach(files(a=0.9)), reach(files("declared", a=1.0))
    named = reach(files("named", a=0.9, b=0.9))
    assert chance(guess, guess) == pytest.approx(USUAL)
    assert chance(guess, told) == pytest.approx(USUAL)
    assert chance(told, named) == pytest.approx(0.9)
    assert chance(told, reach(files("named", b=0.9))) == 0.0


def test_pairs_are_told_with_the_likeliest_files_first() -> None:
    found = shared_files(
        plan(
            {
                1: files(a=0.2, b=0.5, c=0.1, d=0.1, e=0.1),
                2: files(a=0.2, b=0.5, c=0.1, d=0.1),
                3: files(z=0.9),
                4: (),
            }
        )
    )
    (pair,) = found
    assert (pair.a, pair.b, pair.files) == (1, 2, ("b.py", "a.py", "c.py"))
    assert 0.3 < pair.chance <= USUAL


def test_issues_of_which_one_waits_for_the_other_cannot_collide() -> None:
    both = {1: files(a=0.9), 2: files(a=0.9)}
    assert len(shared_files(plan(both))) == 1
    assert shared_files(plan(both, {2: 1})) == []
    assert shared_files(plan(both, {1: 2})) == []


def test_of_two_groups_only_pairs_between_them_are_told() -> None:
    all_alike = plan({number: files("named", a=0.9) for number in range(1, 5)})
    pairs = [(pair.a, pair.b) for pair in sharing(all_alike, [3, 2], [1, 2])]
    assert pairs == [(1, 2), (1, 3), (2, 3)]
    assert [(pair.a, pair.b) for pair in sharing(all_alike, [1], [2, 3])] == [(1, 2), (1, 3)]


def test_a_file_that_many_are_likely_to_change_is_worth_a_foundation() -> None:
    many = plan({n: files(a=0.9) for n in (1, 2, 3)} | {4: files(b=0.9), 5: files(a=0.1, b=0.9)})
    pairs = shared_files(many)
    assert foundations(many, pairs) == [Foundation("a.py", (1, 2, 3))]
    one_by_one = plan({n: files(a=0.9) for n in (1, 2, 3)}, {2: 1, 3: 2})
    assert foundations(one_by_one, shared_files(one_by_one)) == []
