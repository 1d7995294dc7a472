"""What a text of Python, JavaScript or TypeScript defines, names and leaves unreachable, as tree-sitter reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from tree_sitter import Node

from mawep.merging.languages import parser_of

DEEPEST = 12
"""How many of the innermost scopes tell one place from another."""
BEGINNING = 40
"""How much of its text tells a scope without a name from others, in bytes."""

_LEAVES = {"return_statement", "raise_statement", "throw_statement", "continue_statement", "break_statement"}
_BLOCKS = {"block", "module", "program", "statement_block"}
_DEFINITIONS = {
    "function_definition",
    "class_definition",
    "function_declaration",
    "generator_function_declaration",
    "class_declaration",
    "method_definition",
    "interface_declaration",
    "type_alias_declaration",
    "enum_declaration",
}
_PARAMETERS = {"parameters", "lambda_parameters", "formal_parameters"}
_SCOPES = _DEFINITIONS | _PARAMETERS | {"argument_list", "dictionary", "object", "lambda", "arrow_function"}
_BINDERS = {
    "assignment": "left",
    "augmented_assignment": "left",
    "named_expression": "name",
    "for_statement": "left",
    "for_in_clause": "left",
    "as_pattern": "alias",
    "variable_declarator": "name",
    "for_in_statement": "left",
    "catch_clause": "parameter",
}
_IMPORTS = {"import_statement", "import_from_statement", "future_import_statement"}
_NAMES = {"identifier", "shorthand_property_identifier_pattern", "type_identifier"}


@dataclass
class Facts:
    """What the checks of a merge compare."""

    errors: int = 0
    defined: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """What may stand once in its scope: definitions, parameters, keyword arguments, keys."""
    pointless: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Statements that are never reached, and values that are overwritten before anybody reads them."""
    bound: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)

    @property
    def unbound(self) -> set[str]:
        """Names that the text uses and does not define."""
        return self.used - self.bound


def facts(text: str, path: str) -> Facts | None:
    """What is to be said of a text; None for a language that is not known here."""
    parser = parser_of(path.rpartition(".")[2])
    if parser is None:
        return None
    found = Facts()
    source = text.encode("utf-8", "replace")
    _walk(parser.parse(source).root_node, source, found)
    return found


def scopes(text: str, path: str) -> list[tuple[str, ...]] | None:
    """For each line, the definitions and keys that it is part of, outermost first; None for a language not known."""
    parser = parser_of(path.rpartition(".")[2])
    if parser is None:
        return None
    found: list[tuple[str, ...]] = [()] * (text.count("\n") + 1)
    root = parser.parse(text.encode("utf-8", "replace")).root_node
    pending: list[tuple[Node, tuple[str, ...]]] = [(root, ())]
    while pending:
        node, scope = pending.pop()
        inner = node.child_by_field_name("definition") or node
        name = _once(node) if node.type == "pair" else None
        if inner.type in _DEFINITIONS:
            name = _field(inner, "name")
        if name and scope[-1:] != (name,):
            scope = (*scope, name)
            first, last = node.start_point.row, node.end_point.row
            found[first : last + 1] = [scope] * (last + 1 - first)
        pending += [(child, scope) for child in reversed(node.children)]
    return found


def _walk(root: Node, source: bytes, found: Facts) -> None:
    pending: list[tuple[Node, tuple[str, ...]]] = [(root, ())]
    while pending:
        node, scope = pending.pop()
        found.errors += node.type == "ERROR" or node.is_missing
        _names(node, found)
        name = _once(node)
        if name:
            found.defined[(*scope, _kind(node), name)] += 1
        if node.type in _SCOPES:
            outer = node.parent or node
            begins = source[outer.start_byte : outer.start_byte + BEGINNING].decode("utf-8", "replace")
            scope = (*scope[1 - DEEPEST :], name or f"{node.type}@{begins}")
        if node.type in _BLOCKS:
            found.pointless.update((*scope, *what) for what in _pointless(node))
        pending += [(child, scope) for child in reversed(node.children)]


def _once(node: Node) -> str | None:
    """The name of what may stand once in its scope."""
    parent = node.parent.type if node.parent else ""
    if node.type in _DEFINITIONS:
        if parent == "decorated_definition" or (node.type == "method_definition" and _accessor(node)):
            return None
        return _field(node, "name")
    if node.type == "keyword_argument":
        return _field(node, "name")
    if node.type == "pair":
        key = node.child_by_field_name("key")
        return _text(key) if key and key.type in {"string", "property_identifier", "integer"} else None
    if parent in _PARAMETERS and node.type in {"identifier", "default_parameter", "typed_default_parameter"}:
        return _text(node) if node.type == "identifier" else _field(node, "name")
    return None


def _kind(node: Node) -> str:
    """What may not share a name: parameters of any sort."""
    parent = node.parent.type if node.parent else ""
    return parent if parent in _PARAMETERS else node.type


def _accessor(node: Node) -> bool:
    return any(child.type in {"get", "set", "static"} for child in node.children)


def _names(node: Node, found: Facts) -> None:
    if node.type in _NAMES:
        found.used.add(_text(node))
    if (
        node.type in _IMPORTS
        or node.type in _PARAMETERS
        or node.type in {"global_statement", "import_clause"}
    ):
        found.bound.update(_identifiers(node))
    elif node.type in _DEFINITIONS:
        found.bound.add(_field(node, "name") or "")
    elif node.type == "arrow_function" and node.child_by_field_name("parameter"):
        found.bound.add(_field(node, "parameter") or "")
    elif node.type in _BINDERS:
        target = node.child_by_field_name(_BINDERS[node.type])
        found.bound.update(_identifiers(target) if target else ())


def _identifiers(node: Node) -> Iterator[str]:
    pending = [node]
    while pending:
        node = pending.pop()
        if node.type in _NAMES:
            yield _text(node)
        pending += node.children


def _pointless(block: Node) -> Iterator[tuple[str, str]]:
    statements = [child for child in block.named_children if child.type != "comment"]
    for before, after in pairwise(statements):
        if before.type in _LEAVES and after.type not in _DEFINITIONS:
            yield "unreachable", _text(after)
        stored, again = _stored(before), _stored(after)
        if stored and again and stored[0] == again[0] and again[0] not in set(_identifiers(again[1])):
            yield "dead", stored[0]


def _stored(statement: Node) -> tuple[str, Node] | None:
    """The name that a statement gives a value, and the value."""
    if statement.type != "expression_statement" or not statement.named_children:
        return None
    assignment = statement.named_children[0]
    target, value = assignment.child_by_field_name("left"), assignment.child_by_field_name("right")
    plain = assignment.type in {"assignment", "assignment_expression"}
    return (_text(target), value) if plain and target and value and target.type == "identifier" else None


def _field(node: Node, name: str) -> str | None:
    child = node.child_by_field_name(name)
    return _text(child) if child else None


def _text(node: Node | None) -> str:
    return node.text.decode() if node and node.text else ""
