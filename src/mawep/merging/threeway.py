"""The three-way merge itself: what is settled, and the hunks where both sides changed the same place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mawep.merging.sequences import Change, changes

Lines = tuple[str, ...]
"""Elements in order: lines with their ends, or tokens."""


@dataclass(frozen=True)
class Settled:
    """What nobody disputes."""

    lines: Lines


@dataclass(frozen=True)
class Hunk:
    """A place that both sides changed, differently; whole edits of either side, nothing of them lies outside."""

    base: Lines
    ours: Lines
    theirs: Lines


def split(text: str) -> Lines:
    """Lines with their ends, so that joining them gives the text again; only a line feed ends one."""
    parts = text.split("\n")
    return tuple(part + "\n" for part in parts[:-1]) + ((parts[-1],) if parts[-1] else ())


def joined(lines: Sequence[str]) -> str:
    """The lines as one text; one that lost its end because it was the last gets it back."""
    whole = [line if line.endswith("\n") else f"{line}\n" for line in lines[:-1]]
    return "".join([*whole, *lines[-1:]])


def merge(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], *, touching: bool = True
) -> list[Settled | Hunk]:
    """Settled stretches and hunks, alternating freely; `touching` makes edits that only meet one hunk, as git does."""
    mine, other = changes(base, ours), changes(base, theirs)
    pieces: list[Settled | Hunk] = []
    at = 0
    shift = [0, 0]  # how far each side has run ahead of the base
    for left, right in _clusters(mine, other, touching):
        both = left + right
        start, end = min(change.start for change in both), max(change.end for change in both)
        _settle(pieces, base[at:start])
        texts: list[Lines] = []
        for side, (edits, new) in enumerate(((left, ours), (right, theirs))):
            begin = start + shift[side]
            shift[side] += sum((c.stop - c.begin) - (c.end - c.start) for c in edits)
            texts.append(tuple(new[begin : end + shift[side]]))
        if not right or texts[0] == texts[1]:
            _settle(pieces, texts[0])
        elif not left:
            _settle(pieces, texts[1])
        else:
            pieces.append(Hunk(tuple(base[start:end]), texts[0], texts[1]))
        at = end
    _settle(pieces, base[at:])
    return pieces


def _settle(pieces: list[Settled | Hunk], lines: Sequence[str]) -> None:
    if not lines:
        return
    if pieces and isinstance(pieces[-1], Settled):
        pieces[-1] = Settled(pieces[-1].lines + tuple(lines))
    else:
        pieces.append(Settled(tuple(lines)))


def _clusters(
    mine: list[Change], other: list[Change], touching: bool
) -> list[tuple[list[Change], list[Change]]]:
    """Edits of both sides that lie on one another (or touch), together; in order."""
    queue = sorted([(c, 0) for c in mine] + [(c, 1) for c in other], key=lambda e: (e[0].start, e[0].end))
    found: list[tuple[list[Change], list[Change]]] = []
    reach = -1
    for change, side in queue:
        together = found and (
            change.start < reach or (change.start == reach and (touching or _same_gap(found[-1], change)))
        )
        if not together:
            found.append(([], []))
            reach = change.end
        found[-1][side].append(change)
        reach = max(reach, change.end)
    return found


def _same_gap(cluster: tuple[list[Change], list[Change]], change: Change) -> bool:
    """Two insertions at one place, whose order nobody knows."""
    return any(c.start == c.end == change.start == change.end for side in cluster for c in side)
