"""What a module of JavaScript or TypeScript offers and imports, as tree-sitter reads it."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from mawep.surface.nodes import inside, one_line, text_of
from mawep.surface.offers import Kind, Offer, Parameter
from mawep.surface.uses import ALL, Import

DEFAULT = "default"
_FUNCTIONS = {
    *("function_declaration", "generator_function_declaration", "function_expression", "arrow_function"),
    *("function_signature", "method_definition", "method_signature", "abstract_method_signature"),
}
_CLASSES = {"class_declaration", "abstract_class_declaration", "class"}
_LITERALS = {
    "string",
    "number",
    "template_string",
    "array",
    "object",
    "true",
    "false",
    "null",
    "as_expression",
}
_NAMES = {
    *("identifier", "property_identifier", "type_identifier", "shorthand_property_identifier"),
    "shorthand_property_identifier_pattern",
}


def offers(root: Node) -> Iterator[Offer]:
    """What a module exports, by `export` or by `module.exports`."""
    local = {name: node for child in root.named_children for name, node in _declared(child)}
    for statement in root.named_children:
        if statement.type == "export_statement":
            yield from _exported(statement, local)
        elif statement.type == "expression_statement":
            yield from _assigned(statement.named_children[0], local)


def imports(root: Node) -> Iterator[Import]:
    """What a module imports; packages from elsewhere are places that no file has."""
    for node in inside(root, {"import_statement", "export_statement", "call_expression"}):
        if node.type == "call_expression":
            called, arguments = (
                text_of(node.child_by_field_name("function")),
                node.child_by_field_name("arguments"),
            )
            if called in ("require", "import") and arguments and arguments.named_children:
                yield _import(arguments.named_children[0], frozenset())
        elif (source := node.child_by_field_name("source")) is not None:
            yield _import(source, frozenset(_imported(node)))


def names_used(root: Node) -> frozenset[str]:
    """Every name that stands in the module, properties among them."""
    return frozenset(map(text_of, inside(root, _NAMES)))


# --- imports


def _import(source: Node, names: frozenset[str]) -> Import:
    place = text_of(source).strip("'\"`")
    place = (
        place.rpartition(".")[0] if place.endswith((".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx")) else place
    )
    if place.startswith("."):
        return Import(place, names, levels=1)
    inner = place.removeprefix("@/").removeprefix("~/")
    return Import(
        inner if inner != place or "/" in place else "", names
    )  # what is called by one word is a package


def _imported(node: Node) -> Iterator[str]:
    """The names that it takes; none when it takes the module as a whole, `ALL` when it exports all of them."""
    if node.type == "export_statement" and any(child.type == ALL for child in node.children):
        yield ALL
    for name in inside(node, {"import_specifier", "export_specifier"}):
        yield text_of(name.child_by_field_name("name"))
    for clause in node.named_children:
        if clause.type == "import_clause" and clause.named_children[0].type == "identifier":
            yield DEFAULT


# --- exports


def _exported(statement: Node, local: dict[str, Node]) -> Iterator[Offer]:
    if statement.child_by_field_name("source") is not None:
        return  # another file's
    declared = statement.child_by_field_name("declaration") or statement.child_by_field_name("value")
    if any(child.type == DEFAULT for child in statement.children) and declared is not None:
        yield from _offers(DEFAULT, local.get(text_of(declared), declared))
    elif declared is not None:
        for name, node in _declared(declared):
            yield from _offers(name, node)
    for one in inside(statement, {"export_specifier"}):
        name = text_of(one.child_by_field_name("name"))
        public = text_of(one.child_by_field_name("alias")) or name
        yield from _offers(public, local[name]) if name in local else [Offer(public, public)]


def _assigned(node: Node, local: dict[str, Node]) -> Iterator[Offer]:
    """`exports.name = value`, and `module.exports = { name, name: value }`."""
    target, value = node.child_by_field_name("left"), node.child_by_field_name("right")
    if node.type != "assignment_expression" or target is None or value is None:
        return
    place = text_of(target).removeprefix("module.")
    if place == "exports" and value.type == "object":
        for child in value.named_children:
            if child.type == "shorthand_property_identifier":
                name, held = text_of(child), local.get(text_of(child))
            else:
                name, held = text_of(child.child_by_field_name("key")), child.child_by_field_name("value")
            if name:
                yield from _offers(name, local.get(text_of(held), held)) if held else [Offer(name, name)]
    elif place.startswith("exports."):
        yield from _offers(place.removeprefix("exports."), local.get(text_of(value), value))


def _declared(node: Node) -> Iterator[tuple[str, Node]]:
    """The names that a declaration declares, each with what it is."""
    if node.type == "export_statement":
        inner = node.child_by_field_name("declaration")
        yield from _declared(inner) if inner else ()
    elif node.type in ("lexical_declaration", "variable_declaration"):
        for one in node.named_children:
            name, value = one.child_by_field_name("name"), one.child_by_field_name("value")
            if one.type == "variable_declarator" and name and name.type == "identifier":
                yield text_of(name), value or one
    elif (name := node.child_by_field_name("name")) is not None:
        yield text_of(name), node


def _offers(name: str, node: Node) -> Iterator[Offer]:
    if node.type in _FUNCTIONS:
        yield _function(name, node)
    elif node.type in _CLASSES:
        yield from _class(name, node)
    elif node.type == "enum_declaration":
        yield Offer(name, one_line(node), entries=frozenset(_members(node)))
    elif node.type == "interface_declaration":
        needed = sorted(member for member in _members(node) if "?:" not in member)
        yield Offer(name, one_line(node), "; ".join(needed))
    elif node.type == "type_alias_declaration" or node.type in _LITERALS:
        entries = frozenset(map(one_line, node.named_children)) if node.type in ("object", "array") else None
        shown = one_line(node) if node.type == "type_alias_declaration" else f"{name} = {one_line(node)}"
        yield Offer(name, shown, one_line(node), entries=entries)
    else:
        yield Offer(name, name)


def _members(node: Node) -> Iterator[str]:
    body = node.child_by_field_name("body")
    yield from map(one_line, body.named_children if body else ())


def _function(name: str, node: Node) -> Offer:
    parameters = node.child_by_field_name("parameters")
    result = one_line(node.child_by_field_name("return_type"))
    waits = "async " if any(child.type == "async" for child in node.children) else ""
    single = node.child_by_field_name("parameter")
    taken = tuple(map(_parameter, parameters.named_children)) if parameters else ()
    if single is not None:
        taken = (Parameter("", "position"),)
    return Offer(name, f"{waits}{name}{one_line(parameters or single)}{result}", f"{waits}{result}", taken)


def _parameter(node: Node) -> Parameter:
    """Who calls knows its place and its type, not its name."""
    pattern = node.child_by_field_name("pattern") or node.child_by_field_name("left") or node
    kind: Kind = "positions" if "rest_pattern" in (node.type, pattern.type) else "position"
    optional = node.type in ("optional_parameter", "assignment_pattern") or bool(
        node.child_by_field_name("value")
    )
    shape = one_line(pattern) if pattern.type in ("object_pattern", "array_pattern") else ""
    return Parameter("", kind, optional, shape + one_line(node.child_by_field_name("type")))


def _class(name: str, node: Node) -> Iterator[Offer]:
    bases = " ".join(one_line(child) for child in node.children if child.type == "class_heritage")
    body = node.child_by_field_name("body")
    made = Offer(name, name, parameters=())
    offered = []
    for member in body.named_children if body else ():
        own = text_of(member.child_by_field_name("name"))
        hidden = own.startswith(("#", "_")) or text_of(member).startswith(("private", "protected"))
        if own == "constructor":
            made = _function(name, member)
        elif own and not hidden:
            offer = _function(own, member) if member.type in _FUNCTIONS else Offer(own, own)
            offered.append(Offer(f"{name}.{own}", f"{name}.{offer.text}", offer.fixed, offer.parameters))
    yield Offer(name, f"class {made.text}{f' {bases}' if bases else ''}", bases, made.parameters)
    yield from offered
