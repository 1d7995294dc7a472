"""What a change of a file breaks for others, and which of that another file uses; its name tells its language."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from posixpath import basename
from typing import NamedTuple

from tree_sitter import Node

from mawep.merging.languages import parser_of
from mawep.surface import javascript, plain, python
from mawep.surface.offers import Break, Offer, Offers, broken
from mawep.surface.uses import Import, Uses, passed_on, used

PROSE = frozenset({"md", "rst", "txt", "adoc", "lock", "svg", "csv", "po"})
"""Endings of files in which nothing is defined."""
DATA = frozenset(
    {"json", "toml", "yaml", "yml", "ini", "cfg", "xml", "sql", "html", "css", "j2", "tmpl", "properties"}
)
"""Endings of files that others name when they use them."""


def breaks(before: str | None, after: str | None, path: str) -> tuple[Break, ...]:
    """What a change of a file breaks for others, if they use it; None: the file is not there.

    A break without a name is of the file as a whole.
    """
    ending = _ending(path)
    if before is None or before == after or (ending in PROSE and after is not None):
        return ()
    if after is None or ending in DATA:
        return (Break("", path, None if after is None else path),)
    return broken(_offers(before, path), _offers(after, path))


def everywhere(
    changed: str, found: tuple[Break, ...], around: Iterable[Reader], paths: Collection[str]
) -> dict[str, tuple[Break, ...]]:
    """The breaks by the file that is imported to get at them: the one that has changed, and packages that pass it on.

    `around` are the files of its packages, the innermost first.
    """
    places = {changed: found}
    for door in around:
        passed = [one for place, breaks in places.items() for one in door.passes_on(place, breaks, paths)]
        if passed:
            places[door.path] = tuple(dict.fromkeys(passed))
    return places


@dataclass
class Reader:
    """The text of a file, which may use what others offer."""

    path: str
    text: str

    def uses(self, changed: str, found: Sequence[Break], paths: Collection[str]) -> list[Break]:
        """Those breaks of the file `changed` that it uses. `paths` are all files there are."""
        language, path = _language(self.path), self.path
        if language is not None and language is _language(changed):
            hit = used(self._uses, path, changed, found, paths)
        else:
            words = self._words if _ending(path) == _ending(changed) else frozenset()
            hit = [one for one in found if one.name in words]
        named = path == changed or _names(self.text, changed)
        return [one for one in found if one in hit or (named and not one.name)]

    def passes_on(self, changed: str, found: Sequence[Break], paths: Collection[str]) -> list[Break]:
        """Those breaks of the file `changed` that others get at through this one."""
        same = _language(self.path) is not None and _language(self.path) is _language(changed)
        return passed_on(self._uses, self.path, changed, found, paths) if same else []

    @cached_property
    def _uses(self) -> Uses:
        language = _language(self.path)
        if language is None:
            return Uses((), self._words)
        root = _root(self.text, self.path)
        return Uses(tuple(language.imports(root)), language.names(root))

    @cached_property
    def _words(self) -> frozenset[str]:
        return plain.names_used(self.text)


def _names(text: str, path: str) -> bool:
    """True when a text names the file: by its path, or by its name in quotes."""
    return path in text or re.search(rf"[\"'`/]{re.escape(basename(path))}[\"'`]", text) is not None


class _Language(NamedTuple):
    offers: Callable[[Node], Iterator[Offer]]
    imports: Callable[[Node], Iterator[Import]]
    names: Callable[[Node], frozenset[str]]


_PYTHON = _Language(python.offers, python.imports, python.names_used)
_JAVASCRIPT = _Language(javascript.offers, javascript.imports, javascript.names_used)


def _offers(text: str, path: str) -> Offers:
    language = _language(path)
    found = plain.offers(text) if language is None else language.offers(_root(text, path))
    return {one.name: one for one in found}


def _root(text: str, path: str) -> Node:
    parser = parser_of(_ending(path))
    if parser is None:
        raise LookupError(path)
    return parser.parse(text.encode("utf-8", "replace")).root_node


def _language(path: str) -> _Language | None:
    match _ending(path):
        case "py" | "pyi":
            return _PYTHON
        case "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts":
            return _JAVASCRIPT
        case _:
            return None


def _ending(path: str) -> str:
    return path.rpartition(".")[2].lower()
