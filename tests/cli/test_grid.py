"""A table of one-line cells: aligned, cut where there is no room, and quick for many rows."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from mawep.cli.grid import Cell, Column, Grid

COLUMNS = (
    Column("n", right=True),
    Column("title", share=2, least=4),
    Column("after", share=1, least=3),
    Column("x"),
)


def shown(rows: list[tuple[str, ...]], width: int, *, colours: bool = False) -> str:
    out = StringIO()
    console = Console(
        file=out, width=width, force_terminal=colours, color_system="standard" if colours else None
    )
    console.print(Grid(COLUMNS, [tuple(map(Cell, row)) for row in rows], width), crop=False)
    return out.getvalue()


def test_columns_are_aligned_and_what_does_not_fit_is_cut() -> None:
    text = shown([("1", "short", "#2", "a"), ("22", "a title that is too long", "#1, #2, #3", "bb")], 30)
    assert text.splitlines() == [
        " n  title           after   x ",
        "─" * 30,
        " 1  short           #2      a ",
        "22  a title that …  #1, #…  bb",
    ]


@pytest.mark.parametrize("title", ["日本語の長い題名です、とても長い", "e\u0301" * 40, "", "👍🏽" * 30])
def test_wide_characters_do_not_push_columns_aside(title: str) -> None:
    lines = shown([("1", title, "", "end"), ("2", "plain", "", "end")], 40).splitlines()
    assert {cell_len(line) for line in lines} == {40}


def test_where_there_is_no_room_at_all_the_least_is_shown() -> None:
    lines = shown([("1", "title", "#2", "x")], 5).splitlines()
    assert lines[-1].split() == ["1", "tit…", "#2", "x"]


def test_markup_in_a_cell_is_text() -> None:
    assert "[bold]x[/]" in shown([("1", "[bold]x[/]", "", "")], 60, colours=True)
