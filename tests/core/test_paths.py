"""A declared path has one spelling and never leads out of the repository."""

from __future__ import annotations

import pytest

from mawep.core.paths import confined


@pytest.mark.parametrize(
    ("path", "spelt"),
    [
        ("a.py", "a.py"),
        ("./src//a.py", "src/a.py"),
        ("src/./pay/", "src/pay"),
        (" src/a b.py ", "src/a b.py"),
        ("src/**/*.py", "src/**/*.py"),
        ("..a/b..", "..a/b.."),
        ("überweisung.py", "überweisung.py"),
    ],
)
def test_it_is_spelt_in_one_way(path: str, spelt: str) -> None:
    assert confined(path) == spelt
    assert confined(spelt) == spelt


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("/etc/passwd", "is absolute"),
        ("~/x", "is absolute"),
        ("C:/x", "is absolute"),
        ("../x", "leads upwards"),
        ("a/../../x", "leads upwards"),
        ("a/..", "leads upwards"),
        (".", "names the whole repository"),
        ("./", "names the whole repository"),
        ("a\\b", "holds a `\\`"),
        ("a\nb", "holds a control character"),
        ("a\x00", "holds a control character"),
    ],
)
def test_what_leads_out_is_refused(path: str, reason: str) -> None:
    with pytest.raises(ValueError) as refusal:
        confined(path)
    assert str(refusal.value).startswith(reason)
