"""Steps that several events share: usage that adds up without guessing."""

from __future__ import annotations

import pytest

from mawep.core.lifecycle.steps import more
from mawep.core.model import Usage


@pytest.mark.parametrize(
    ("a", "b", "total"),
    [
        (Usage(), Usage(), Usage()),
        (Usage(1, 2, 0.5), Usage(), Usage(1, 2, 0.5)),
        (Usage(), Usage(1, 2, 0.5), Usage(1, 2, 0.5)),
        (Usage(1, None, 0.5), Usage(2, 3), Usage(3, 3, 0.5)),
    ],
)
def test_what_neither_reported_stays_unknown(a: Usage, b: Usage, total: Usage) -> None:
    assert more(a, b) == total


def test_the_context_is_what_was_reported_last() -> None:
    before, after = Usage(context_used=10, context_size=200), Usage(context_used=20)
    assert more(before, after) == Usage(context_used=20, context_size=200)
