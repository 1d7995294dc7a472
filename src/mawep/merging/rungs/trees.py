"""JSON, YAML and TOML, key by key however deep: every value as the side has it that changed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mawep.merging import versions
from mawep.merging.documents import Entry, document
from mawep.merging.offers import Offer
from mawep.merging.ordered import union
from mawep.merging.threeway import Hunk, Lines, Settled, merge
from mawep.merging.tokens import key


class _DisputedError(Exception):
    """Both sides want something else of one key."""


def offers(hunk: Hunk, path: str) -> Iterator[Offer]:
    """The document with what either side changed; nothing where both changed one value otherwise."""
    was, mine, other = (document(lines, path) for lines in (hunk.base, hunk.ours, hunk.theirs))
    if was and mine and other:
        try:
            made = _both(was, mine, other)
        except _DisputedError:
            return
        yield Offer((_separated(made) if path.endswith(".json") else made).lines, "every key by itself")


def _merged(was: Entry | None, mine: Entry | None, other: Entry | None) -> Entry | None:
    """One key; None when it is gone."""
    if mine is None or other is None:
        kept = mine or other
        if was is not None and kept is not None and _says(kept) != _says(was):
            raise _DisputedError
        return kept if was is None else None
    if _says(mine) == _says(other) or (was is not None and _says(other) == _says(was)):
        return mine
    if was is not None and _says(mine) == _says(was):
        return other
    return _both(was or Entry(mine.name, ()), mine, other)


def _both(was: Entry, mine: Entry, other: Entry) -> Entry:
    """What both changed: the lines around what is inside, then each key inside."""
    if not (mine.inside and other.inside):
        return Entry(mine.name, _lines(was.lines, mine.lines, other.lines))
    sides = [{entry.name: entry for entry in side.inside} for side in (was, mine, other)]
    was_there, mine_are, others_are = (tuple(side) for side in sides)
    names = dict.fromkeys((*union(was_there, mine_are, others_are), *was_there))
    inside = [_merged(*(side.get(name) for side in sides)) for name in names]
    head, tail = _lines(was.head, mine.head, other.head), _lines(was.tail, mine.tail, other.tail)
    return Entry(mine.name, head, tuple(entry for entry in inside if entry), tail)


def _lines(was: Lines, mine: Lines, other: Lines) -> Lines:
    """Lines that belong to one key."""
    pieces = merge(was, mine, other)
    if all(isinstance(piece, Settled) for piece in pieces):
        return tuple(line for piece in pieces if isinstance(piece, Settled) for line in piece.lines)
    later = versions.latest(*(_bare(lines) for lines in (was or mine, mine, other)))
    if later is None:
        raise _DisputedError
    return (later.rstrip("\n") + _ending(mine[-1]),)


def _says(entry: Entry) -> Sequence[str]:
    return [said for said in map(key, entry.lines) if said]


def _bare(lines: Lines) -> str:
    return "".join(lines).rstrip().rstrip(",") + "\n"


def _separated(entry: Entry) -> Entry:
    """With a comma behind every entry but the last."""
    inside = [_separated(inner) for inner in entry.inside]
    return replace(entry, inside=tuple(_ended(inner, "," * (inner is not inside[-1])) for inner in inside))


def _ended(entry: Entry, end: str) -> Entry:
    lines = entry.tail or entry.head
    lines = (*lines[:-1], lines[-1].rstrip().rstrip(",") + end + _ending(lines[-1]))
    return replace(entry, tail=lines) if entry.tail else replace(entry, head=lines)


def _ending(line: str) -> str:
    """How a line ends; one at the end of its text may stand elsewhere now."""
    return line[len(line.rstrip()) :] or "\n"
