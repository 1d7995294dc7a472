"""How much a conflict hurts, by kind of file."""

from __future__ import annotations

import pytest

from mawep.core.severity import severity


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["src/a.py", "README.md"], "high"),
        (["README.md", "docs/x.png"], "low"),
        (["package.json"], "medium"),
        (["Makefile", "notes.txt"], "medium"),
        ([], "medium"),
    ],
)
def test_a_conflict_in_code_hurts_most(files: list[str], expected: str) -> None:
    assert severity(files) == expected
