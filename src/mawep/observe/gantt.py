"""A run against time: one line an issue, one character a moment."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rich.cells import cell_len, set_cell_size
from rich.console import Group
from rich.text import Text

from mawep.core.model import IssueState, Number
from mawep.observe.look import LOOKS
from mawep.observe.text import duration, one_line
from mawep.observe.timeline import Course, Span

MARKS: dict[IssueState, str] = {
    IssueState.ASSIGNED: "█",
    IssueState.WORKING: "█",
    IssueState.NEEDS_INPUT: "?",
    IssueState.VERIFYING: "▓",
    IssueState.QUEUED: "░",
    IssueState.LANDING: "▒",
}
WAITS, ENDS = "·", "✗"
LEGEND = (
    IssueState.WORKING,
    IssueState.NEEDS_INPUT,
    IssueState.VERIFYING,
    IssueState.QUEUED,
    IssueState.LANDING,
)
LEAST_CELLS = 10
MOST_NAME = 32


def gantt(course: Course, width: int, most: int | None = None) -> Group:
    """The chart, `width` columns wide; of more than `most` issues those that took longest."""
    return Group(*gantt_lines(course, width, most))


def gantt_lines(course: Course, width: int, most: int | None = None) -> list[Text]:
    """The chart line by line; empty when no issue was worked on."""
    spans: dict[Number, list[Span]] = {}
    for span in course.spans:
        spans.setdefault(span.issue, []).append(span)
    total = max((span.end for span in course.spans), default=0.0)
    if not total:
        return []
    shown = _shown(course, spans, most)
    name = min(MOST_NAME, width // 3, max(cell_len(_name(course, number)) for number in shown))
    cells = max(LEAST_CELLS, width - name - 12)
    lines = []
    for number in shown:
        line = Text(_fitted(_name(course, number), name) + " ", no_wrap=True)
        needed = (spans[on][-1].end for on in course.state.graph.dependencies[number] if on in spans)
        line.append_text(
            _bar(spans[number], course.state.issues[number].state, max(needed, default=0.0), total, cells)
        )
        worked = spans[number][-1].end - spans[number][0].start
        lines.append(line.append(f" {duration(worked):>8}", "bright_black"))
    if len(shown) < len(spans):
        lines.append(Text(f"{'':{name}} and {len(spans) - len(shown)} more", "bright_black"))
    return [*lines, _axis(name, cells, total), _legend(name, width)]


def _shown(course: Course, spans: dict[Number, list[Span]], most: int | None) -> list[Number]:
    """In the order in which they began; the shortest are left out when there are too many."""
    numbers = sorted(spans, key=lambda n: (spans[n][0].start, course.state.graph.rank[n]))
    if most is None or len(numbers) <= most:
        return numbers
    longest = sorted(numbers, key=lambda n: spans[n][0].start - spans[n][-1].end)[:most]
    return [number for number in numbers if number in set(longest)]


def _name(course: Course, number: Number) -> str:
    return f"#{number} {one_line(course.state.graph.issues[number].title, 2 * MOST_NAME)}"


def _fitted(name: str, width: int) -> str:
    return set_cell_size(name, width) if cell_len(name) <= width else set_cell_size(name, width - 1) + "…"


def _bar(spans: Sequence[Span], state: IssueState, ready: float, total: float, cells: int) -> Text:
    """`ready`: when the last dependency had landed, so that nothing but a free agent was missing."""
    text = Text(no_wrap=True)
    end = spans[-1].end
    last = _cell(end, total, cells) if state.terminal else cells
    broken = {
        _cell(span.end, total, cells) for span, after in pairwise(spans) if after.attempt != span.attempt
    }
    for cell in range(cells):
        began, over = total * cell / cells, total * (cell + 1) / cells
        found = _longest(spans, began, over)
        if cell == last:
            text.append(*LOOKS[state])
        elif cell in broken:
            text.append(ENDS, LOOKS[IssueState.FAILED].style)
        elif found is not None:
            text.append(MARKS[found], LOOKS[found].style)
        elif ready < over and began < end:
            text.append(WAITS, LOOKS[IssueState.WAITING].style)
        else:
            text.append(" ")
    return text


def _cell(moment: float, total: float, cells: int) -> int:
    return min(int(cells * moment / total), cells - 1)


def _longest(spans: Sequence[Span], began: float, over: float) -> IssueState | None:
    """The state that filled most of a moment."""
    shares: dict[IssueState, float] = {}
    for span in spans:
        share = min(span.end, over) - max(span.start, began)
        if share > 0:
            shares[span.state] = shares.get(span.state, 0.0) + share
    return max(shares, key=lambda state: shares[state], default=None)


def _axis(name: int, cells: int, total: float) -> Text:
    """Times under the chart, as many as there is room for."""
    ticks = max(1, cells // 16)
    line = ""
    for tick in range(ticks + 1):
        label = duration(total * tick / ticks) if tick else "0"
        place = round(cells * tick / ticks)
        line = f"{line:{place}}{label}" if tick < ticks else f"{line:{max(cells - len(label), 0)}}{label}"
    return Text(f"{'':{name}} {line}", "bright_black", no_wrap=True)


def _legend(name: int, width: int) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    for state in LEGEND:
        text.append(f"{MARKS[state]} ", LOOKS[state].style)
        text.append(f"{state.value.replace('_', ' ')}  ", "bright_black")
    text.append(f"{WAITS} waiting", "bright_black")
    text.pad_left(max(0, min(name + 1, width - text.cell_len)))
    return text
