"""The account of a merge: what each side changed is there, or why it is not. It knows nothing of how it was merged.

A merge owes either side this: that it differs from it only by what the other side changed. For each line, and for
each token of what both sides edited at one place, the sides' changes of its count are added up. Where the merge has
fewer or more, something is *lost* (or was taken out and is back), unless one of few reasons holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mawep.merging import versions
from mawep.merging.sequences import changes
from mawep.merging.threeway import Lines, split
from mawep.merging.tokens import bare, flush, indentation, key, tokens


class Reason(StrEnum):
    """Why a changed line of a side need not stand in the merge as it was written."""

    WOVEN = "woven"
    """Every token that the side put into the line, or took out of it, is accounted for in the lines around."""
    FORMATTING = "formatting"
    """The side changed nothing but formatting there."""
    VERSION = "version"
    """The side raised a version, and the other raised it further or removed what had it."""


@dataclass(frozen=True)
class Entry:
    """A changed line of a side that does not stand in the merge."""

    side: str
    """`ours`, `theirs`, or `merge` for what is there and comes from neither side's edits."""
    line: str
    reason: Reason | None

    def __str__(self) -> str:
        return f"{self.side}: {self.line.strip()!r} ({self.reason or 'lost'})"


@dataclass(frozen=True)
class Account:
    """What does not stand in a merge as a side wrote it."""

    entries: tuple[Entry, ...]

    @property
    def lost(self) -> tuple[Entry, ...]:
        """What is missing without a reason."""
        return tuple(entry for entry in self.entries if entry.reason is None)


def account(base: str, ours: str, theirs: str, merged: str, path: str) -> Account:
    """Compare a merge with both sides; nothing but the four texts (and the kind of file) counts."""
    was, mine, other, now = (flush(split(text), path) for text in (base, ours, theirs, merged))
    sides = {"ours": mine, "theirs": other}
    found = _examine(was, sides, now, path)
    if not found:
        return Account(tuple(_entries(was, sides, found, Reason.WOVEN)))
    excused, entries = _excused(was, sides, found, now, path)
    left = _examine(was, excused, now, path)
    entries += _entries(was, excused, left, None if left else Reason.WOVEN)
    if left and not any(entry.reason is None for entry in entries):
        entries += [Entry("merge", word, None) for word in sorted(left.tokens)]
    return Account(tuple(entries))


@dataclass(frozen=True)
class _Findings:
    """What deviates: lines, and tokens of what is contested."""

    lines: frozenset[str]
    tokens: frozenset[str]
    path: str
    contested: frozenset[str]
    """Lines of edits that both sides made at one place."""

    def __bool__(self) -> bool:
        return bool(self.tokens)

    def concern(self, lines: Iterable[str]) -> bool:
        """Whether an edit has part in what deviates."""
        keys = {*_keys(lines, self.path)}
        if keys & self.lines:
            return True
        words = set(_words((line for line in lines if key(line, self.path) in self.contested), self.path))
        return bool(words & self.tokens)


def _examine(was: Lines, sides: Mapping[str, Lines], now: Lines, path: str) -> _Findings:
    texts = (was, *sides.values(), now)
    off = _deviations(*(Counter(filter(None, _keys(lines, path))) for lines in texts))
    contested = _contested(was, sides, path)
    around = _around(off | contested, was, sides, path)
    counted = (
        Counter(_words((line for line in lines if key(line, path) in around), path)) for lines in texts
    )
    return _Findings(frozenset(off), frozenset(_deviations(*counted)), path, frozenset(contested))


def _deviations(was: Counter[str], mine: Counter[str], other: Counter[str], now: Counter[str]) -> set[str]:
    """The elements that the merge has fewer or more of than the changes of both sides explain."""
    found = set()
    for element in {*was, *mine, *other, *now}:
        there = was[element]
        one, two = mine[element] - there, other[element] - there
        fewest = most = there + one + two
        if one * two > 0:  # the same change, perhaps: once is enough
            bounds = (there + max(one, two, key=abs), fewest)
            fewest, most = min(bounds), max(bounds)
        if not max(fewest, 0) <= now[element] <= max(most, 0):
            found.add(element)
    return found


