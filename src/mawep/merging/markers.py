"""A text that could not be merged wholly: what could be is, the rest stands between conflict markers."""

from __future__ import annotations

from collections.abc import Sequence

from mawep.merging.candidates import choices, pieces_of
from mawep.merging.offers import Rung
from mawep.merging.threeway import Hunk, Settled, joined


def marked(base: str, ours: str, theirs: str, path: str, rungs: Sequence[Rung]) -> tuple[str, int]:
    """The text, and how many hunks stand between markers.

    When what the rungs offer makes no sound whole, no hunk is merged by them.
    """
    text, hunks = _marked(base, ours, theirs, path, rungs)
    return (text, hunks) if hunks else _marked(base, ours, theirs, path, ())


def _marked(base: str, ours: str, theirs: str, path: str, rungs: Sequence[Rung]) -> tuple[str, int]:
    lines: list[str] = []
    hunks = 0
    for piece in pieces_of(base, ours, theirs, path):
        if isinstance(piece, Settled):
            lines += piece.lines
        elif offered := choices(piece, path, rungs):
            lines += offered[0].lines
        else:
            lines += _between(piece)
            hunks += 1
    return joined(lines), hunks


def _between(hunk: Hunk) -> list[str]:
    """The three texts of a hunk, as git shows them with `merge.conflictStyle=diff3`."""
    parts = (("<<<<<<< ours", hunk.ours), ("||||||| base", hunk.base), ("=======", hunk.theirs))
    lines = [line for mark, part in parts for line in (f"{mark}\n", *part)]
    return [*lines, ">>>>>>> theirs\n"]
