"""Combinations of choices, each list the best first: the sums of their places grow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def best_first(options: Sequence[Sequence[T]]) -> Iterator[tuple[T, ...]]:
    """One of each: the best of all first, the worst of all last. Where that is the same, the earlier list gives way."""
    for steps in range(sum(len(choices) - 1 for choices in options) + 1):
        yield from _down(options, steps)


def _down(options: Sequence[Sequence[T]], steps: int) -> Iterator[tuple[T, ...]]:
    """Those that are so many places below the best together."""
    if not options:
        yield from () if steps else ((),)
        return
    for place in range(min(steps, len(options[0]) - 1), -1, -1):
        for rest in _down(options[1:], steps - place):
            yield (options[0][place], *rest)
