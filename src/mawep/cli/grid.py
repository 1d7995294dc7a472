"""A table of one-line cells, printed in one pass: ten thousand rows take a blink, where a general one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column. With a `share` it takes that part of the room which is left, no less than `least`, and cuts the rest.

    `style` is that of cells that have none of their own.
    """

    name: str
    right: bool = False
    share: int = 0
    least: int = 0
    style: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one: a line, fit to be shown, and its style."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Grid:
    """Rows under their columns' names, `width` columns of the terminal wide."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    width: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The segments, a line at a time."""
        widths = self._widths(min(self.width, options.max_width))
        styles = {
            name: console.get_style(name) if name else None
            for name in {cell.style for row in self.rows for cell in row}
            | {column.style for column in self.columns}
        }
        bold, faint = Style(bold=True), Style(color="bright_black")
        yield from self._line([Cell(column.name) for column in self.columns], widths, {"": bold}, header=True)
        yield Segment("─" * (sum(widths) + len(GAP) * (len(widths) - 1)), faint)
        yield Segment.line()
        for row in self.rows:
            yield from self._line(row, widths, styles)

    def _widths(self, room: int) -> list[int]:
        """What each column needs, and for those with a share what is left."""
        fixed = [
            0
            if column.share
            else max([_length(column.name), *(_length(row[place].text) for row in self.rows)])
            for place, column in enumerate(self.columns)
        ]
        left = room - sum(fixed) - len(GAP) * (len(fixed) - 1)
        shares = sum(column.share for column in self.columns)
        given = [left * column.share // shares if column.share else 0 for column in self.columns]
        if shares:  # what the division leaves goes to the first that takes any
            given[next(place for place, column in enumerate(self.columns) if column.share)] += left - sum(
                given
            )
        return [
            max(column.least, part) if column.share else width
            for column, part, width in zip(self.columns, given, fixed, strict=True)
        ]

    def _line(
        self,
        row: Sequence[Cell],
        widths: Sequence[int],
        styles: dict[str, Style | None],
        *,
        header: bool = False,
    ) -> Iterator[Segment]:
        last = len(widths) - 1
        for place, (cell, column, width) in enumerate(zip(row, self.columns, widths, strict=True)):
            text = _fitted(cell.text, width, right=column.right)
            end = "" if place == last else GAP
            yield Segment(text + end, styles[cell.style or ("" if header else column.style)])
        yield Segment.line()


def _length(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _fitted(text: str, width: int, *, right: bool) -> str:
    length = _length(text)
    if length > width:
        return set_cell_size(text, max(width - 1, 0)) + "…" if width else ""
    return " " * (width - length) + text if right else text + " " * (width - length)
