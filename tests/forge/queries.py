"""As much of GraphQL as a client of GitHub needs: read a document, answer it, refuse what the schema does not have."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(r'\s+|,|#[^\n]*|(\.\.\.|[{}()\[\]:!=$@|]|"(?:\\.|[^"\\])*"|-?\d+(?:\.\d+)?|[_A-Za-z]\w*)')

Resolver = Callable[[Any, Mapping[str, Any]], Any | Awaitable[Any]]
Schema = Mapping[str, Mapping[str, tuple[str | None, Resolver]]]
"""For each type its fields: the type of what a field gives (None for a plain value) and what gives it."""


UNIONS: Mapping[str, frozenset[str]] = {
    "IssueOrPullRequest": frozenset({"Issue", "PullRequest"}),
    "Node": frozenset({"Issue", "PullRequest", "Repository"}),
    "ProjectV2Owner": frozenset({"Owner"}),
}


class BadQuery(Exception):
    """The document cannot be answered; the message is what GitHub would say, `code` the word that it has for it."""

    def __init__(self, message: str, code: str = "") -> None:
        self.code = code
        super().__init__(message)


@dataclass
class Field:
    """A field that is asked for."""

    name: str
    key: str
    arguments: dict[str, Any] = field(default_factory=dict)
    selection: list[Field | Spread] = field(default_factory=list)


@dataclass
class Spread:
    """A fragment, named or not, and the type that it is on."""

    name: str = ""
    on: str = ""
    selection: list[Field | Spread] = field(default_factory=list)


@dataclass
class Variable:
    """A place that a variable fills."""

    name: str


class Document:
    """A read document: its operation and fragments."""

    def __init__(self, text: str) -> None:
        self._tokens = [match.group(1) for match in TOKEN.finditer(text) if match.group(1)]
        if "".join(self._tokens) != re.sub(
            r'#[^\n]*|("(?:\\.|[^"\\])*")|[\s,]', lambda m: m.group(1) or "", text
        ):
            raise BadQuery("Parse error")
        self._at = 0
        self.operation, self.selection = "query", list[Field | Spread]()
        self.fragments: dict[str, Spread] = {}
        self.defaults: dict[str, Any] = {}
        while self._at < len(self._tokens):
            self._definition()

    def _definition(self) -> None:
        word = self._peek()
        if word == "fragment":
            self._take()
            name = self._take()
            self._expect("on")
            on = self._take()
            self.fragments[name] = Spread(name, on, self._selection())
            return
        if word != "{":
            self.operation = self._take()
            if self._peek() not in {"{", "("}:
                self._take()
            if self._peek() == "(":
                self._variables()
        self.selection = self._selection()

    def _variables(self) -> None:
        self._expect("(")
        while self._peek() != ")":
            self._expect("$")
            name = self._take()
            self._expect(":")
            while self._peek() not in {"$", ")", "="}:
                self._take()
            if self._peek() == "=":
                self._take()
                self.defaults[name] = self._value()
        self._expect(")")

    def _selection(self) -> list[Field | Spread]:
        self._expect("{")
        found: list[Field | Spread] = []
        while self._peek() != "}":
            found.append(self._spread() if self._peek() == "..." else self._field())
        self._expect("}")
        return found

    def _spread(self) -> Spread:
        self._expect("...")
        if self._peek() == "on":
            self._take()
            on = self._take()
            return Spread("", on, self._selection())
        if self._peek() == "{":
            return Spread("", "", self._selection())
        return Spread(self._take())

    def _field(self) -> Field:
        name = key = self._take()
        if self._peek() == ":":
            self._take()
            name = self._take()
        asked = Field(name, key)
        if self._peek() == "(":
            self._take()
            while self._peek() != ")":
                argument = self._take()
                self._expect(":")
                asked.arguments[argument] = self._value()
            self._expect(")")
        if self._peek() == "{":
            asked.selection = self._selection()
        return asked

    def _value(self) -> Any:
        token = self._take()
        if token == "$":
            return Variable(self._take())
        if token == "[":
            values = []
            while self._peek() != "]":
                values.append(self._value())
            self._take()
            return values
        if token == "{":
            document = {}
            while self._peek() != "}":
                name = self._take()
                self._expect(":")
                document[name] = self._value()
            self._take()
            return document
        return _literal(token)

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise BadQuery("Parse error: unexpected end of document")
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        if (got := self._take()) != token:
            raise BadQuery(f"Parse error: expected {token}, got {got}")


def _literal(token: str) -> Any:
    if token.startswith('"'):
        return token[1:-1].encode().decode("unicode_escape")
    if re.fullmatch(r"-?\d+", token):
        return int(token)
    return {"true": True, "false": False, "null": None}.get(token, token)


@dataclass
class Answering:
    """Answers one document against a schema."""

    schema: Schema
    document: Document
    variables: Mapping[str, Any]
    errors: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, root: Any) -> dict[str, Any]:
        """What GitHub would reply: `data`, and `errors` where there are any."""
        kind = {"query": "Query", "mutation": "Mutation"}[self.document.operation]
        data = await self._select(kind, root, self.document.selection, ())
        return {"data": data, **({"errors": self.errors} if self.errors else {})}

    async def _select(
        self, kind: str, value: Any, selection: list[Field | Spread], path: tuple[str | int, ...]
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for asked in selection:
            if isinstance(asked, Spread):
                spread = self.document.fragments[asked.name] if asked.name else asked
                if spread.on in {"", kind} or kind in UNIONS.get(spread.on, ()):
                    answer |= await self._select(kind, value, spread.selection, path)
            elif asked.name == "__typename":
                answer[asked.key] = kind
            else:
                answer[asked.key] = await self._field(kind, value, asked, (*path, asked.key))
        return answer

    async def _field(self, kind: str, value: Any, asked: Field, path: tuple[str | int, ...]) -> Any:
        if asked.name not in self.schema[kind]:
            raise BadQuery(f"Field '{asked.name}' doesn't exist on type '{kind}'", "undefinedField")
        inner, resolver = self.schema[kind][asked.name]
        try:
            given = resolver(value, {name: self._filled(v) for name, v in asked.arguments.items()})
            if isinstance(given, Awaitable):
                given = await given
        except Refusal as refusal:
            self.errors.append({"type": refusal.kind, "path": list(path), "message": str(refusal)})
            return None
        return await self._complete(inner, given, asked, path)

    async def _complete(
        self, inner: str | None, given: Any, asked: Field, path: tuple[str | int, ...]
    ) -> Any:
        if given is None or inner is None:
            if inner is None and asked.selection:
                raise BadQuery(f"Selections can't be made on scalars (field '{asked.name}')")
            return given
        if isinstance(given, list):
            return [await self._complete(inner, one, asked, (*path, at)) for at, one in enumerate(given)]
        if not asked.selection:
            raise BadQuery(f"Field must have selections (field '{asked.name}' returns {inner})")
        if inner == "*":
            inner, given = given
        return await self._select(inner, given, asked.selection, path)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, Variable):
            return self.variables.get(value.name, self.document.defaults.get(value.name))
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        if isinstance(value, dict):
            return {name: self._filled(one) for name, one in value.items()}
        return value


class Refusal(Exception):
    """One field cannot be had; the rest of the answer can."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)
