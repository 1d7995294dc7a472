"""Marks: found again in our own texts, worth nothing anywhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mawep.reports.markers import Markers

RUN = "0190f3a2-0000-7000-8000-00000badcafe"
MARKERS = Markers(b"k" * 32, "acme/shop", "mawep-bot[bot]")


@dataclass(frozen=True)
class Comment:
    author: str
    body: str


def posted(markers: Markers = MARKERS, issue: int = 12, kind: str = "status", key: str = "") -> Comment:
    return Comment("mawep-bot[bot]", markers.mark(issue, kind, RUN, key) + "\n\nHello.")


def test_ours_is_found_whatever_stands_around_it() -> None:
    comments = [Comment("ann", "hello"), Comment("mawep-bot[bot]", "no mark"), posted(), posted()]
    assert MARKERS.find(comments, 12, "status") is comments[2]
    assert MARKERS.find(comments[:2], 12, "status") is None


def test_a_mark_is_not_to_be_seen() -> None:
    mark = MARKERS.mark(12, "status", RUN)
    assert mark.startswith("<!-- mawep:status:0badcafe:") and mark.endswith(" -->")
    assert "\n" not in mark


def test_it_holds_in_every_run_unless_one_is_named() -> None:
    assert MARKERS.bears(posted(), 12, "status")
    assert MARKERS.bears(posted(), 12, "status", run=RUN)
    assert not MARKERS.bears(posted(), 12, "status", run=RUN[:-1] + "f")


def test_lines_may_end_as_a_browser_ends_them_and_logins_have_no_case() -> None:
    text = posted()
    assert MARKERS.bears(replace(text, body=text.body.replace("\n", "\r\n")), 12, "status")
    assert MARKERS.bears(replace(text, author="Mawep-Bot[bot]"), 12, "status")


def test_a_mark_that_somebody_copied_does_not_count() -> None:
    assert not MARKERS.bears(replace(posted(), author="mallory"), 12, "status")
    assert not MARKERS.bears(posted(), 13, "status"), "of another issue"
    assert not MARKERS.bears(posted(), 12, "summary"), "of another kind"
    assert not MARKERS.bears(posted(), 12, "status", "other"), "of another text"
    assert not MARKERS.bears(posted(replace(MARKERS, repository="acme/other")), 12, "status")
    assert not MARKERS.bears(posted(replace(MARKERS, secret=b"x" * 32)), 12, "status")


def test_a_mark_that_is_quoted_or_not_in_its_place_does_not_count() -> None:
    mark = MARKERS.mark(12, "status", RUN)
    for body in (
        f"> {mark}",
        f"Hello {mark}",
        f"Hello\n{mark}",
        f" {mark}",
        f"{mark}{mark}",
        f"{mark} hello",
    ):
        assert not MARKERS.bears(Comment("mawep-bot[bot]", body), 12, "status"), body


def test_a_run_put_in_the_place_of_another_does_not_count() -> None:
    text = posted()
    assert not MARKERS.bears(replace(text, body=text.body.replace("0badcafe", "0badcaff")), 12, "status")


def test_texts_of_ours_are_known_and_nobody_elses() -> None:
    assert MARKERS.ours(posted(issue=99, kind="summary"))
    assert not MARKERS.ours(Comment("ann", posted().body))
    assert not MARKERS.ours(Comment("mawep-bot[bot]", "/mawep stop"))


@pytest.mark.parametrize("kind", ["", "Status", "a b", "a:b", "-->", "x" * 40])
def test_a_kind_is_a_plain_word(kind: str) -> None:
    with pytest.raises(ValueError, match="no kind"):
        MARKERS.mark(1, kind, RUN)


@given(st.tuples(st.integers(), st.text(), st.text()), st.tuples(st.integers(), st.text(), st.text()))
def test_no_two_places_share_a_mark(one: tuple[int, str, str], other: tuple[int, str, str]) -> None:
    def marked(of: tuple[int, str, str]) -> str:
        return replace(MARKERS, repository=of[1]).mark(of[0], "status", RUN, of[2])

    same = (one[0], one[1].casefold(), one[2]) == (other[0], other[1].casefold(), other[2])
    assert (marked(one) == marked(other)) is same
