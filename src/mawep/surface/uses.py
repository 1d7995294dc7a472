"""Which file an import means, and what of a change a text uses."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from posixpath import dirname, join, normpath, splitext

from mawep.surface.offers import Break

ALL = "*"
_INDEX = ("/__init__", "/index")


@dataclass(frozen=True, slots=True)
class Import:
    """An import of the module at `place`, a path without its ending. `names` empty: of the module as a whole.

    `levels`: 0 is looked for below any root, 1 beside the file that imports, each more one directory further up.
    """

    place: str
    names: frozenset[str] = frozenset()
    levels: int = 0


@dataclass(frozen=True, slots=True)
class Uses:
    """What a text imports, and every name that stands in it."""

    imports: tuple[Import, ...]
    names: frozenset[str]


def used(uses: Uses, path: str, changed: str, breaks: Iterable[Break], paths: Collection[str]) -> list[Break]:
    """Those breaks of the file `changed` that the text of `path` uses. `paths` are all files there are."""
    if path == changed:
        return [one for one in breaks if _mentions(uses, one.name)]
    ways = [one for one in uses.imports if means(one, path, changed, paths)]
    return [one for one in breaks if any(_reaches(way, uses, one.name) for way in ways)]


def passed_on(
    uses: Uses, path: str, changed: str, breaks: Iterable[Break], paths: Collection[str]
) -> list[Break]:
    """Those breaks of the file `changed` that others get at through the file `path`, which imports it by name."""
    ways = [one for one in uses.imports if one.names and means(one, path, changed, paths)]
    taken = frozenset[str]().union(*(way.names for way in ways))
    return [one for one in breaks if one.name and (ALL in taken or one.name.partition(".")[0] in taken)]


def doors(changed: str, paths: Collection[str]) -> list[str]:
    """The files of packages around a file that pass on what it offers, the innermost first."""
    inner, ending = splitext(changed)
    found = []
    while inner := dirname(inner):
        found += [
            door for index in _INDEX if (door := f"{inner}{index}{ending}") in paths and door != changed
        ]
    return found


def means(one: Import, path: str, changed: str, paths: Collection[str]) -> bool:
    """True when an import in `path` means the file `changed`."""
    place = splitext(changed)[0]
    for index in _INDEX:
        place = place.removesuffix(index)
    if one.levels:
        up = "../" * (one.levels - 1)
        return normpath(join(dirname(path), up, one.place)) == place
    if not one.place or f"/{place}".removesuffix(f"/{one.place}") == f"/{place}":
        return False
    root = place.removesuffix(one.place).rstrip("/")
    return f"{root}/__init__.py" not in paths  # a package is no root: its modules bear its name


def _reaches(way: Import, uses: Uses, name: str) -> bool:
    owner, _, member = name.partition(".")
    if not name:
        return True
    if member:
        return member in uses.names
    everything = not way.names or ALL in way.names
    return owner in way.names or (everything and owner in uses.names)


def _mentions(uses: Uses, name: str) -> bool:
    return not name or name.rpartition(".")[2] in uses.names
