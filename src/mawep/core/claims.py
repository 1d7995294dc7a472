"""Who may write what: declared paths, held by the orchestrator for an issue, expiring, and exclusive if so configured.

A claim on a path covers the path and everything below it. A pattern with a wildcard (`*`, `?`, `[`) covers
what it matches; two patterns overlap when the literal directories in front of their wildcards do, which may
refuse too much but never too little. A name with an ending, such as `pay.py`, is taken for a file's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import takewhile

import msgspec
from immutables import Map

from mawep.core.model import Number
from mawep.core.paths import confined

WILDCARDS = frozenset("*?[")
MOST_ASKED = 50
"""Paths that an attempt may claim at run time."""


class Conflict(msgspec.Struct, frozen=True):
    """`path`, wanted by one issue, is held by `holder` through its claim on `held`."""

    path: str
    held: str
    holder: Number


class Held(msgspec.Struct, frozen=True):
    """What one issue holds. `until` None: held until it lands or ends, because nobody has to renew it."""

    patterns: tuple[str, ...]
    until: datetime | None


class ClaimTable(msgspec.Struct, frozen=True):
    """All claims of a run. `paths` and `below` index literal claims, so that a check costs its own length.

    Not `exclusive`: several may hold the same, and nobody is in anybody's way.
    """

    exclusive: bool = True
    holders: Map[Number, Held] = Map()
    paths: Map[str, tuple[Number, ...]] = Map()
    below: Map[str, tuple[Number, ...]] = Map()
    globs: tuple[tuple[str, Number], ...] = ()

    def held_by(self, number: Number) -> tuple[str, ...]:
        """The patterns that issue holds."""
        held = self.holders.get(number)
        return held.patterns if held else ()

    def conflicts(
        self, patterns: Iterable[str], *, asking: Number, now: datetime | None
    ) -> Iterator[Conflict]:
        """Every claim of another issue that overlaps one of `patterns` and is live at `now`; None: live or not.

        None when claims are not exclusive.
        """
        for pattern in patterns if self.exclusive else ():
            for holder in self._overlapping(clean(pattern)):
                if holder != asking and self._live(holder, now):
                    held = next(p for p in self.holders[holder].patterns if overlap(p, clean(pattern)))
                    yield Conflict(pattern, held, holder)

    def reserved_from(self, number: Number) -> dict[str, Number]:
        """What that issue may not write, and who holds it: all that others hold, when claims are exclusive."""
        if not self.exclusive:
            return {}
        return {pattern: n for n, held in self.holders.items() if n != number for pattern in held.patterns}

    def holding(self, path: str) -> tuple[Number, ...]:
        """The issues whose claims cover a path, exclusive or not."""
        return tuple(
            n for n in self._overlapping(path) if any(covers(p, path) for p in self.holders[n].patterns)
        )

    def keepers(self, path: str) -> tuple[Number, ...]:
        """The issue that alone may write a path, if there is one."""
        return self.holding(path) if self.exclusive else ()

    def take(self, number: Number, patterns: Iterable[str], until: datetime | None) -> ClaimTable:
        """The table after `number` has taken `patterns`; it replaces what that issue held."""
        table = self.drop(number)
        wanted = tuple(dict.fromkeys(clean(pattern) for pattern in patterns))
        if not wanted:
            return table
        literals = [p for p in wanted if not is_glob(p)]
        paths, below = table.paths, table.below
        for path in literals:
            paths = paths.set(path, (*paths.get(path, ()), number))
            for parent in parents(path):
                below = below.set(parent, (*below.get(parent, ()), number))
        return ClaimTable(
            exclusive=self.exclusive,
            holders=table.holders.set(number, Held(wanted, until)),
            paths=paths,
            below=below,
            globs=(*table.globs, *((p, number) for p in wanted if is_glob(p))),
        )

    def extend(self, number: Number, until: datetime | None) -> ClaimTable:
        """The table with another expiry for what `number` holds."""
        held = self.holders.get(number)
        if held is None:
            return self
        return msgspec.structs.replace(self, holders=self.holders.set(number, Held(held.patterns, until)))

    def drop(self, number: Number) -> ClaimTable:
        """The table after `number` has given back all it held."""
        held = self.holders.get(number)
        if held is None:
            return self
        paths, below = self.paths, self.below
        for path in (p for p in held.patterns if not is_glob(p)):
            paths = _without(paths, path, number)
            for parent in parents(path):
                below = _without(below, parent, number)
        globs = tuple((p, n) for p, n in self.globs if n != number)
        return ClaimTable(self.exclusive, self.holders.delete(number), paths, below, globs)

    def _live(self, holder: Number, now: datetime | None) -> bool:
        until = self.holders[holder].until
        return until is None or now is None or until > now

    def _overlapping(self, pattern: str) -> tuple[Number, ...]:
        found: dict[Number, None] = {n: None for glob, n in self.globs if overlap(glob, pattern)}
        if is_glob(pattern):
            found.update((n, None) for path, ns in self.paths.items() if overlap(pattern, path) for n in ns)
        else:
            found.update((n, None) for n in self.below.get(pattern, ()))
            found.update((n, None) for path in (pattern, *parents(pattern)) for n in self.paths.get(path, ()))
        return tuple(found)


def _without(index: Map[str, tuple[Number, ...]], path: str, number: Number) -> Map[str, tuple[Number, ...]]:
    left = tuple(n for n in index.get(path, ()) if n != number)
    if left:
        return index.set(path, left)
    return index.delete(path) if path in index else index


def askable(path: str) -> str:
    """The one spelling of a path that an agent may claim at run time.

    Raises:
        ValueError: it is no path in the repository, or could mean more than one file; says which.
    """
    path = confined(path)
    if is_glob(path):
        raise ValueError("holds a wildcard; name each file")
    return path


def clean(pattern: str) -> str:
    """One spelling for a path: no `./` in front, no `/` at the end."""
    return pattern.removeprefix("./").rstrip("/")


def is_glob(pattern: str) -> bool:
    """True when the pattern holds a wildcard."""
    return not WILDCARDS.isdisjoint(pattern)


def parents(path: str) -> Iterator[str]:
    """Every directory above `path`, nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def covers(pattern: str, path: str) -> bool:
    """True when a claim on `pattern` covers writing `path`."""
    pattern, path = clean(pattern), clean(path)
    if is_glob(pattern):
        return fnmatchcase(path, pattern) or any(fnmatchcase(parent, pattern) for parent in parents(path))
    return path == pattern or path.startswith(pattern + "/")


