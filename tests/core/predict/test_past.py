"""What landings tell: titles that read alike, words that meant files, files that change together."""

from __future__ import annotations

import pytest

from mawep.core.predict.past import WIDEST, Landing, Past, is_book, landing_of

PATHS = frozenset({"pay.py", "tax.py", "test_pay.py", "doc.md"})


def past(*landings: Landing) -> Past:
    return Past(landings, PATHS)


@pytest.mark.parametrize(
    ("subject", "detail", "title"),
    [
        ("Round payments (#12)", "", "Round payments"),
        ("Merge #7 into main: Round payments", "", "Round payments"),
        ("Merge pull request #9 from ada/round-payments", "Round payments", "Round payments"),
        ("Merge pull request #9 from ada/round_payments", "", "round payments"),
        ("Merge branch 'main' into x", "", None),
        ("Bump pip to 9", "", None),
        ("v1.2", "", None),
        ("#12", "", None),
    ],
)
def test_a_commit_tells_its_title_unless_it_is_routine(subject: str, detail: str, title: str | None) -> None:
    found = landing_of(subject, detail, ["pay.py", "CHANGELOG.md"], "c0")
    assert found == (None if title is None else Landing(title, ("pay.py",), "c0"))


def test_books_and_what_is_too_wide_tell_nothing() -> None:
    assert landing_of("Say so", "", ["docs/changelog/1.md", "uv.lock"]) is None
    assert landing_of("Format", "", [f"{n}.py" for n in range(WIDEST + 1)]) is None


@pytest.mark.parametrize(
    ("path", "book"),
    [
        ("NEWS", True),
        ("docs/History.rst", True),
        ("changelog.d/a.md", True),
        ("src/history.py", False),
        ("newsx", False),
    ],
)
def test_books_are_known_by_their_names(path: str, book: bool) -> None:
    assert is_book(path) is book


def test_the_files_of_landings_that_read_alike() -> None:
    found = past(
        Landing("round payments", ("pay.py", "gone.py")),
        Landing("tax of payments", ("tax.py",)),
        Landing("words", ("doc.md",)),
        Landing("round numbers", ("gone.py",)),
    )
    scores = found.alike({"round": 1.0, "payment": 1.0})
    assert scores["pay.py"] > scores["tax.py"] > 0
    assert set(scores) == {"pay.py", "tax.py"}


def test_words_mean_the_files_that_changed_with_them() -> None:
    found = past(
        Landing("round payments", ("pay.py",)),
        Landing("late payments", ("pay.py", "doc.md")),
        Landing("round tax", ("tax.py",)),
    )
    scores = found.said({"payment": 1.0, "unknown": 1.0})
    assert scores["pay.py"] == 2 * scores["doc.md"] > 0
    assert "tax.py" not in scores


def test_what_changes_together_more_than_once_is_company() -> None:
    found = past(
        Landing("one", ("pay.py", "test_pay.py")),
        Landing("two", ("pay.py", "test_pay.py", "doc.md")),
    )
    assert dict(found.company("pay.py")) == {"test_pay.py": 0.5}
    assert dict(found.company("tax.py")) == {}
    assert found.often["pay.py"] == 2
    assert found.recent["pay.py"] > found.recent["doc.md"]
