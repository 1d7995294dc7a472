"""JSON, YAML and TOML as trees of lines: every key with the lines that it stands in, comments above it included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from mawep.merging.threeway import Lines
from mawep.merging.tokens import depth, tokens

_HEADER = re.compile(r"^\s*(\[\[?[^\[\]]+\]\]?)\s*(#.*)?$")
_FIELD = re.compile(r"^\s*([\w.\"'-]+)\s*=")


@dataclass(frozen=True)
class Entry:
    """A key: the lines before what is inside it, the entries inside, and the lines behind these."""

    name: str
    head: Lines
    inside: tuple[Entry, ...] = ()
    tail: Lines = ()

    @property
    def lines(self) -> Lines:
        """All of its lines."""
        return self.head + tuple(line for entry in self.inside for line in entry.lines) + self.tail


def document(lines: Lines, path: str) -> Entry | None:
    """The tree of a text; None when it is of no known kind, cannot be read, or says one key twice."""
    match path.rpartition(".")[2]:
        case "toml":
            root = _toml(lines)
        case "json" | "yaml" | "yml" as kind:
            root = _composed(lines, json=kind == "json")
        case _:
            return None
    return root if root and root.lines == lines and _distinct(root) else None


def _distinct(entry: Entry) -> bool:
    names = [inner.name for inner in entry.inside]
    return len(set(names)) == len(names) and all(map(_distinct, entry.inside))


def _composed(lines: Lines, *, json: bool) -> Entry | None:
    # Only lines count: a tab, which YAML forbids in places, is as good as a space.
    text = "".join(lines).replace("\t", " ")
    if json and not text.lstrip().startswith("{"):
        return None
    try:
        node = YAML(pure=True).compose(StringIO(text))
    except (YAMLError, ValueError, RecursionError):
        return None
    return _entry("", node, lines, 0, len(lines), json=json) if isinstance(node, MappingNode) else None


def _entry(name: str, node: Node, lines: Lines, start: int, end: int, *, json: bool) -> Entry:
    """The entry of a key, which stands in `lines[start:end]`."""
    if not isinstance(node, MappingNode) or not node.value or bool(node.flow_style) != json:
        return Entry(name, lines[start:end])
    begins = [_above(lines, key.start_mark.line, start, json=json) for key, _ in node.value]
    stop = node.value[-1][1].end_mark.line + 1 if json else end
    apart = begins == sorted(set(begins)) and (begins[0] > start or not (name or json))
    if not apart or (json and stop >= end):
        return Entry(name, lines[start:end])
    inside = [
        _entry(key.value if isinstance(key, ScalarNode) else "", value, lines, one, other, json=json)
        for (key, value), one, other in zip(node.value, begins, [*begins[1:], stop], strict=True)
    ]
    return Entry(name, lines[start : begins[0]], tuple(inside), lines[stop:end])


def _above(lines: Lines, at: int, start: int, *, json: bool) -> int:
    """Where an entry begins: with the comments over it."""
    while not json and at > start and lines[at - 1].lstrip().startswith("#"):
        at -= 1
    return at


def _toml(lines: Lines) -> Entry | None:
    tables: list[tuple[str, int]] = [("", 0)]
    fields: list[list[tuple[str, int]]] = [[]]
    for at in _statements(lines):
        header, found = _HEADER.match(lines[at]), _FIELD.match(lines[at])
        begin = _above(lines, at, 0, json=False)
        if header:
            tables.append((header[1], begin))
            fields.append([])
        elif found:
            fields[-1].append((found[1], begin))
    ends = [begin for _, begin in tables[1:]] + [len(lines)]
    made = [
        _table(name, lines, start, end, inside)
        for (name, start), end, inside in zip(tables, ends, fields, strict=True)
    ]
    return Entry("", made[0].head, (*made[0].inside, *made[1:]))


def _table(name: str, lines: Lines, start: int, end: int, fields: Sequence[tuple[str, int]]) -> Entry:
    begins = [begin for _, begin in fields]
    stretches = zip(fields, pairwise([*begins, end]), strict=True) if fields else ()
    inside = [Entry(field, lines[begin:stop]) for (field, _), (begin, stop) in stretches]
    return Entry(name, lines[start : begins[0]] if begins else lines[start:end], tuple(inside))


def _statements(lines: Lines) -> Iterator[int]:
    """The lines on which something begins: not within brackets or a text of several lines."""
    open_brackets, quotes = 0, 0
    for at, line in enumerate(lines):
        if open_brackets <= 0 and quotes % 2 == 0:
            yield at
        quotes += line.count('"""') + line.count("'''")
        if not _HEADER.match(line):
            open_brackets += depth(tokens([line]))
