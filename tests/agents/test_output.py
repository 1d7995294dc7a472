"""Lines out of any bytes, in any pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mawep.agents.output import LINE_LIMIT, Lines


@given(st.lists(st.binary(max_size=50)))
def test_the_pieces_do_not_matter(pieces: list[bytes]) -> None:
    whole, cut = Lines(), Lines()
    expected = whole.feed(b"".join(pieces)) + whole.end()
    got = [line for piece in pieces for line in cut.feed(piece)] + cut.end()
    assert got == expected
    assert whole.tail == cut.tail


def test_a_long_line_is_cut_and_its_rest_is_dropped() -> None:
    lines = Lines()
    got = [line for _ in range(100) for line in lines.feed(b"x" * 1000)]
    assert got == []
    assert lines.feed(b"\nnext\n") == ["x" * LINE_LIMIT + " … (line cut)", "next"]


def test_the_last_twenty_lines_are_remembered() -> None:
    lines = Lines()
    lines.feed(b"".join(b"%d\n" % number for number in range(50)))
    assert lines.tail.splitlines() == [str(number) for number in range(30, 50)]


def test_terminal_sequences_do_not_reach_a_person() -> None:
    lines = Lines()
    assert lines.feed(b"\x1b]0;title\x07\x1b[1;31mred\x1b[0m\tand \x9b2J more\r\n") == [
        "red\tand \ufffd2J more"
    ]
