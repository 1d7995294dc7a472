"""The door to YAML: what a text says, the line each value stands on, and everything wrong with its form.

Scalars come out as the text that was written (`off`, `007`, `2024`), null as None: the schema of the reader
decides what a text means, so no key is at the mercy of YAML's own guesses (`no` is not Norway).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

Tree: TypeAlias = str | list["Tree"] | dict[str, "Tree"] | None
"""The text of a scalar, a sequence, a mapping, or null."""

KeyPath: TypeAlias = tuple[str | int, ...]
"""How to reach a value: mapping keys and sequence indices from the root."""

_NULL = "tag:yaml.org,2002:null"
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge", "value")
)


@dataclass(frozen=True)
class Parsed:
    """A YAML text: its `tree`, the line of every value by path, and its `problems` as (line, sentence).

    Not `readable`: the text is not YAML at all, so there is no tree.
    """

    tree: Tree = None
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    problems: tuple[tuple[int, str], ...] = ()
    readable: bool = True

    def line_of(self, path: KeyPath) -> int | None:
        """The line of the value at `path`, or of the nearest thing around it."""
        return next((self.lines[near] for near in _outwards(path) if near in self.lines), None)


def parse(text: str, first_line: int = 1) -> Parsed:
    """Read one YAML document. `first_line` is the line number of the text's first line."""
    reader = _Reader(first_line)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        tree = None if root is None else reader.read(root, ())
    except RecursionError:
        return Parsed(problems=((first_line, "is nested too deeply"),), readable=False)
    except YAMLError as error:
        return Parsed(problems=(_syntax_problem(error, text, first_line),), readable=False)
    return Parsed(tree, reader.lines, tuple(reader.problems))


class _Reader:
    """Turns ruamel's nodes into a tree, noting lines and problems on the way."""

    def __init__(self, first_line: int) -> None:
        self.first_line = first_line
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[tuple[int, str]] = []
        self._seen: set[int] = set()

    def read(self, node: Node, path: KeyPath) -> Tree:
        line = self.lines.setdefault(path, self._line(node))
        if id(node) in self._seen:
            # An alias is the same node again: refused, as it can make a text unfold without end.
            self.problems.append((line, "YAML anchors and aliases are not supported; write the value again"))
            return None
        self._seen.add(id(node))
        if node.tag not in _PLAIN_TAGS:
            self.problems.append((line, f"the YAML tag `{node.tag}` is not supported"))
            return None
        if isinstance(node, ScalarNode):
            return None if node.tag == _NULL else str(node.value)
        if isinstance(node, SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._mapping(node, path)

    def _mapping(self, node: Node, path: KeyPath) -> Tree:
        mapping: dict[str, Tree] = {}
        for key_node, value_node in node.value:
            line = self._line(key_node)
            if not isinstance(key_node, ScalarNode):
                self.problems.append((line, "a key must be a plain word"))
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in mapping:
                self.problems.append((line, f"`{key}` is given twice, first on line {self.lines[here]}"))
                continue
            self.lines[here] = line
            mapping[key] = self.read(value_node, here)
        return mapping

    def _line(self, node: Node) -> int:
        return self.first_line + int(node.start_mark.line)


def _syntax_problem(error: YAMLError, text: str, first_line: int) -> tuple[int, str]:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        line = first_line + int(error.problem_mark.line)
        return line, f"is not valid YAML: {error.problem or error.context}"
    position = getattr(error, "position", 0)
    return first_line + text.count("\n", 0, position), "is not valid YAML: a character is not allowed here"


def _outwards(path: KeyPath) -> Iterator[KeyPath]:
    return (path[:length] for length in range(len(path), -1, -1))