def is_protected(path: str, protected: Iterable[str]) -> bool:
    """True when a protected pattern covers the path. Case is ignored, as some file systems do."""
    return any(covers(pattern.lower().removesuffix("/**"), path.lower()) for pattern in protected)


@lru_cache(maxsize=65536)
def overlap(a: str, b: str) -> bool:
    """True when some path could be covered by both patterns (or the caution rule above says so)."""
    if not is_glob(a) and not is_glob(b):
        return covers(a, b) or covers(b, a)
    if not is_glob(b):
        return covers(a, b) or (not _is_file(b) and _reaches_below(a, b))
    if not is_glob(a):
        return overlap(b, a)
    left, right = _literal_directory(a), _literal_directory(b)
    return _nested(left, right) and (_suffix(a) == _suffix(b) or not (_suffix(a) and _suffix(b)))


def _is_file(path: str) -> bool:
    """True when the last part of the path has an ending."""
    return "." in path.rpartition("/")[2].removeprefix(".")


def _reaches_below(glob: str, directory: str) -> bool:
    """True when the glob matches something below `directory`: some beginning of it matches that directory."""
    return any(fnmatchcase(f"{directory}/", glob[:end]) for end in range(1, len(glob) + 1))


def _literal_directory(glob: str) -> str:
    return "/".join(takewhile(lambda part: not is_glob(part), glob.split("/")))


def _nested(left: str, right: str) -> bool:
    return not left or not right or covers(left, right) or covers(right, left)


def _suffix(glob: str) -> str:
    """The file name ending that a glob like `docs/*.md` demands, or '' when it demands none."""
    name = glob.rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return ending if dot and "*" in stem and not is_glob(ending) else ""
