"""Whether a merged text is sound: it parses, and holds nothing that neither side would have written."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from io import StringIO

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from mawep.merging.syntax import Facts, facts, scopes
from mawep.merging.tokens import key

_UNREADABLE = (ValueError, YAMLError, RecursionError)

TRIVIAL = 6
"""Lines that say less than this many characters are found everywhere."""


def faults(base: str, ours: str, theirs: str, merged: str, path: str) -> tuple[str, ...]:
    """What speaks against a merge, whatever was merged how; empty when it is sound."""
    return tuple(_faults(base, ours, theirs, merged, path))


def _faults(base: str, ours: str, theirs: str, merged: str, path: str) -> Iterator[str]:
    if any(f"\n{mark * 7} " in f"\n{merged}" for mark in "<>"):
        yield "it holds conflict markers"
    yield from (
        f"what both sides added stands there twice: {line}"
        for line in _doubled(base, ours, theirs, merged, path)
    )
    load = _loader(path)
    if load:
        yield from _values(load, base, ours, theirs, merged)
    mine, other, now = (facts(text, path) for text in (ours, theirs, merged))
    if mine and other and now:
        yield from _syntax(mine, other, now)


def _doubled(base: str, ours: str, theirs: str, merged: str, path: str) -> list[str]:
    """Lines that both sides added and that the merge has more often than either, in one definition or entry.

    What a definition said before it may say once more for each of them.
    """
    was, mine, other, now = (Counter(_placed(text, path)) for text in (base, ours, theirs, merged))
    return [
        place[-1]
        for place in now
        if len(place[-1]) >= TRIVIAL
        and any(char.isalnum() for char in place[-1])
        and mine[place] > was[place] < other[place]
        and not (was[place] and len(place) > 1)
        and now[place] > max(mine[place], other[place])
    ]


def _placed(text: str, path: str) -> Iterator[tuple[str, ...]]:
    """Each line by what it says, with the names of what is around it."""
    lines = text.split("\n")
    around = scopes(text, path) or [()] * len(lines)
    return ((*scope, key(line)) for scope, line in zip(around, lines, strict=True))


def _syntax(mine: Facts, other: Facts, now: Facts) -> Iterator[str]:
    if now.errors > max(mine.errors, other.errors):
        yield "it does not parse"
    for what, count in now.defined.items():
        if count > max(1, mine.defined[what], other.defined[what]):
            yield f"{what[-1]} is there {count} times"
    for what, count in now.pointless.items():
        if count > max(mine.pointless[what], other.pointless[what]):
            yield f"{what[-2]}: {what[-1]}"
    yield from (f"{name} is used and not defined" for name in now.unbound - mine.unbound - other.unbound)


def _loader(path: str) -> Callable[[str], object] | None:
    match path.rpartition(".")[2]:
        case "json":
            return json.loads
        case "toml":
            return tomllib.loads
        case "yaml" | "yml":
            return lambda text: list(YAML(typ="safe", pure=True).load_all(StringIO(text)))
        case _:
            return None


def _values(load: Callable[[str], object], base: str, ours: str, theirs: str, merged: str) -> Iterator[str]:
    """Each value must be one that it has in one of the texts."""
    try:
        values = [dict(_leaves(load(text))) for text in (ours, theirs)]
    except _UNREADABLE:
        return
    try:
        now = _leaves(load(merged))
    except _UNREADABLE:
        yield "it does not parse"
        return
    for place, value in now:
        if not any(place in side and side[place] == value for side in values):
            yield f"{'.'.join(place)} is what neither side made it"


def _leaves(document: object) -> list[tuple[tuple[str, ...], object]]:
    """Every value that is no list, with the keys that lead there. What YAML refers to again is looked at once."""
    found: list[tuple[tuple[str, ...], object]] = []
    seen: set[int] = set()
    pending: list[tuple[tuple[str, ...], object]] = [((), document)]
    while pending:
        place, value = pending.pop()
        if isinstance(value, dict):
            if id(value) not in seen:
                pending += [((*place, str(name)), inside) for name, inside in value.items()]
            seen.add(id(value))
        elif not isinstance(value, list):
            found.append((place, value))
    return found
