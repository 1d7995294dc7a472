"""What every provider's protocol has to say of a request and of an answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import msgspec

from mawep.gateway.framing import Framer
from mawep.gateway.values import Tokens

Trouble = Literal["token", "path", "request", "budget", "size", "busy", "upstream"]
"""Why a request is refused here: its token, its address, what it asks for, money, its size, too many, no provider."""

MOST_PARTS = 1_000_000
"""Commas in a request: of two bytes each, read, become a hundred in memory."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came. `query` is without the key; `body` is what was sent, uncompressed."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes


class Refused(Exception):  # noqa: N818 (an answer, not a fault)
    """The request is not forwarded. `why` is told to whoever asked."""

    def __init__(self, trouble: Trouble, why: str) -> None:
        self.trouble: Trouble = trouble
        self.why = why
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be forwarded.

    `path` goes behind the provider's base address. `metered`: the model is asked to answer, which costs. `answers` is
    how many answers it is to give; `max_output` the tokens that one may have, None when the request does not say.
    `stripped` names what was taken out.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    model: str = ""
    metered: bool = False
    max_output: int | None = None
    answers: int = 1
    stripped: tuple[str, ...] = ()


class Meter(Protocol):
    """Reads what an answer consumed while it goes by. Where it is cut into pieces makes no difference."""

    def feed(self, piece: bytes) -> None:
        """Look at the next bytes of the answer."""
        ...

    def used(self) -> Tokens | None:
        """What the whole answer says that it consumed; None when it does not say. Ends the metering."""
        ...

    def at_most(self, worst: Tokens) -> Tokens:
        """An upper bound for an answer that was cut off, where `worst` is one for the whole of it."""
        ...


class Shape(Protocol):
    """One provider's protocol."""

    @property
    def tokens_in(self) -> tuple[str, ...]:
        """Headers in which a client of this provider sends its key, beside `Authorization`."""
        ...

    def call(self, asked: Asked) -> Call:
        """What may be forwarded of a request. Raises Refused."""
        ...

    def meter(self, call: Call, content_type: str) -> Meter:
        """A meter for the answer to `call`."""
        ...

    def refusal(self, trouble: Trouble, why: str) -> tuple[int, bytes]:
        """Status and body of a refusal, as the provider itself would say it."""
        ...

    def key_headers(self, key: str) -> Mapping[str, str]:
        """The headers that carry the real key."""
        ...


class Reader:
    """A meter that looks at each document of an answer. `tokens` is the newest count, final when `complete`."""

    def __init__(self, framer: Framer) -> None:
        self.tokens: Tokens | None = None
        self.complete = False
        self._framer = framer
        self._bytes = 0

    def see(self, document: dict[str, Any]) -> None:
        """Take what a document says of usage."""
        raise NotImplementedError

    def hidden(self) -> bool:
        """True when the model may have thought without a word of it in the answer so far."""
        raise NotImplementedError

    def feed(self, piece: bytes) -> None:
        self._bytes += len(piece)
        for document in self._framer.feed(piece):
            self._see(document)

    def used(self) -> Tokens | None:
        for document in self._framer.end():
            self._see(document)
        return self.tokens if self.complete else None

    def at_most(self, worst: Tokens) -> Tokens:
        said = self.tokens or Tokens()
        visible = said.output + self._bytes  # no token is shorter than a byte
        output = worst.output if self.hidden() else min(worst.output, visible)
        read = said if said.read else worst
        return replace(read, output=max(output, said.output), thinking=said.thinking)

    def _see(self, document: Any) -> None:
        if isinstance(document, dict):
            self.see(document)


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def decoded(body: bytes) -> dict[str, Any]:
    """The object that a request's body is. Raises Refused."""
    if body.count(b",") > MOST_PARTS:
        raise Refused("size", f"a request may have {MOST_PARTS:,} parts at most")
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("request", f"the body of the request is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Refused("request", "the body of the request is not a JSON object")
    return found


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body as it travels."""
    return msgspec.json.encode(body)


def only(body: dict[str, Any], allowed: Collection[str], refused: Mapping[str, str]) -> tuple[str, ...]:
    """Take out the fields that are not `allowed`, and name them. Raises Refused for one of `refused` that is used."""
    for name, why in refused.items():
        if body.get(name):
            raise Refused("request", f"`{name}` is not let through by MAWEP's gateway: {why}")
    taken = [name for name in body if name not in allowed]
    for name in taken:
        del body[name]
    return tuple(taken)


def count(value: object) -> int:
    """A number of tokens as an answer says it; what is none counts as nothing."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def limit(value: object, name: str) -> int | None:
    """A limit on tokens as a request says it. Raises Refused when it is none."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise Refused("request", f"`{name}` is not a positive whole number")


def part(value: object, name: str) -> dict[str, Any]:
    """The object `name` inside a document; empty when there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def one_or_more(value: object) -> list[dict[str, Any]]:
    """The objects of a list, or the one that stands where a list is meant: some providers take that, too."""
    return [value] if isinstance(value, dict) else objects(value)


def objects(value: object) -> list[dict[str, Any]]:
    """The objects of a list; empty when it is none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
