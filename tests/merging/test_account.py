"""The account of a merge: nothing of either side may go without a reason."""

from __future__ import annotations

import pytest

from mawep.merging.account import Reason, account

BASE = "one\ntwo\nthree\n"


def lost(base: str, ours: str, theirs: str, merged: str, path: str = "a.txt") -> list[str]:
    return [str(entry) for entry in account(base, ours, theirs, merged, path).lost]


def reasons(base: str, ours: str, theirs: str, merged: str, path: str = "a.txt") -> set[Reason | None]:
    return {entry.reason for entry in account(base, ours, theirs, merged, path).entries}


def test_both_changes_are_there() -> None:
    assert account(BASE, "ONE\ntwo\nthree\n", "one\ntwo\nTHREE\n", "ONE\ntwo\nTHREE\n", "a").entries == ()


@pytest.mark.parametrize("merged", ["ONE\ntwo\nthree\n", "one\ntwo\nTHREE\n", BASE, ""])
def test_a_side_that_is_not_there_is_lost(merged: str) -> None:
    assert lost(BASE, "ONE\ntwo\nthree\n", "one\ntwo\nTHREE\n", merged)


def test_a_line_that_a_side_took_out_must_not_be_back() -> None:
    assert lost(BASE, "one\nthree\n", "one\ntwo\nthree\nfour\n", "one\ntwo\nthree\nfour\n")


def test_an_edit_of_what_the_other_side_took_out_is_a_loss_either_way() -> None:
    texts = ("x = load(1)\n", "", "x = load(2)\n")
    assert lost(*texts, "")
    assert lost(*texts, "x = load(2)\n")


def test_a_change_that_one_side_made_and_the_other_too_is_there_once() -> None:
    assert not lost(
        BASE, "one\nnew\ntwo\nthree\n", "one\nnew\nmore\ntwo\nthree\n", "one\nnew\nmore\ntwo\nthree\n"
    )


def test_two_wordings_of_one_line_are_not_both_right() -> None:
    texts = ("def f(a):\n", "def f(a, b):\n", "def f(a, c):\n")
    assert lost(*texts, "def f(a, b):\ndef f(a, c):\n")
    assert reasons(*texts, "def f(a, b, c):\n") == {Reason.WOVEN}


def test_what_only_changed_formatting_may_go() -> None:
    texts = ("if a:\n  b\nc = (d\n  )\n", "if a:\n  b\nc = (d,\n    e)\n", "if a:\n   b\nc = (d\n  )\n")
    assert not reasons(*texts, "if a:\n   b\nc = (d,\n    e)\n", "a.py")
    texts = ("f(a,\n  b)\n", "f(a,\n    b)\n", "f(a,\n  b)\ng()\n")
    assert not reasons(*texts, "f(a,\n  b)\ng()\n", "a.py")
    texts = ("f(a, b)\n\nv 1.0.0\n", "f(\n    a, b\n)\n\nv 1.1.0\n", "\nv 1.2.0\n")
    assert reasons(*texts, "\nv 1.2.0\n", "a.js") == {Reason.FORMATTING, Reason.VERSION}


def test_indentation_is_no_formatting_where_it_means_something() -> None:
    texts = ("x = 1\ny = 2\n", "x = 1\n    y = 2\n", "x = 1\n")
    assert lost(*texts, "x = 1\n", "a.py")
    assert not lost(*texts, "x = 1\n", "a.js")


def test_a_version_may_go_when_a_later_one_is_there() -> None:
    texts = ('"v": "1.0.0"\n', '"v": "1.1.0"\n', '"v": "2.0.0"\n')
    assert reasons(*texts, '"v": "2.0.0"\n') == {Reason.VERSION}
    assert lost(*texts, '"v": "1.1.0"\n')
    assert lost(*texts, '"v": "1.0.0"\n')


def test_a_version_may_go_with_what_had_it() -> None:
    texts = ('"a": "1.0.0",\n"b": "1"\n', '"b": "1"\n', '"a": "1.0.1",\n"b": "1"\n')
    assert reasons(*texts, '"b": "1"\n') == {Reason.VERSION}
    assert lost(*texts, '"a": "1.0.1",\n"b": "1"\n')


def test_something_that_nobody_wrote_is_no_merge() -> None:
    assert lost(BASE, "ONE\ntwo\nthree\n", "one\ntwo\nTHREE\n", "ONE\ntwo\nTHREE\nsurprise\n")
