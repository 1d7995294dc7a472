"""Keyed lines: fields of JSON, YAML, TOML, INI, requirements, keyword arguments; each key is merged on its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mawep.merging import versions
from mawep.merging.offers import Offer
from mawep.merging.ordered import reworded, union
from mawep.merging.threeway import Hunk, Lines
from mawep.merging.tokens import key

_KEYED = re.compile(
    r"^\s*(?:- )?[\"']?(?P<key>[\w@/.$*-][\w@/.$* -]*?(?:\[[\w,]+\])?)[\"']?"
    r"\s*(?:\?:|:=|[=~<>!]=|:|=>?|>|<)\s*(?P<value>\S.*)$"
)
_ITEM = re.compile(r"^\s*(?P<key>- \S.*|[\"'][^\"']*[\"'],?|[\w.@-]+,?)$")


def offers(hunk: Hunk, path: str) -> Iterator[Offer]:
    """Every key that one side changed as that side has it; versions that both changed, the later one."""
    sides = [_fields(lines) for lines in (hunk.base, hunk.ours, hunk.theirs)]
    if any(side is None for side in sides):
        return
    was, mine, other = (side or {} for side in sides)
    if reworded(tuple(was), tuple(mine), tuple(other)):
        return
    result: list[str] = []
    for name in union(tuple(was), tuple(mine), tuple(other), rank=str.casefold) or ():
        line = _merged(was.get(name), mine.get(name), other.get(name))
        if line is None:
            return
        result.append(line)
    for name in set(was) - set(mine) ^ set(was) - set(other):
        kept = mine.get(name) or other.get(name)
        if (
            kept
            and key(kept) != key(was[name])
            and versions.masked([key(kept)]) != versions.masked([key(was[name])])
        ):
            return
    yield Offer(_separated(result, hunk), "every entry by itself")


def _merged(was: str | None, mine: str | None, other: str | None) -> str | None:
    if mine is None or other is None:
        return mine or other
    if key(mine) == key(other) or (was is not None and key(other) == key(was)):
        return mine
    if was is not None and key(mine) == key(was):
        return other
    return versions.latest(_bare(was or mine), _bare(mine), _bare(other))


def _bare(line: str) -> str:
    return line.rstrip().rstrip(",") + "\n"


def _fields(lines: Lines) -> dict[str, str] | None:
    """Lines by their keys; None when one has none or two have the same."""
    found: dict[str, str] = {}
    for line in lines:
        match = _KEYED.match(line.rstrip("\n")) or _ITEM.match(line.rstrip("\n"))
        name = match["key"].rstrip(",") if match else ""
        if not match or name in found or _opens(line):
            return None
        found[name] = line
    return found


def _opens(line: str) -> bool:
    """Whether what the line begins does not end on it."""
    return any(line.count(one) != line.count(two) for one, two in ("()", "[]", "{}"))


def _separated(lines: list[str], hunk: Hunk) -> Lines:
    """With commas between them where the sides have commas, and after the last one as ours has it."""
    if not lines or not any(
        line.rstrip().endswith(",") for side in (hunk.base, hunk.ours, hunk.theirs) for line in side[:-1]
    ):
        last = hunk.ours[-1:] or hunk.theirs[-1:]
        if not (len(lines) > 1 and last and len(hunk.ours) == 1 and last[0].rstrip().endswith(",")):
            return tuple(lines)
    bare = [line.rstrip().rstrip(",") for line in lines]
    comma = any(side[-1].rstrip().endswith(",") for side in (hunk.ours, hunk.theirs) if side)
    return (*(f"{line},\n" for line in bare[:-1]), f"{bare[-1]}{',' if comma else ''}\n")
