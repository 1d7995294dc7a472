"""Usage adds up without guessing."""

from __future__ import annotations

import pytest

from mawep.core.model import Usage
from mawep.core.usage import highest, less, total


@pytest.mark.parametrize(
    ("a", "b", "both"),
    [
        (Usage(), Usage(), Usage()),
        (Usage(1, 2, 0.5), Usage(), Usage(1, 2, 0.5)),
        (Usage(), Usage(1, 2, 0.5), Usage(1, 2, 0.5)),
        (Usage(1, None, 0.5), Usage(2, 3), Usage(3, 3, 0.5)),
    ],
)
def test_what_neither_reported_stays_unknown(a: Usage, b: Usage, both: Usage) -> None:
    assert total(a, b) == both


def test_the_context_is_what_was_reported_last() -> None:
    before, after = Usage(context_used=10, context_size=200), Usage(context_used=20)
    assert total(before, after) == Usage(context_used=20, context_size=200)


def test_reports_of_the_same_thing_never_fall() -> None:
    assert highest(Usage(10, 5, 0.5), Usage(7, 6)) == Usage(10, 6, 0.5)
    assert highest() == Usage()


def test_a_part_is_taken_away_and_nothing_is_left_as_unknown() -> None:
    assert less(Usage(10, 5, 0.5, context_used=3), Usage(4, 5)) == Usage(6, None, 0.5, context_used=3)
