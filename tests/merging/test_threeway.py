"""The three-way merge: what one side changed is settled, and hunks hold whole edits of both sides."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mawep.merging.sequences import changes
from mawep.merging.threeway import Hunk, Settled, joined, merge, split

LINES = st.lists(st.sampled_from("abcdef"), max_size=12)


@given(LINES, LINES)
def test_changes_make_the_new_of_the_old(old: list[str], new: list[str]) -> None:
    made: list[str] = []
    at = 0
    for change in changes(old, new):
        made += [*old[at : change.start], *new[change.begin : change.stop]]
        at = change.end
    assert made + old[at:] == new


@given(LINES, LINES, LINES)
def test_each_text_can_be_read_from_the_pieces(base: list[str], ours: list[str], theirs: list[str]) -> None:
    for touching in (True, False):
        pieces = merge(base, ours, theirs, touching=touching)
        hunks = [piece for piece in pieces if isinstance(piece, Hunk)]
        assert all(hunk.ours != hunk.theirs for hunk in hunks)
        if not hunks:
            assert len([piece for piece in pieces if isinstance(piece, Settled)]) <= 1


@given(LINES, LINES)
def test_what_only_one_side_changed_is_settled(base: list[str], side: list[str]) -> None:
    expected = [Settled(tuple(side))] if side else []
    assert merge(base, side, base) == expected
    assert merge(base, base, side) == expected
    assert merge(base, side, side) == expected


def test_edits_that_meet_are_a_hunk_as_for_git_and_apart_when_asked() -> None:
    three = (["a", "b"], ["A", "b"], ["a", "B"])
    assert merge(*three) == [Hunk(("a", "b"), ("A", "b"), ("a", "B"))]
    assert merge(*three, touching=False) == [Settled(("A", "B"))]


def test_two_insertions_at_one_place_stay_a_hunk() -> None:
    assert merge(["a", "b"], ["a", "x", "b"], ["a", "y", "b"], touching=False) == [
        Settled(("a",)),
        Hunk((), ("x",), ("y",)),
        Settled(("b",)),
    ]


def test_a_line_without_an_end_gets_one_when_others_follow() -> None:
    assert split("a\nb") == ("a\n", "b")
    assert joined(["a", "b"]) == "a\nb"
    assert joined(split("a\r\nb\n")) == "a\r\nb\n"