def _edits(was: Lines, side: Lines, path: str) -> list[tuple[int, Lines, Lines]]:
    """What a side replaced by what, and where; line by line where there are as many as before."""
    found: list[tuple[int, Lines, Lines]] = []
    for change in changes(_keys(was, path), _keys(side, path)):
        old, new = was[change.start : change.end], side[change.begin : change.stop]
        if len(old) == len(new):
            found += [(change.start + at, old[at : at + 1], new[at : at + 1]) for at in range(len(old))]
        else:
            found.append((change.start, old, new))
    return found


def _contested(was: Lines, sides: Mapping[str, Lines], path: str) -> set[str]:
    """The lines of edits that lie on one another, by what they say."""
    mine, other = (_edits(was, side, path) for side in sides.values())
    return {
        key(line, path)
        for at, old, new in mine
        for there, before, after in other
        if at < there + len(before) and there < at + len(old)
        for line in (*old, *new, *before, *after)
    } - {""}


def _around(wanted: set[str], was: Lines, sides: Mapping[str, Lines], path: str) -> set[str]:
    """The lines in question with all lines of the edits that they are part of."""
    edits = [
        {*_keys((*old, *new), path)} - {""}
        for side in sides.values()
        for _, old, new in _edits(was, side, path)
    ]
    around, last = set(wanted), 0
    while len(around) > last:
        last = len(around)
        around |= {line for edit in edits if edit & around for line in edit}
    return around


def _keys(lines: Iterable[str], path: str) -> list[str]:
    return [key(line, path) for line in lines]


def _words(lines: Iterable[str], path: str) -> Iterator[str]:
    for line in lines:
        yield from filter(None, [indentation(line, path)])
        yield from (word.replace("'", '"') for word in tokens([line]) if not word.isspace() and word != ",")


def _excused(
    was: Lines, sides: Mapping[str, Lines], found: _Findings, now: Lines, path: str
) -> tuple[dict[str, Lines], list[Entry]]:
    """The sides without those edits that need not be in the merge, and the lines of these with the reasons."""
    kept: dict[str, Lines] = {}
    entries: list[Entry] = []
    for name, side in sides.items():
        lines: list[str] = []
        at = 0
        for start, old, new in _edits(was, side, path):
            missing = any(key(line, found.path) in found.lines for line in (*old, *new))
            reason = _reason(old, new, now, path) if missing else None
            lines += [*was[at:start], *(old if reason else new)]
            at = start + len(old)
            entries += [
                Entry(name, line, reason) for line in new if reason and key(line, found.path) in found.lines
            ]
        kept[name] = (*lines, *was[at:])
    return kept, entries


def _entries(
    was: Lines, sides: Mapping[str, Lines], found: _Findings, reason: Reason | None
) -> Iterator[Entry]:
    """The lines of the edits that deviate."""
    for name, side in sides.items():
        for _, old, new in _edits(was, side, found.path):
            off = [line for line in (*old, *new) if key(line, found.path) in found.lines]
            if reason is None and found.concern((*old, *new)):
                off = off or list(new or old)
            yield from (Entry(name, line, reason) for line in off)


def _reason(old: Lines, new: Lines, now: Lines, path: str) -> Reason | None:
    if bare(old, path) == bare(new, path):
        return Reason.FORMATTING
    raised = versions.masked(old) == versions.masked(new) and versions.found_in(old) != versions.found_in(new)
    return Reason.VERSION if raised and _superseded(old, new, now) else None


def _superseded(old: Lines, new: Lines, now: Lines) -> bool:
    """Whether the merge has a later version wherever it does not have the one that a side raised."""
    for before, after in zip(old, new, strict=False):
        shape = versions.masked([after])
        alike = [line for line in now if versions.masked([line]) == shape]
        if key(before) != key(after) and alike and not any(_at_least(line, after) for line in alike):
            return False
    return True


def _at_least(line: str, floor: str) -> bool:
    pairs = zip(versions.found_in([line]), versions.found_in([floor]), strict=True)
    return all(one == other or versions.later(one, other) for one, other in pairs)
