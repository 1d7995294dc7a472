"""What strangers wrote cannot drive a terminal, wherever it is shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mawep.observe.text import count, duration, first_line, numbers, one_line, several_lines, short

HOSTILE = "\x1b[31mred\x1b]0;owned\x07 \x9b2J\u202eevil\u2066 a\nb\tc\r\x00d\u200b e\u0301\u0301\u0301\u0301"


def test_hostile_text_becomes_one_harmless_line() -> None:
    assert one_line(HOSTILE) == "red evil a b c d e\u0301\u0301"


@given(st.text())
def test_no_text_keeps_anything_that_a_terminal_obeys(text: str) -> None:
    for shown in (one_line(text), several_lines(text, 1000)):
        kept = {unicodedata.category(char) for char in shown.replace("\n", "")}
        assert not kept & {"Cc", "Cs", "Zl", "Zp"}


@given(st.text(), st.integers(2, 20))
def test_a_line_is_not_longer_than_it_may_be(text: str, limit: int) -> None:
    assert len(one_line(text, limit)) <= limit


def test_words_of_other_scripts_and_pictures_stay() -> None:
    for text in ("日本語のタイトル", "Añadir pagos", "🎉 done", "Zażółć gęślą jaźń", "عربي"):
        assert one_line(text) == text


def test_several_lines_keep_their_lines() -> None:
    assert several_lines("a\x1b[1m b\n\n\tc\n", 100) == "a b\n\n    c"
    assert several_lines("x" * 20, 5) == "xxxxx\n…"


def test_the_first_line_is_the_first_that_says_something() -> None:
    assert first_line("\n  \x1b[0m\n  E assert 3 == 4\nmore") == "E assert 3 == 4"
    assert first_line("") == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.9, "9.9 s"),
        (42, "0:42"),
        (61.9, "1:01"),
        (3723, "1:02:03"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_small_words() -> None:
    assert (count(1, "issue"), count(0, "issue"), count(2, "issue")) == ("1 issue", "0 issues", "2 issues")
    assert numbers([1, 2, 3]) == "#1, #2, #3"
    assert numbers([1, 2, 3], most=2) == "#1, #2 and 1 more"
    assert short("0123456789abcdef") == "0123456"
