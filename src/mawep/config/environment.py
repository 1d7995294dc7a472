"""`${VAR}` in a configuration: taken from the environment, and only from there.

In a text that a shell runs (`verify.commands`, `workspace.setup`, `agents.command` or a route's as one text) the shell
reads the variable itself, and its name is added to those that are passed on: the value never appears in an
argument list, a journal or a log. Everywhere else the value is put in. `$${VAR}` is a plain `${VAR}`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from mawep.adapters.yaml_lines import KeyPath, Tree

_REFERENCE = re.compile(r"\$(?P<escape>\$)?\{(?P<name>[^}]*)(?P<end>\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GIVEN = frozenset({"HOME", "LANG", "PATH", "PWD", "TERM", "TMPDIR"})
_GIVEN_PREFIXES = ("LC_", "MAWEP_")


@dataclass
class Resolved:
    """The tree with values put in.

    `written` keeps the text of every value that holds one; `problems` are sentences by path.
    """

    tree: dict[str, Tree]
    written: dict[KeyPath, str] = field(default_factory=dict)
    problems: dict[KeyPath, str] = field(default_factory=dict)


def resolve(tree: dict[str, Tree], environ: Mapping[str, str], uses: Collection[str]) -> Resolved:
    """Put the environment into the sections named in `uses`; the others stay as they are."""
    resolver = _Resolver(environ)
    found = {
        section: resolver.walk(value, (section,)) if section in uses else value
        for section, value in tree.items()
    }
    for section, names in resolver.passed_on.items():
        _pass_on(found, section, names)
    return Resolved(found, resolver.written, resolver.problems)


def names_in(text: str) -> set[str]:
    """The variables that `text` refers to."""
    return {found["name"] for found in _REFERENCE.finditer(text) if not found["escape"]}


def always_given(name: str) -> bool:
    """True for a variable that every program gets anyway, which is no secret."""
    return name in _GIVEN or name.startswith(_GIVEN_PREFIXES)


class _Resolver:
    """Walks a tree, putting values in and noting what it did."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.written: dict[KeyPath, str] = {}
        self.problems: dict[KeyPath, str] = {}
        self.passed_on: dict[str, dict[str, None]] = {}

    def walk(self, value: Tree, path: KeyPath) -> Tree:
        if isinstance(value, dict):
            return {key: self.walk(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.walk(inner, (*path, index)) for index, inner in enumerate(value)]
        if value is None or "${" not in value:
            return value
        receiver = _read_by_shell(path)
        return self._put_in(value, path) if receiver is None else self._leave(value, path, receiver)

    def _put_in(self, text: str, path: KeyPath) -> str:
        def replacement(found: re.Match[str]) -> str:
            if found["escape"]:
                return found[0][1:]
            if not found["end"] or not _NAME.fullmatch(found["name"]):
                self.problems[path] = (
                    f"`{found[0]}` is not understood; write `${{NAME}}`, or `$${{` for `${{`"
                )
            elif found["name"] not in self.environ:
                self.problems[path] = _unset(found["name"])
            return self.environ.get(found["name"], "")

        self.written[path] = text
        return _REFERENCE.sub(replacement, text)

    def _leave(self, text: str, path: KeyPath, receiver: str) -> str:
        for found in _REFERENCE.finditer(text):
            name = found["name"]
            if found["escape"] or not _NAME.fullmatch(name) or always_given(name):
                continue
            if name not in self.environ:
                self.problems[path] = _unset(name)
            self.passed_on.setdefault(receiver, {})[name] = None
        return _REFERENCE.sub(lambda found: found[0][1:] if found["escape"] else found[0], text)


def _unset(name: str) -> str:
    return f"the environment variable `{name}` is not set; set it, or write `$${{{name}}}` for the plain text"


def _read_by_shell(path: KeyPath) -> str | None:
    """The section whose `env` reaches the shell that reads the text at `path`; None: no shell does."""
    match path:
        case ("verify", "commands", int()) | ("workspace", "setup", int()):
            return "verify"
        case ("verify", "scopes", int(), "commands" | "setup", int()):
            return "verify"
        case ("agents", "command") | ("agents", "routes", int(), "command"):
            return "agents"
        case _:
            return None


def _pass_on(tree: dict[str, Tree], section: str, names: Collection[str]) -> None:
    values = tree.get(section)
    if values is None:
        values = tree[section] = {}
    if isinstance(values, dict):
        listed = values.get("env") or []
        if isinstance(listed, list):
            values["env"] = [*listed, *(name for name in names if name not in listed)]
