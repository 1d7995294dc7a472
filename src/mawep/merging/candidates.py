"""The ladder: a file's hunks, what the rungs offer for each, and the whole texts that come of it, best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from mawep.merging.account import Account, account
from mawep.merging.best_first import best_first
from mawep.merging.offers import Rung
from mawep.merging.rungs import ADJACENT, RUNGS, TREES
from mawep.merging.sections import NEWS, by_sections
from mawep.merging.structure import faults
from mawep.merging.threeway import Hunk, Lines, Settled, joined, merge, split

MOST_OFFERS = 6
"""How many offers for one hunk are looked at."""

MOST_TRIED = 40
"""How many whole texts of one file are checked."""

LARGEST_HUNK = 20_000
"""A side of a hunk with more characters is no edit that a rule understands."""


@dataclass(frozen=True)
class Applied:
    """A rung that merged a hunk, and why it could."""

    rung: str
    why: str


MET = Applied(ADJACENT.name, "edits of the sides meet there")
SECTIONS = Applied("news", "every section by itself")
"""What is said of a text whose pieces fit without a rung: only news are taken apart in another way than git does."""


@dataclass(frozen=True)
class Choice:
    """What could stand in a hunk's place, and the rungs it came from."""

    lines: Lines
    applied: tuple[Applied, ...]


@dataclass(frozen=True)
class Candidate:
    """A whole text without conflicts, the rungs that made it, and its account."""

    text: str
    applied: tuple[Applied, ...]
    account: Account = field(compare=False)


def candidates(  # noqa: PLR0917
    base: str, ours: str, theirs: str, path: str, rungs: Sequence[Rung] = RUNGS, most: int = MOST_OFFERS
) -> Iterator[Candidate]:
    """Whole texts, best first, at most `most`: each is sound, and no line of either side is lost in it."""
    yield from islice(_sound(base, ours, theirs, path, rungs), most)


def _sound(base: str, ours: str, theirs: str, path: str, rungs: Sequence[Rung]) -> Iterator[Candidate]:
    seen = set()
    for offered in _ways(base, ours, theirs, path, rungs):
        for chosen in islice(best_first(offered), MOST_TRIED):
            text = joined([line for choice in chosen for line in choice.lines])
            if text in seen:
                continue
            seen.add(text)
            accounted = account(base, ours, theirs, text, path)
            if not accounted.lost and not faults(base, ours, theirs, text, path):
                made = dict.fromkeys(made for choice in chosen for made in choice.applied)
                yield Candidate(text, tuple(made) or ((SECTIONS,) if NEWS.search(path) else ()), accounted)


def _ways(
    base: str, ours: str, theirs: str, path: str, rungs: Sequence[Rung]
) -> Iterator[list[list[Choice]]]:
    """What could stand in the place of each piece; then, for a document with keys, of the whole."""
    offered = [
        [Choice(piece.lines, ())] if isinstance(piece, Settled) else choices(piece, path, rungs)
        for piece in pieces_of(base, ours, theirs, path)
    ]
    if all(offered):
        yield offered
    if TREES in rungs and max(map(len, (base, ours, theirs))) <= LARGEST_HUNK:
        whole = Hunk(split(base), split(ours), split(theirs))
        yield [
            [Choice(offer.lines, (Applied(TREES.name, offer.why),)) for offer in TREES.offers(whole, path)]
        ]


def pieces_of(base: str, ours: str, theirs: str, path: str) -> list[Settled | Hunk]:
    """What is settled in a file and what is not: news by their sections, everything else line by line."""
    return by_sections(base, ours, theirs, path) or merge(split(base), split(ours), split(theirs))


def choices(hunk: Hunk, path: str, rungs: Sequence[Rung]) -> list[Choice]:
    """What the rungs offer for a hunk, the first rung first; for its parts when they offer nothing for the whole."""
    if max(sum(map(len, side)) for side in (hunk.base, hunk.ours, hunk.theirs)) > LARGEST_HUNK:
        return []
    found: dict[Lines, Choice] = {}
    for rung in rungs:
        for offer in rung.offers(hunk, path):
            if offer.lines not in found and _accounted(hunk, offer.lines, path):
                found[offer.lines] = Choice(offer.lines, (Applied(rung.name, offer.why),))
    return list(found.values())[:MOST_OFFERS] or _in_parts(hunk, path, rungs)


def _in_parts(hunk: Hunk, path: str, rungs: Sequence[Rung]) -> list[Choice]:
    """The hunk taken apart where edits only meet, each part merged on its own; the best of each."""
    lines: Lines = ()
    applied: tuple[Applied, ...] = ()
    pieces: list[Settled | Hunk] = [hunk]
    if ADJACENT in rungs:
        pieces = merge(hunk.base, hunk.ours, hunk.theirs, touching=False)
        applied = (MET,)
    if pieces == [hunk]:
        pieces, applied = _trimmed(hunk), ()
    if pieces == [hunk]:
        return []
    for piece in pieces:
        if isinstance(piece, Settled):
            lines += piece.lines
            continue
        parts = choices(piece, path, rungs)
        if not parts:
            return []
        lines += parts[0].lines
        applied += parts[0].applied
    return [Choice(lines, applied)] if _accounted(hunk, lines, path) else []


def _trimmed(hunk: Hunk) -> list[Settled | Hunk]:
    """The hunk without what both sides begin or end with alike."""
    ours, theirs = hunk.ours, hunk.theirs
    shorter = min(len(ours), len(theirs))
    head = next((k for k in range(shorter) if ours[k] != theirs[k]), shorter)
    tail = next((k for k in range(shorter - head) if ours[-1 - k] != theirs[-1 - k]), shorter - head)
    if not head and not tail:
        return [hunk]
    base = hunk.base
    rest = Hunk(
        tuple(line for line in base if line not in ours[:head] and line not in ours[len(ours) - tail :]),
        ours[head : len(ours) - tail],
        theirs[head : len(theirs) - tail],
    )
    return [Settled(ours[:head]), rest, Settled(ours[len(ours) - tail :])]


def _accounted(hunk: Hunk, lines: Lines, path: str) -> bool:
    base, ours, theirs, text = map(joined, (hunk.base, hunk.ours, hunk.theirs, lines))
    return not account(base, ours, theirs, text, path).lost
