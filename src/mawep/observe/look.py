"""How states look: one sign, one word and one colour each, the same in every view of a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.text import Text

from mawep.core.model import IssueState
from mawep.observe.text import one_line


class Look(NamedTuple):
    """A sign of one cell and a Rich style."""

    sign: str
    style: str


LOOKS: dict[IssueState, Look] = {
    IssueState.WAITING: Look("·", "bright_black"),
    IssueState.READY: Look("○", "default"),
    IssueState.ASSIGNED: Look("◔", "cyan"),
    IssueState.WORKING: Look("●", "cyan"),
    IssueState.NEEDS_INPUT: Look("?", "bold magenta"),
    IssueState.VERIFYING: Look("◑", "yellow"),
    IssueState.QUEUED: Look("◕", "blue"),
    IssueState.LANDING: Look("▲", "bright_blue"),
    IssueState.LANDED: Look("✓", "green"),
    IssueState.FAILED: Look("✗", "bold red"),
    IssueState.BLOCKED: Look("⊘", "red"),
    IssueState.PARKED: Look("‖", "bright_yellow"),
    IssueState.CANCELLED: Look("−", "bright_black"),
    IssueState.REVERTED: Look("↶", "bright_yellow"),
}

FULL, HALF, UNDER_WAY, EMPTY = "━", "╸", "╍", "─"


def words(text: str, style: str = "") -> Text:
    """A stranger's text as it may be shown: one line, no markup, cut off where there is no more room."""
    return Text(one_line(text), style=style, no_wrap=True, overflow="ellipsis")


def sign(state: IssueState) -> Text:
    """The sign of a state."""
    look = LOOKS[state]
    return Text(look.sign, style=look.style)


def bar(share: float, width: int, style: str) -> Text:
    """A bar of `width` cells, filled from the left; `share` is from 0 to 1."""
    halves = round(min(max(share, 0.0), 1.0) * width * 2)
    filled = FULL * (halves // 2) + HALF * (halves % 2)
    return Text.assemble((filled, style), (EMPTY * (width - len(filled)), "bright_black"), no_wrap=True)


def shares(parts: Iterable[tuple[int, str, str]], total: int, width: int) -> Text:
    """A bar of several kinds: each (number, character, style) takes its share of `total`."""
    text, taken, filled = Text(no_wrap=True), 0, 0
    for number, character, style in parts:
        taken += number
        end = round(width * taken / total) if total else 0
        text.append(character * (end - filled), style)
        filled = end
    return text.append(EMPTY * (width - filled), "bright_black")
