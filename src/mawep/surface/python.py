"""What a Python module offers and imports, as tree-sitter reads it."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from mawep.surface.nodes import inside, one_line, text_of
from mawep.surface.offers import Kind, Offer, Parameter
from mawep.surface.uses import ALL, Import

_AROUND = {
    "if_statement",
    "else_clause",
    "elif_clause",
    "try_statement",
    "except_clause",
    "with_statement",
    "block",
}
"""What may stand around a definition of the module."""
_TABLES = {"list", "tuple", "set", "dictionary"}
_SPECIAL = {"property", "staticmethod", "classmethod", "cached_property"}
_MADE_OF_FIELDS = ("dataclass", "define", "frozen", "NamedTuple", "TypedDict", "Struct", "BaseModel")
"""Classes of which the fields are the parameters."""


def offers(root: Node) -> Iterator[Offer]:
    """What a module offers to others; names that begin with an underscore are its own."""
    for node in _statements(root):
        definition, decorators = _undecorated(node)
        name = text_of(definition.child_by_field_name("name"))
        if definition.type == "function_definition" and _public(name):
            yield _function(definition, name, decorators)
        elif definition.type == "class_definition" and _public(name):
            yield from _class(definition, name, decorators)
        elif assigned := _assigned(node):
            yield _value(*assigned)


def imports(root: Node) -> Iterator[Import]:
    """What a module imports, wherever in it."""
    for node in inside(root, {"import_statement", "import_from_statement"}):
        if node.type == "import_statement":
            for module in node.children_by_field_name("name"):
                yield Import(text_of(_plain(module)).replace(".", "/"))
            continue
        said = text_of(node.child_by_field_name("module_name"))
        path = said.lstrip(".")
        levels = len(said) - len(path)
        names = [text_of(_plain(name)) for name in node.children_by_field_name("name")]
        place = path.replace(".", "/")
        yield Import(place, frozenset(names or [ALL]), levels)
        for name in names:  # what is imported may be a module itself
            yield Import(f"{place}/{name}".lstrip("/"), levels=levels)


def _plain(name: Node) -> Node:
    return name.child_by_field_name("name") or name if name.type == "aliased_import" else name


def _statements(block: Node) -> Iterator[Node]:
    for node in block.named_children:
        if node.type in _AROUND:
            yield from _statements(node)
        else:
            yield node


def _undecorated(node: Node) -> tuple[Node, tuple[str, ...]]:
    if node.type != "decorated_definition":
        return node, ()
    decorators = tuple(
        one_line(child).lstrip("@ ") for child in node.named_children if child.type == "decorator"
    )
    return node.child_by_field_name("definition") or node, decorators


def _public(name: str) -> bool:
    return bool(name) and not name.startswith("_")


def _function(node: Node, name: str, decorators: tuple[str, ...]) -> Offer:
    parameters = node.child_by_field_name("parameters")
    result = one_line(node.child_by_field_name("return_type"))
    kinds = sorted(_SPECIAL.intersection(decorator.rpartition(".")[2] for decorator in decorators))
    before = "".join(f"@{kind} " for kind in kinds) + ("async " if node.children[0].type == "async" else "")
    shown = f"{before}{name}{one_line(parameters)}" + (f" -> {result}" if result else "")
    return Offer(name, shown, f"{before}{result}", tuple(_parameters(parameters)) if parameters else ())


def _parameters(node: Node) -> Iterator[Parameter]:
    listed = [child for child in node.named_children if child.type != "comment"]
    slash = next((at for at, child in enumerate(listed) if child.type == "positional_separator"), -1)
    kind: Kind = "either"
    for at, child in enumerate(listed):
        match child.type:
            case "keyword_separator":
                kind = "name"
            case "positional_separator":
                pass
            case "list_splat_pattern" | "dictionary_splat_pattern":
                yield Parameter("", "positions" if child.type.startswith("list") else "names")
                kind = "name"
            case "typed_parameter" if child.named_children[0].type.endswith("splat_pattern"):
                starred = child.named_children[0].type
                yield Parameter("", "positions" if starred.startswith("list") else "names")
                kind = "name"
            case _:
                optional = child.type.endswith("default_parameter")
                named = child.child_by_field_name("name") if optional else child
                plain = named.named_children[0] if named and named.type == "typed_parameter" else named
                yield Parameter(text_of(plain), "position" if at < slash else kind, optional)


def _class(node: Node, name: str, decorators: tuple[str, ...]) -> Iterator[Offer]:
    bases = one_line(node.child_by_field_name("superclasses"))
    body = node.child_by_field_name("body")
    members = list(_statements(body)) if body else []
    made_of_fields = any(word in one for one in (*decorators, bases) for word in _MADE_OF_FIELDS)
    fields: list[Parameter] = []
    made: tuple[Parameter, ...] | None = None
    offered: list[Offer] = []
    for member in members:
        definition, above = _undecorated(member)
        own = text_of(definition.child_by_field_name("name"))
        if definition.type == "function_definition":
            if own == "__init__":
                made = _function(definition, own, above).parameters
            elif _public(own) and not any(one.endswith((".setter", ".deleter", "overload")) for one in above):
                offered.append(_function(definition, own, above))
        elif (assigned := _assigned(member)) is not None:
            offered.append(_value(*assigned))
            fields.append(Parameter(assigned[0], "either", optional=assigned[1] is not None))
    if made is None and made_of_fields:
        made = tuple(fields)
    arguments = f"({', '.join(one.name for one in made)})" if made is not None else ""
    yield Offer(
        name, f"class {name}{bases}{f', made by {name}{arguments}' if arguments else ''}", bases, made
    )
    for one in offered:
        shown = one.text.replace(one.name, f"{name}.{one.name}", 1)
        yield Offer(f"{name}.{one.name}", shown, one.fixed, one.parameters, one.entries)


def _assigned(statement: Node) -> tuple[str, Node | None] | None:
    """The public name that a statement gives a value or a type, and the value."""
    if statement.type != "expression_statement" or not statement.named_children:
        return None
    assignment = statement.named_children[0]
    target = assignment.child_by_field_name("left")
    if assignment.type != "assignment" or target is None or target.type != "identifier":
        return None
    name = text_of(target)
    return (name, assignment.child_by_field_name("right")) if _public(name) else None


def _value(name: str, value: Node | None) -> Offer:
    """A constant is relied on for its value, other names for being there."""
    if value is None or name != name.upper():
        return Offer(name, name)
    entries = frozenset(map(one_line, value.named_children)) if value.type in _TABLES else None
    return Offer(name, f"{name} = {one_line(value)}", one_line(value), entries=entries)


def names_used(root: Node) -> frozenset[str]:
    """Every name that stands in the module, attributes and keyword arguments among them."""
    return frozenset(map(text_of, inside(root, {"identifier"})))
