"""What people read names in: branches of issues, and chains of them."""

from __future__ import annotations

import pytest

from mawep.cli.branches import slug
from mawep.cli.plan_tables import chain


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Für Élodie: naïve Größe", "fur-elodie-naive-gro-e"),
        ("ﬁle №5", "file-no5"),
        ("漢字", "issue"),
        ("../../etc @{u}..", "etc-u"),
    ],
)
def test_letters_of_a_branch_lose_their_accents(title: str, expected: str) -> None:
    assert slug(title) == expected


def test_a_long_chain_is_shown_by_its_ends() -> None:
    assert chain(range(1, 22)) == " → ".join(f"#{n}" for n in range(1, 22))
    shown = chain(range(1, 10_001))
    assert shown.startswith("#1 → #2 → ")
    assert " → #10 → … 9980 more … → #9991 → " in shown
    assert shown.endswith(" → #10000")
