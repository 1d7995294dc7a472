"""Small questions to the nodes of a syntax tree."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from tree_sitter import Node

LONGEST = 200
"""Characters of a definition that are shown."""
_SPACE = re.compile(r"\s+")
_TIGHT = re.compile(r"(?<=[(\[{]) | (?=[)\]},])|,(?= ?[)\]}])")


def text_of(node: Node | None) -> str:
    """The text of a node, empty for none."""
    return node.text.decode("utf-8", "replace") if node and node.text else ""


def one_line(node: Node | None) -> str:
    """The text of a node on one line, however it was laid out."""
    return squeezed(text_of(node))


def squeezed(text: str) -> str:
    """A text on one line, without what only lays it out."""
    return _TIGHT.sub("", _SPACE.sub(" ", text.strip()))


def inside(root: Node, kinds: Collection[str]) -> Iterator[Node]:
    """Every node of these kinds, in the order of the text."""
    pending = [root]
    while pending:
        node = pending.pop()
        if node.type in kinds:
            yield node
        pending += reversed(node.children)
